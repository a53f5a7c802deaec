/// The catalogue: what the globals of a job state are made from when a script first names them.
///
/// A state with all host modules in it is some 35 KB, of which a job uses a few functions. So the image of a job state
/// has none of them: a C table that all states share says how each is made, and the globals' `__index` makes what is
/// asked for. It is written down once, from the complete template, so what a state gets in the end is the same in every
/// respect: identity, captured locals that functions share, metatables. Nothing of a host module runs again.
///
/// Immutable after `moon_catalogue_take`; used by all threads.
#pragma once
#include "internal.h"

/// A value: whatever can be written down without an object of a state.
typedef struct {
  enum {
    MOON_THING_NIL, MOON_THING_BOOLEAN, MOON_THING_INTEGER, MOON_THING_NUMBER, MOON_THING_STRING,
    MOON_THING_ADDRESS,     // light userdata, such as json.null
    MOON_THING_FUNCTION,    // C function without upvalues
    MOON_THING_GLOBALS,     // the state's table of globals
    MOON_THING_NODE,        // an object, made from its node
  } kind;
  union {
    bool boolean;
    lua_Integer integer;
    lua_Number number;
    struct { char *bytes; size_t size; } string;   // owned by the catalogue
    void *address;
    lua_CFunction function;
    uint32_t node;
  };
} moon_thing;

/// An object with an identity.
typedef struct {
  enum {
    MOON_MAKES_TABLE,       // things: key, value, key, value…
    MOON_MAKES_CLOSURE,     // a C function; things: its upvalues
    MOON_MAKES_FUNCTION,    // a Lua function; things: a cell for each upvalue
    MOON_MAKES_CELL,        // a local that Lua functions captured; things: its value
    MOON_MAKES_RANDOM,      // the userdata in which math.random keeps its words
  } kind;
  uint32_t references;      // from other nodes and from names: over 1, a state must remember the object
  uint32_t count;
  moon_thing *things;
  moon_thing metatable;     // of a table
  lua_CFunction function;   // of a closure
  char *code;               // of a Lua function: lua_dump's bytes
  size_t code_size;
} moon_node_made;

/// A global.
typedef struct {
  char *text;
  size_t size;
  moon_thing value;
  bool loaded;              // also in the registry's table of libraries, where tracebacks look for names
} moon_catalogue_name;

struct moon_catalogue {
  moon_node_made *nodes;
  uint32_t node_count, node_capacity;
  moon_catalogue_name *names;    // sorted by size, then bytes
  uint32_t name_count;
  moon_thing named;              // the table of moon_capsule_name
  moon_thing string_metatable;
  moon_thing context;            // the metatable of `ctx`, or nil
};

/// Writes down what the complete template `L` has. Raises when a host module holds what cannot be written down, or when
/// memory is over; the caller frees the catalogue either way.
void moon_catalogue_take(lua_State *L, moon_catalogue *catalogue);
void moon_catalogue_free(moon_catalogue *catalogue);

/// Pushes the value, making the objects that are not there yet. May raise for want of stack, before it has changed
/// anything.
void moon_catalogue_push(lua_State *L, const moon_catalogue *catalogue, const moon_thing *thing);
/// The number of the global of that name, or -1.
int32_t moon_catalogue_find(const moon_catalogue *catalogue, const char *name, size_t size);

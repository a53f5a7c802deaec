/// The walk of a capture, in pieces: values and tables (capsule_value.c), functions (capsule_function.c), globals and
/// modules (capsule_globals.c). capsule_capture.c drives it. Everything here raises when memory is over.
#pragma once
#include <lauxlib.h>
#include "capsule_internal.h"

/// Stack positions relative to the base of a call. WORK is an array with the object of each node (of a global and a
/// module: its key); it also keeps the objects alive while addresses stand for them.
/// PRISTINE has the globals as they were before the script.
enum { WORK = 1, GLOBAL_NODES, MODULE_NODES, PRISTINE, KEPT = PRISTINE, GLOBALS, LOADED };

typedef struct {
  lua_State *L;
  moon_capture *c;
  int base;
} moon_walk;

static inline _Noreturn void moon_walk_no_memory(lua_State *L) {
  luaL_error(L, "not enough memory to keep the script's functions");
  abort();                                                     // luaL_error does not return
}

static inline void moon_walk_need(moon_walk *w, bool ok) {
  if (!ok) moon_walk_no_memory(w->L);
}

// ---- capsule_value.c

/// Pops the object on top of the stack and makes it a node. The index of nodes must fit 30 bits of `objects`.
uint32_t moon_walk_node(moon_walk *w, uint8_t kind, uint32_t parent, const void *address);
/// The node that stands for "every global and module", made when the first function needs it.
uint32_t moon_walk_all(moon_walk *w);
void moon_walk_put_reference(moon_walk *w, uint8_t tag, uint32_t node);
/// The way to a host object.
void moon_walk_put_way(moon_walk *w, uint8_t tag, uint32_t host);
/// Writes the value on top of the stack (and pops it) into the record of `parent`. The globals as a value (rather than
/// as a function's `_ENV`) can be indexed with anything, so they bring all user globals along.
void moon_walk_put_value(moon_walk *w, uint32_t parent, bool as_environment);
/// The record of the table on top of the stack.
void moon_walk_table(moon_walk *w, uint32_t node);

// ---- capsule_globals.c

/// The node of the global with the key on top of the stack (popped), or MOON_NONE when the script has not touched it.
/// The host's own way to the globals (`_G`, `load`, `require`) answers with the ALL node.
uint32_t moon_walk_global(moon_walk *w);
/// The record of the ALL node.
void moon_walk_everything(moon_walk *w);
/// The record of a global or a module, whose key is on top of the stack, from the table at index `table`.
void moon_walk_entry(moon_walk *w, uint32_t node, int table);

// ---- capsule_function.c

/// The record of the Lua function on top of the stack.
void moon_walk_function(moon_walk *w, uint32_t node);
/// The record of the cell whose value is on top of the stack.
void moon_walk_cell(moon_walk *w, uint32_t node);

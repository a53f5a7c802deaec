// Writing the catalogue: a walk over everything that the globals of the complete template lead to.
//
// It recurses: host modules are the host's own and flat, and one that is not is refused.
#include <stdlib.h>
#include <string.h>
#include "capsule_buffer.h"
#include "catalogue.h"

enum { DEPTH_MAX = 16 };

typedef struct {
  lua_State *L;
  moon_catalogue *c;
  int seen;     // stack index of a table: object, or a cell's id, → node + 1
  int depth;
} walk;

static void *allocate(walk *w, size_t size) {
  void *p = calloc(1, size ? size : 1);
  if (!p) luaL_error(w->L, "not enough memory for the host's modules");
  return p;
}

static moon_thing thing_at(walk *w, int index, const char *path);

static uint32_t add_node(walk *w) {
  moon_catalogue *c = w->c;
  if (c->node_count == c->node_capacity) {
    uint32_t capacity = c->node_capacity ? 2 * c->node_capacity : 128;
    moon_node_made *nodes = realloc(c->nodes, capacity * sizeof *nodes);
    if (!nodes) luaL_error(w->L, "not enough memory for the host's modules");
    c->nodes = nodes;
    c->node_capacity = capacity;
  }
  c->nodes[c->node_count] = (moon_node_made){0};
  return c->node_count++;
}

/// Room for the things of a node. Not kept as a pointer across the walk: the array of nodes moves.
static void set_things(walk *w, uint32_t node, uint32_t count) {
  w->c->nodes[node].things = allocate(w, count * sizeof(moon_thing));
  w->c->nodes[node].count = count;
}

static void put_thing(walk *w, uint32_t node, uint32_t i, moon_thing thing) { w->c->nodes[node].things[i] = thing; }

static void take_table(walk *w, uint32_t node, int index, const char *path) {
  lua_State *L = w->L;
  uint32_t pairs = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) pairs++;
  set_things(w, node, 2 * pairs);
  uint32_t i = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    put_thing(w, node, i++, thing_at(w, lua_gettop(L) - 1, path));
    put_thing(w, node, i++, thing_at(w, lua_gettop(L), path));
  }
  if (!lua_getmetatable(L, index)) return;
  moon_thing metatable = thing_at(w, lua_gettop(L), path);
  w->c->nodes[node].metatable = metatable;
  lua_pop(L, 1);
}

static void take_closure(walk *w, uint32_t node, int index, const char *path) {
  lua_State *L = w->L;
  uint32_t count = 0;
  while (lua_getupvalue(L, index, (int)count + 1)) {
    lua_pop(L, 1);
    count++;
  }
  set_things(w, node, count);
  w->c->nodes[node].function = lua_tocfunction(L, index);
  for (uint32_t i = 0; i < count; i++) {
    lua_getupvalue(L, index, (int)i + 1);
    put_thing(w, node, i, thing_at(w, lua_gettop(L), path));
    lua_pop(L, 1);
  }
}

static uint32_t known(walk *w) {   // pops the key
  lua_rawget(w->L, w->seen);
  uint32_t node = (uint32_t)lua_tointeger(w->L, -1);
  lua_pop(w->L, 1);
  return node;
}

/// The cell of an upvalue of the function at `index`.
static moon_thing take_cell(walk *w, int index, int upvalue, const char *path) {
  lua_State *L = w->L;
  void *id = lua_upvalueid(L, index, upvalue);
  lua_pushlightuserdata(L, id);
  uint32_t node = known(w);
  if (node == 0) {
    node = add_node(w) + 1;
    w->c->nodes[node - 1].kind = MOON_MAKES_CELL;
    lua_pushinteger(L, node);
    lua_rawsetp(L, w->seen, id);
    set_things(w, node - 1, 1);
    lua_getupvalue(L, index, upvalue);
    put_thing(w, node - 1, 0, thing_at(w, lua_gettop(L), path));
    lua_pop(L, 1);
  }
  w->c->nodes[node - 1].references++;
  return (moon_thing){.kind = MOON_THING_NODE, .node = node - 1};
}

static int append(lua_State *L, const void *bytes, size_t size, void *buffer) {
  (void)L;
  return moon_put(buffer, bytes, size) ? 0 : 1;
}

static void take_function(walk *w, uint32_t node, int index, const char *path) {
  lua_State *L = w->L;
  moon_buffer code = {0};
  lua_pushvalue(L, index);
  int failed = lua_dump(L, append, &code, 1);
  lua_pop(L, 1);
  w->c->nodes[node].code = (char *)code.bytes;   // the catalogue's, whatever happens next
  w->c->nodes[node].code_size = code.length;
  if (failed) luaL_error(L, "not enough memory for the host's modules");
  uint32_t count = 0;
  while (lua_getupvalue(L, index, (int)count + 1)) {
    lua_pop(L, 1);
    count++;
  }
  set_things(w, node, count);
  for (uint32_t i = 0; i < count; i++) put_thing(w, node, i, take_cell(w, index, (int)i + 1, path));
}

static moon_thing take_object(walk *w, int index, const char *path) {
  lua_State *L = w->L;
  lua_pushvalue(L, index);
  uint32_t node = known(w);
  if (node == 0) {
    node = add_node(w) + 1;
    lua_pushvalue(L, index);
    lua_pushinteger(L, node);
    lua_rawset(L, w->seen);
    if (++w->depth > DEPTH_MAX) luaL_error(L, "the host module %s nests too deeply", path);
    luaL_checkstack(L, 8, NULL);
    moon_node_made *n = &w->c->nodes[node - 1];
    if (lua_istable(L, index)) {
      n->kind = MOON_MAKES_TABLE;
      take_table(w, node - 1, index, path);
    } else if (lua_iscfunction(L, index)) {
      n->kind = MOON_MAKES_CLOSURE;
      take_closure(w, node - 1, index, path);
    } else if (lua_isfunction(L, index)) {
      n->kind = MOON_MAKES_FUNCTION;
      take_function(w, node - 1, index, path);
    } else if (lua_touserdata(L, index) == (void *)state_of(L)->random) {
      n->kind = MOON_MAKES_RANDOM;
    } else {
      luaL_error(L, "the host module %s holds a %s, which cannot be part of a template", path, luaL_typename(L, index));
    }
    w->depth--;
  }
  w->c->nodes[node - 1].references++;
  return (moon_thing){.kind = MOON_THING_NODE, .node = node - 1};
}

static moon_thing thing_at(walk *w, int index, const char *path) {
  lua_State *L = w->L;
  switch (lua_type(L, index)) {
    case LUA_TNIL: return (moon_thing){.kind = MOON_THING_NIL};
    case LUA_TBOOLEAN: return (moon_thing){.kind = MOON_THING_BOOLEAN, .boolean = lua_toboolean(L, index)};
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) return (moon_thing){.kind = MOON_THING_INTEGER, .integer = lua_tointeger(L, index)};
      return (moon_thing){.kind = MOON_THING_NUMBER, .number = lua_tonumber(L, index)};
    case LUA_TSTRING: {
      moon_thing t = {.kind = MOON_THING_STRING};
      const char *bytes = lua_tolstring(L, index, &t.string.size);
      t.string.bytes = allocate(w, t.string.size + 1);
      memcpy(t.string.bytes, bytes, t.string.size + 1);
      return t;
    }
    case LUA_TLIGHTUSERDATA: return (moon_thing){.kind = MOON_THING_ADDRESS, .address = lua_touserdata(L, index)};
    default: break;
  }
  lua_pushglobaltable(L);
  bool globals = lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  if (globals) return (moon_thing){.kind = MOON_THING_GLOBALS};
  if (lua_iscfunction(L, index)) {
    if (!lua_getupvalue(L, index, 1))
      return (moon_thing){.kind = MOON_THING_FUNCTION, .function = lua_tocfunction(L, index)};
    lua_pop(L, 1);
  }
  return take_object(w, index, path);
}

// ---- names ----------------------------------------------------------------------------------------------------------

static int order(const void *a, const void *b) {
  const moon_catalogue_name *x = a, *y = b;
  if (x->size != y->size) return x->size < y->size ? -1 : 1;
  return memcmp(x->text, y->text, x->size);
}

int32_t moon_catalogue_find(const moon_catalogue *c, const char *name, size_t size) {
  uint32_t low = 0, high = c->name_count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    const moon_catalogue_name *n = &c->names[middle];
    int d = n->size != size ? (n->size < size ? -1 : 1) : memcmp(n->text, name, size);
    if (d == 0) return (int32_t)middle;
    if (d < 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}

static void take_names(walk *w) {
  lua_State *L = w->L;
  moon_catalogue *c = w->c;
  lua_pushglobaltable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  int globals = lua_gettop(L) - 1, loaded = globals + 1;
  uint32_t count = 0;
  for (lua_pushnil(L); lua_next(L, globals); lua_pop(L, 1)) count++;
  c->names = allocate(w, count * sizeof *c->names);
  for (lua_pushnil(L); lua_next(L, globals); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "a host module set a global whose name is not a string");
    moon_catalogue_name *n = &c->names[c->name_count];
    const char *text = lua_tolstring(L, -2, &n->size);
    n->text = allocate(w, n->size + 1);
    c->name_count++;
    memcpy(n->text, text, n->size + 1);
    n->value = thing_at(w, lua_gettop(L), n->text);
    lua_pushvalue(L, -2);
    lua_rawget(L, loaded);
    n->loaded = lua_rawequal(L, -1, -2);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  // The strings' metatable leads to their library as well (moon_string_index): it must be one object per state.
  for (uint32_t i = 0; i < c->name_count; i++)
    if (strcmp(c->names[i].text, LUA_STRLIBNAME) == 0) c->nodes[c->names[i].value.node].references++;
  qsort(c->names, c->name_count, sizeof *c->names, order);
  if (c->name_count > MOON_GLOBALS_MAX)
    luaL_error(L, "the host's modules define %d globals; %d are possible: put functions into modules",
        (int)c->name_count,
               MOON_GLOBALS_MAX);
}

/// The strings' metatable without its way to the string library, which the first method call makes.
static moon_thing take_string_metatable(walk *w) {
  lua_State *L = w->L;
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushliteral(L, "__index");
  lua_rawget(L, -2);
  lua_pushliteral(L, "__index");
  lua_pushcfunction(L, moon_string_index);
  lua_rawset(L, -4);
  moon_thing metatable = thing_at(w, lua_gettop(L) - 1, "string");
  lua_pushliteral(L, "__index");
  lua_insert(L, -2);
  lua_rawset(L, -3);
  lua_pop(L, 2);
  return metatable;
}

void moon_catalogue_take(lua_State *L, moon_catalogue *c) {
  luaL_checkstack(L, 16, NULL);
  int top = lua_gettop(L);
  lua_newtable(L);
  walk w = {.L = L, .c = c, .seen = lua_gettop(L)};
  c->string_metatable = take_string_metatable(&w);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &moon_context_key);
  c->context = thing_at(&w, lua_gettop(L), "ctx");
  moon_capsule_push_named(L);
  c->named = thing_at(&w, lua_gettop(L), "ctx");
  take_names(&w);
  lua_settop(L, top);
}

void moon_catalogue_free(moon_catalogue *c) {
  for (uint32_t i = 0; i < c->node_count; i++) {
    moon_node_made *n = &c->nodes[i];
    for (uint32_t k = 0; n->things && k < n->count; k++)
      if (n->things[k].kind == MOON_THING_STRING) free(n->things[k].string.bytes);
    free(n->things);
    free(n->code);
  }
  for (uint32_t i = 0; i < c->name_count; i++) {
    if (c->names[i].value.kind == MOON_THING_STRING) free(c->names[i].value.string.bytes);
    free(c->names[i].text);
  }
  free(c->nodes);
  free(c->names);
  *c = (moon_catalogue){0};
}

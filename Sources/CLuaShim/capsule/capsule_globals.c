// Capture: the globals and modules that code can name.
#include "capsule_walk.h"

uint32_t moon_walk_global(moon_walk *w) {
  lua_State *L = w->L;
  lua_pushvalue(L, -1);
  if (lua_rawget(L, w->base + GLOBAL_NODES) == LUA_TNUMBER) {  // stack: key, number
    uint32_t node = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return node;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_rawget(L, w->base + GLOBALS);
  lua_pushvalue(L, -2);
  lua_rawget(L, w->base + PRISTINE);                           // stack: key, value, pristine value
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  uint32_t node = MOON_NONE;
  if (!same) {
    lua_pushvalue(L, -1);
    node = moon_walk_node(w, MOON_NODE_GLOBAL, MOON_NONE, NULL);
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    const char *name = lua_tostring(L, -1);
    if (strcmp(name, "_G") == 0 || strcmp(name, "load") == 0 || strcmp(name, "require") == 0 ||
        strcmp(name, "package") == 0)
      node = moon_walk_all(w);
  }
  lua_pushvalue(L, -1);
  lua_pushinteger(L, node);
  lua_rawset(L, w->base + GLOBAL_NODES);                       // stack: key
  lua_pop(L, 1);
  return node;
}

static uint32_t module_node(moon_walk *w) {                         // pops the name on top of the stack
  lua_State *L = w->L;
  lua_pushvalue(L, -1);
  uint32_t node;
  if (lua_rawget(L, w->base + MODULE_NODES) == LUA_TNUMBER) {
    node = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return node;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  node = moon_walk_node(w, MOON_NODE_MODULE, MOON_NONE, NULL);
  lua_pushinteger(L, node);
  lua_rawset(L, w->base + MODULE_NODES);
  return node;
}

// Appends the sorted primitive keys of the table at `index` to the scratch buffer.
static void collect_keys(moon_walk *w, int index) {
  lua_State *L = w->L;
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pop(L, 1);
    moon_key k = moon_key_at(L, -1);
    if (k.rank != 0) moon_walk_need(w, moon_put(&w->c->scratch, &k, sizeof k));
  }
}

// The record of the ALL node. Keys that are objects are left out: code that has such a key holds the object, and can
// hold the value as well.
void moon_walk_everything(moon_walk *w) {
  lua_State *L = w->L;
  moon_capture *c = w->c;
  moon_buffer *scratch = &c->scratch;
  uint32_t count = 0;
  scratch->length = 0;
  collect_keys(w, w->base + GLOBALS);
  for (lua_pushnil(L); lua_next(L, w->base + PRISTINE);) {     // globals that the script removed
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    moon_key k = moon_key_at(L, -1);
    if (lua_rawget(L, w->base + GLOBALS) == LUA_TNIL && k.rank != 0) moon_walk_need(w, moon_put(scratch, &k, sizeof k));
    lua_pop(L, 1);
  }
  size_t globals = scratch->length / sizeof(moon_key);
  moon_keys_sort((moon_key *)(void *)scratch->bytes, globals);
  collect_keys(w, w->base + LOADED);
  size_t total = scratch->length / sizeof(moon_key);
  if (total > globals) moon_keys_sort((moon_key *)(void *)scratch->bytes + globals, total - globals);
  c->text.length = 0;                                          // the references, to be counted first
  for (size_t i = 0; i < total; i++) {
    moon_key k = ((moon_key *)(void *)scratch->bytes)[i];
    moon_key_push(L, &k);
    uint32_t node = i < globals ? moon_walk_global(w) : module_node(w);
    if (node == MOON_NONE || node == c->all) continue;
    moon_walk_need(w, moon_put_number(&c->text, (uint64_t)node * 2));
    count++;
  }
  moon_walk_need(w, moon_put_number(&c->raw, count) && moon_put(&c->raw, c->text.bytes, c->text.length));
}

// The record of a global or a module: its key is in WORK.
void moon_walk_entry(moon_walk *w, uint32_t node, int table) {
  lua_State *L = w->L;                                         // stack: key
  lua_pushvalue(L, -1);
  moon_walk_put_value(w, node, false);
  lua_pushvalue(L, -1);
  lua_rawget(L, w->base + table);
  moon_walk_put_value(w, node, false);
}

// Capture: values, and the records of tables.
#include "capsule_walk.h"

uint32_t moon_walk_node(moon_walk *w, uint8_t kind, uint32_t parent, const void *address) {
  moon_capture *c = w->c;
  uint32_t node = moon_node_count(c);
  if (node >= MOON_IS_HOST_CELL / 2) moon_walk_no_memory(w->L);
  lua_rawseti(w->L, w->base + WORK, (lua_Integer)node + 1);
  moon_node n = {.kind = kind, .parent = parent, .first_job = MOON_NONE, .second_job = MOON_NONE, .placed = MOON_NONE};
  moon_walk_need(w, moon_put(&c->nodes, &n, sizeof n));
  if (address) moon_walk_need(w, moon_map_put(&c->objects, (uint64_t)(uintptr_t)address, node));
  return node;
}

void moon_walk_put_reference(moon_walk *w, uint8_t tag, uint32_t node) {
  moon_walk_need(w, moon_put_byte(&w->c->raw, tag) && moon_put_number(&w->c->raw, (uint64_t)node * 2));
}

static void put_string(moon_walk *w, uint8_t tag, const void *bytes, size_t length) {
  moon_buffer *raw = &w->c->raw;
  moon_walk_need(w, moon_put_byte(raw, tag) && moon_put_number(raw, length) && moon_put(raw, bytes, length));
}

void moon_walk_put_way(moon_walk *w, uint8_t tag, uint32_t host) {
  const uint32_t *span = (const uint32_t *)(const void *)w->c->host_index.bytes + 2 * host;
  put_string(w, tag, w->c->hosts.bytes + span[0], span[1]);
}

uint32_t moon_walk_all(moon_walk *w) {
  if (w->c->all == MOON_NONE) {
    lua_pushboolean(w->L, 1);
    w->c->all = moon_walk_node(w, MOON_NODE_ALL, MOON_NONE, NULL);
  }
  return w->c->all;
}

static void put_key(moon_walk *w, const moon_key *k) {
  moon_buffer *raw = &w->c->raw;
  if (k->rank == 1) moon_walk_need(w, moon_put_byte(raw, k->boolean ? MOON_TRUE : MOON_FALSE));
  else if (k->rank == 3) put_string(w, MOON_STRING, k->string, k->length);
  else if (k->is_integer)
    moon_walk_need(w, moon_put_byte(raw, MOON_INTEGER) && moon_put_number(raw, moon_zigzag(k->integer)));
  else {
    lua_Number n = k->number;
    uint64_t bits;
    memcpy(&bits, &n, sizeof bits);
    if (n != n) bits = 0x7ff8000000000000u;                    // processors differ in the sign of 0/0
    moon_walk_need(w, moon_put_byte(raw, MOON_FLOAT) && moon_put(raw, &bits, sizeof bits));
  }
}

void moon_walk_put_value(moon_walk *w, uint32_t parent, bool as_environment) {
  lua_State *L = w->L;
  moon_capture *c = w->c;
  int type = lua_type(L, -1);
  switch (type) {
  case LUA_TNIL: moon_walk_need(w, moon_put_byte(&c->raw, MOON_NIL)); break;
  case LUA_TBOOLEAN: case LUA_TNUMBER: case LUA_TSTRING: {
    moon_key k = moon_key_at(L, -1);
    put_key(w, &k);
    break;
  }
  case LUA_TTHREAD: moon_capture_raise(L, c, w->base + WORK, parent, "cannot keep a coroutine");
  default: {
    const void *address = lua_topointer(L, -1);
    const uint32_t *known = moon_map_get(&c->objects, (uintptr_t)address);
    if (known && *known == MOON_IS_HOST) {                     // host object 0: the globals
      if (as_environment) moon_walk_need(w, moon_put_byte(&c->raw, MOON_GLOBALS));
      else moon_walk_put_reference(w, MOON_ALL_GLOBALS, moon_walk_all(w));
    } else if (known && *known & MOON_IS_HOST) {
      uint32_t host = *known & ~MOON_IS_HOST;
      // `load` and `require` run code that may name any global.
      if (host == c->load || host == c->require) moon_walk_put_reference(w, MOON_REACHING_HOST, moon_walk_all(w));
      moon_walk_put_way(w, MOON_HOST, host);
    } else if (known) moon_walk_put_reference(w, MOON_REFERENCE, *known);
    else if (type == LUA_TTABLE || (type == LUA_TFUNCTION && !lua_iscfunction(L, -1))) {
      lua_pushvalue(L, -1);
      uint8_t kind = type == LUA_TTABLE ? MOON_NODE_TABLE : MOON_NODE_FUNCTION;
      moon_walk_put_reference(w, MOON_REFERENCE, moon_walk_node(w, kind, parent, address));
    } else {
      const char *what = type == LUA_TFUNCTION ? "cannot keep a C function that is not part of the host's API"
                                               : "cannot keep a userdata; make it inside the function that needs it";
      moon_capture_raise(L, c, w->base + WORK, parent, what);
    }
  }
  }
  lua_pop(L, 1);
}

// ---- Tables ---------------------------------------------------------------------------------------------------------

// What a weak table holds depends on the collector until it has run; nothing of the script runs during a capture, so
// once is enough. Objects that are nodes already stay: WORK holds them.
static void settle_weak(moon_walk *w) {
  if (w->c->collected) return;
  w->c->collected = true;
  lua_gc(w->L, LUA_GCCOLLECT);
}

static void put_metatable(moon_walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: table
  if (!lua_getmetatable(L, -1)) {
    moon_walk_need(w, moon_put_byte(&w->c->raw, MOON_NIL));
    return;
  }
  lua_pushliteral(L, "__mode");
  if (lua_rawget(L, -2) == LUA_TSTRING) settle_weak(w);
  lua_pop(L, 1);
  moon_walk_put_value(w, node, false);
}

void moon_walk_table(moon_walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: table
  moon_capture *c = w->c;
  size_t flags = c->raw.length;
  moon_walk_need(w, moon_put_byte(&c->raw, 0));
  put_metatable(w, node);
  // Keys 1…n without a gap; not the length operator, whose answer may depend on how the table grew.
  lua_Integer n = 0;
  while (lua_rawgeti(L, -1, n + 1) != LUA_TNIL) lua_pop(L, 1), n++;
  lua_pop(L, 1);
  moon_walk_need(w, moon_put_number(&c->raw, (uint64_t)n));
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    moon_walk_put_value(w, node, false);
  }
  // The other keys, in their order; those that are objects go to a list and come last, as the table gives them.
  c->scratch.length = 0;
  lua_Integer objects = 0;
  for (lua_pushnil(L); lua_next(L, -2);) {                     // stack: table, key, value
    lua_pop(L, 1);
    moon_key k = moon_key_at(L, -1);
    if (k.rank == 2 && k.is_integer && k.integer >= 1 && k.integer <= n) continue;
    if (k.rank != 0) moon_walk_need(w, moon_put(&c->scratch, &k, sizeof k));
    else objects++;
  }
  size_t count = c->scratch.length / sizeof(moon_key);
  moon_keys_sort((moon_key *)(void *)c->scratch.bytes, count);
  moon_walk_need(w, moon_put_number(&c->raw, (uint64_t)count + (uint64_t)objects));
  for (size_t i = 0; i < count; i++) {
    moon_key k = ((moon_key *)(void *)c->scratch.bytes)[i];
    put_key(w, &k);
    moon_key_push(L, &k);
    lua_rawget(L, -2);
    moon_walk_put_value(w, node, false);
  }
  if (objects == 0) return;
  c->raw.bytes[flags] |= MOON_TABLE_UNORDERED;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {       // stack: table, key, value
    if (moon_key_at(L, -2).rank != 0) continue;
    lua_pushvalue(L, -2);
    moon_walk_put_value(w, node, false);
    lua_pushvalue(L, -1);
    moon_walk_put_value(w, node, false);
  }
}

// Build: makes what a capsule's root table reaches in a fresh state.
//
// A node gets a *slot* when it is first mentioned: its object is made empty and queued; the queue then fills one object
// after the other, which mentions more. So only what is reached of the shared part is made, and nothing recurses.
// Everything lives in the Lua stack and two arrays of this C frame, or in Lua tables when the capsule has many nodes:
// an abandon loses nothing.
#include <lauxlib.h>
#include "capsule_internal.h"
#include "internal.h"

/// Up to this many nodes (own and shared together) the queue and the cells' upvalue numbers are in the C frame.
enum { SMALL = 128 };

typedef struct {
  lua_State *L;
  const moon_capsule *k;
  /// Stack position of the slots: node object by slot number (of a cell: a function that has it; of the rest: true);
  /// with `large`, minus the slot number leads to the upvalue number of a cell.
  int slots;
  /// Stack position of the queue, an array of references, when `large`.
  int queue_table;
  bool large;
  uint32_t queued, done;
  uint32_t queue[SMALL];
  uint8_t cell_upvalue[SMALL];
} build;

// Own nodes first: with a large shared part of which little is reached, their slots are an array and the others a hash.
static lua_Integer slot_of(const build *b, uint32_t reference) {
  return reference & 1 ? (lua_Integer)b->k->node_count + (reference >> 1) + 1 : (lua_Integer)(reference >> 1) + 1;
}

static _Noreturn void broken(lua_State *L) {
  luaL_error(L, "the capsule's bytes are broken");
  abort();
}

static const char *feed(lua_State *L, void *data, size_t *size) {
  (void)L;
  const moon_proto **p = data;
  const moon_proto *now = *p;
  *p = NULL;
  *size = now ? now->dump_length : 0;
  return now ? (const char *)now->dump : NULL;
}

static void enqueue(build *b, uint32_t reference) {
  if (b->large) {
    lua_pushinteger(b->L, reference);
    lua_rawseti(b->L, b->queue_table, (lua_Integer)b->queued + 1);
  } else b->queue[b->queued] = reference;
  b->queued++;
}

// A size hint for lua_createtable from a count in a record: hints are not trusted beyond what the record can hold.
static int hint(uint64_t count, const moon_reader *r) {
  uint64_t most = (uint64_t)(r->end - r->at);
  return (int)(count < most ? count : most);
}

// Pushes the object of a node, making and queueing it when this is the first mention. Cells do not come here.
static void push_node(build *b, uint64_t reference) {
  lua_State *L = b->L;
  const moon_capsule *part = moon_part(b->k, (uint32_t)reference);
  uint32_t index = (uint32_t)(reference >> 1);
  if (reference > UINT32_MAX || !part || index >= part->node_count) broken(L);
  lua_Integer slot = slot_of(b, (uint32_t)reference);
  if (lua_rawgeti(L, b->slots, slot) != LUA_TNIL) return;
  lua_pop(L, 1);
  moon_reader r = moon_record(part, index);
  switch (moon_get_byte(&r)) {
  case MOON_NODE_TABLE: {
    moon_get_byte(&r);
    moon_skip_value(&r);
    moon_reader values = r;
    uint64_t n = moon_get_number(&values), pairs = 0;
    // The pair count is behind the values: worth the walk for small arrays only, elsewhere pairs are rare.
    if (n < 16) {
      for (uint64_t i = 0; i < n; i++) moon_skip_value(&values);
      pairs = moon_get_number(&values);
    }
    lua_createtable(L, hint(n, &r), hint(pairs, &r));
    break;
  }
  case MOON_NODE_FUNCTION: {
    uint64_t proto = moon_get_number(&r);
    if (proto >= part->proto_count) broken(L);
    const moon_proto *p = part->protos[proto];
    if (lua_load(L, feed, &p, "=capsule", "b") != LUA_OK) lua_error(L);
    break;
  }
  case MOON_NODE_GLOBAL: case MOON_NODE_MODULE: case MOON_NODE_ALL: lua_pushboolean(L, 1); break;
  default: broken(L);
  }
  lua_pushvalue(L, -1);
  lua_rawseti(L, b->slots, slot);
  enqueue(b, (uint32_t)reference);
}

static void push_value(build *b, moon_reader *r) {
  lua_State *L = b->L;
  switch (moon_get_byte(r)) {
  case MOON_NIL: lua_pushnil(L); break;
  case MOON_FALSE: lua_pushboolean(L, 0); break;
  case MOON_TRUE: lua_pushboolean(L, 1); break;
  case MOON_INTEGER: lua_pushinteger(L, moon_unzigzag(moon_get_number(r))); break;
  case MOON_FLOAT: {
    lua_Number n = 0;
    const uint8_t *bytes = moon_get(r, sizeof n);
    if (bytes) memcpy(&n, bytes, sizeof n);
    lua_pushnumber(L, n);
    break;
  }
  case MOON_STRING: {
    uint64_t length = moon_get_number(r);
    const uint8_t *bytes = moon_get(r, length);
    if (!bytes) broken(L);
    lua_pushlstring(L, (const char *)bytes, length);
    break;
  }
  case MOON_REFERENCE: push_node(b, moon_get_number(r)); break;
  case MOON_REACHING_HOST:
    push_node(b, moon_get_number(r));
    lua_pop(L, 1);
    if (moon_get_byte(r) != MOON_HOST) broken(L);
    // fall through
  case MOON_HOST: {
    uint64_t length = moon_get_number(r);
    const uint8_t *way = moon_get(r, length);
    if (!way) broken(L);
    moon_host_push(L, way, length);
    break;
  }
  case MOON_ALL_GLOBALS:
    push_node(b, moon_get_number(r));
    lua_pop(L, 1);
    // fall through
  case MOON_GLOBALS: lua_pushglobaltable(L); break;
  default: broken(L);
  }
}

// ---- Filling --------------------------------------------------------------------------------------------------------

static void fill_table(build *b, moon_reader *r) {             // stack: table
  lua_State *L = b->L;
  moon_get_byte(r);
  push_value(b, r);
  if (lua_isnil(L, -1)) lua_pop(L, 1);
  else lua_setmetatable(L, -2);
  uint64_t n = moon_get_number(r);
  for (uint64_t i = 1; i <= n && !r->bad; i++) {
    push_value(b, r);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  for (uint64_t pairs = moon_get_number(r); pairs > 0 && !r->bad; pairs--) {
    push_value(b, r);
    push_value(b, r);
    lua_rawset(L, -3);
  }
}

// Upvalue number `i` of the function on top of the stack becomes the cell: the first function of a cell lends it its
// own.
static void join_cell(build *b, int i, uint64_t reference) {
  lua_State *L = b->L;
  const moon_capsule *part = moon_part(b->k, (uint32_t)reference);
  uint32_t index = (uint32_t)(reference >> 1);
  if (reference > UINT32_MAX || !part || index >= part->node_count) broken(L);
  lua_Integer slot = slot_of(b, (uint32_t)reference);
  if (lua_rawgeti(L, b->slots, slot) != LUA_TNIL) {            // stack: function, owner
    int upvalue;
    if (b->large) {
      lua_rawgeti(L, b->slots, -slot);
      upvalue = (int)lua_tointeger(L, -1);
      lua_pop(L, 1);
    } else upvalue = b->cell_upvalue[slot - 1];
    lua_upvaluejoin(L, -2, i, -1, upvalue);
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, b->slots, slot);
  if (b->large) {
    lua_pushinteger(L, i);
    lua_rawseti(L, b->slots, -slot);
  } else b->cell_upvalue[slot - 1] = (uint8_t)i;
  moon_reader r = moon_record(part, index);
  if (moon_get_byte(&r) != MOON_NODE_CELL) broken(L);
  push_value(b, &r);
  lua_setupvalue(L, -2, i);
}

static void fill_function(build *b, uint32_t reference, moon_reader *r) {   // stack: function
  lua_State *L = b->L;
  const moon_proto *p = moon_part(b->k, reference)->protos[moon_get_number(r)];   // push_node has checked it
  if (moon_get_number(r) != p->upvalue_count) broken(L);
  for (int i = 1; i <= p->upvalue_count && !r->bad; i++) {
    switch (r->at < r->end ? *r->at : MOON_NIL) {
    case MOON_GLOBALS:                                         // lua_load has set the first upvalue to the globals
      r->at++;
      if (i == 1) break;
      lua_pushglobaltable(L);
      if (!lua_setupvalue(L, -2, i)) broken(L);
      break;
    case MOON_CELL:
      r->at++;
      join_cell(b, i, moon_get_number(r));
      break;
    case MOON_HOST_CELL: {
      r->at++;
      uint64_t length = moon_get_number(r);
      const uint8_t *way = moon_get(r, length);
      if (!way) broken(L);
      moon_host_push(L, way, length);
      int upvalue = moon_get_byte(r);
      if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) || !lua_getupvalue(L, -1, upvalue)) broken(L);
      lua_pop(L, 1);
      lua_upvaluejoin(L, -2, i, -1, upvalue);
      lua_pop(L, 1);
      break;
    }
    default:
      push_value(b, r);
      if (!lua_setupvalue(L, -2, i)) broken(L);
    }
  }
  for (uint64_t uses = moon_get_number(r); uses > 0 && !r->bad; uses--) {
    push_node(b, moon_get_number(r));
    lua_pop(L, 1);
  }
}

static void fill(build *b, uint32_t reference) {
  lua_State *L = b->L;
  moon_reader r = moon_record(moon_part(b->k, reference), reference >> 1);
  uint8_t kind = moon_get_byte(&r);
  lua_rawgeti(L, b->slots, slot_of(b, reference));             // stack: object
  switch (kind) {
  case MOON_NODE_TABLE: fill_table(b, &r); break;
  case MOON_NODE_FUNCTION: fill_function(b, reference, &r); break;
  case MOON_NODE_GLOBAL:
    push_value(b, &r);
    push_value(b, &r);
    moon_globals_set(L);
    break;
  case MOON_NODE_MODULE:
    moon_capsule_loaded(L);
    push_value(b, &r);
    push_value(b, &r);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    break;
  case MOON_NODE_ALL:
    for (uint64_t count = moon_get_number(&r); count > 0 && !r.bad; count--) {
      push_node(b, moon_get_number(&r));
      lua_pop(L, 1);
    }
    break;
  default: broken(L);
  }
  if (r.bad) broken(L);
  lua_pop(L, 1);
}

void moon_capsule_build(lua_State *L, const moon_capsule *k) {
  luaL_checkstack(L, 24, "capsule");
  size_t nodes = (size_t)k->node_count + (k->shared ? k->shared->node_count : 0);
  build b;                                                     // not zeroed: two of its arrays are large
  b.L = L, b.k = k, b.queued = b.done = 0, b.large = nodes > SMALL;
  lua_createtable(L, (int)(b.large ? k->node_count : nodes), 0);
  b.slots = lua_gettop(L);
  b.queue_table = b.slots + 1;
  if (b.large) lua_newtable(L);
  push_node(&b, 0);
  lua_insert(L, b.slots);                                      // stack: roots, slots[, queue]
  b.slots++, b.queue_table++;
  while (b.done < b.queued) {
    uint32_t reference;
    if (b.large) {
      lua_rawgeti(L, b.queue_table, (lua_Integer)++b.done);
      reference = (uint32_t)lua_tointeger(L, -1);
      lua_pop(L, 1);
    } else reference = b.queue[b.done++];
    fill(&b, reference);
  }
  lua_settop(L, b.slots - 1);
}

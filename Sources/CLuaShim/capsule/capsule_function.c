// Capture: the records of Lua functions and of the locals that they captured.
#include "capsule_walk.h"

static int collect(lua_State *L, const void *bytes, size_t count, void *buffer) {
  (void)L;
  return moon_put(buffer, bytes, count) ? 0 : 1;
}

// The capture's number of the prototype of the function on top of the stack. Closures of one prototype give equal
// dumps, so ten thousand functions from a loop are one prototype.
static uint32_t prototype(moon_walk *w) {
  moon_capture *c = w->c;
  c->scratch.length = 0;
  if (lua_dump(w->L, collect, &c->scratch, 0) != 0) moon_walk_no_memory(w->L);
  uint64_t key = moon_proto_key(c->scratch.bytes, c->scratch.length);
  moon_proto **protos = (moon_proto **)(void *)c->protos.bytes;
  const uint32_t *known = moon_map_get(&c->proto_index, key);
  if (known && protos[*known]->dump_length == c->scratch.length &&
      memcmp(protos[*known]->dump, c->scratch.bytes, c->scratch.length) == 0)
    return *known;
  moon_proto *proto = moon_proto_intern(c->scratch.bytes, c->scratch.length);
  if (!proto) moon_walk_no_memory(w->L);
  uint32_t index = (uint32_t)(c->protos.length / sizeof proto);
  if (!moon_put(&c->protos, &proto, sizeof proto)) {
    moon_proto_release(proto);
    moon_walk_no_memory(w->L);
  }
  if (!known) moon_walk_need(w, moon_map_put(&c->proto_index, key, index));
  return index;
}

// Writes the upvalue whose value is on top of the stack (popped) as a reference to its cell.
static void put_cell(moon_walk *w, uint32_t function, int upvalue, const char *name, uint8_t flags) {
  lua_State *L = w->L;                                         // stack: function, value
  moon_capture *c = w->c;
  const void *id = lua_upvalueid(L, -2, upvalue);
  const uint32_t *known = moon_map_get(&c->objects, (uintptr_t)id);
  if (known && *known & MOON_IS_HOST_CELL) {
    moon_walk_put_way(w, MOON_HOST_CELL, (*known & ~MOON_IS_HOST_CELL) / 256);
    moon_walk_need(w, moon_put_byte(&c->raw, *known & 255));
    lua_pop(L, 1);
    return;
  }
  uint32_t cell = known ? *known : MOON_NONE;
  if (!known) {
    cell = moon_walk_node(w, MOON_NODE_CELL, function, id);
    moon_nodes(c)[cell].upvalue = (uint8_t)upvalue;
  } else lua_pop(L, 1);
  if (flags & MOON_UPVALUE_ASSIGNED && !(moon_nodes(c)[cell].flags & MOON_ASSIGNED)) {
    moon_nodes(c)[cell].flags |= MOON_ASSIGNED;
    moon_nodes(c)[cell].name = (uint32_t)c->names.length;
    moon_walk_need(w, moon_put(&c->names, name, strlen(name) + 1));
  }
  moon_walk_put_reference(w, MOON_CELL, cell);
}

// The globals that the code of a function can name through an upvalue that holds the globals.
static void collect_uses(moon_walk *w, const moon_proto *p, int upvalue, uint32_t *count) {
  lua_State *L = w->L;
  moon_buffer *uses = &w->c->text;
  if (p->flags[upvalue] & MOON_UPVALUE_READ) {
    moon_walk_need(w, moon_put_number(uses, (uint64_t)moon_walk_all(w) * 2));
    ++*count;
    return;
  }
  moon_reader names = {.at = p->names, .end = p->names_end};
  while (names.at < names.end) {
    uint8_t index = moon_get_byte(&names);
    uint64_t length = moon_get_number(&names);
    const uint8_t *name = moon_get(&names, length);
    if (index != upvalue) continue;
    lua_pushlstring(L, (const char *)name, length);
    uint32_t node = moon_walk_global(w);
    if (node == MOON_NONE) continue;
    moon_walk_need(w, moon_put_number(uses, (uint64_t)node * 2));
    ++*count;
  }
}

void moon_walk_function(moon_walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: function
  moon_capture *c = w->c;
  uint32_t index = prototype(w), uses = 0;
  const moon_proto *p = ((moon_proto **)(void *)c->protos.bytes)[index];
  moon_walk_need(w, moon_put_number(&c->raw, index) && moon_put_number(&c->raw, p->upvalue_count));
  c->text.length = 0;
  for (int i = 0; i < p->upvalue_count; i++) {
    const char *name = lua_getupvalue(L, -1, i + 1);           // kept by the prototype
    bool environment = lua_rawequal(L, -1, w->base + GLOBALS);
    put_cell(w, node, i + 1, name ? name : "?", p->flags[i]);
    if (environment) collect_uses(w, p, i, &uses);
  }
  moon_walk_need(w, moon_put_number(&c->raw, uses) && moon_put(&c->raw, c->text.bytes, c->text.length));
}

void moon_walk_cell(moon_walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: the value when the cell was found
  lua_pushvalue(L, -1);
  moon_walk_put_value(w, node, true);
}

// The beginning and the failures of a capture: which objects are the host's, whether the script changed host tables,
// and the words for a path to something that cannot be kept.
#include <lauxlib.h>
#include <stdio.h>
#include "capsule_internal.h"

moon_capture *moon_capture_new(void) {
  moon_bytecode_probe();
  moon_capture *c = MOON_REALLOC(NULL, sizeof *c);
  if (c) *c = (moon_capture){.all = MOON_NONE, .load = MOON_NONE, .require = MOON_NONE,
                             .failed_job = SIZE_MAX};
  return c;
}

void moon_capture_free(moon_capture *c) {
  if (!c) return;
  moon_proto **protos = (moon_proto **)(void *)c->protos.bytes;
  for (size_t i = 0; i < c->protos.length / sizeof *protos; i++) moon_proto_release(protos[i]);
  moon_capsule **parts = (moon_capsule **)(void *)c->parts.bytes;
  for (size_t i = 0; i < c->parts.length / sizeof *parts; i++) moon_capsule_release(parts[i]);
  moon_capsule_release(c->shared);
  moon_buffer *const buffers[] = {&c->raw, &c->nodes, &c->protos, &c->roots, &c->hosts, &c->host_index, &c->scratch,
                                  &c->text, &c->names, &c->modules, &c->conflicts, &c->parts};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) moon_buffer_free(buffers[i]);
  moon_map_free(&c->objects);
  moon_map_free(&c->proto_index);
  MOON_FREE(c);
}

// ---- Host tables ----------------------------------------------------------------------------------------------------

static void need(lua_State *L, bool ok) {
  if (!ok) luaL_error(L, "not enough memory to keep the script's functions");
}

/// A way that passes an upvalue leads to private state of the host's Lua code, which may change as it likes.
static bool is_private(const char *way, size_t length) {
  moon_reader r = {.at = (const uint8_t *)way + 1, .end = (const uint8_t *)way + length};
  while (r.at < r.end) {
    switch (moon_get_byte(&r)) {
    case 'k': moon_get(&r, moon_get_number(&r)); break;
    case 'u': return true;
    default: break;
    }
  }
  return false;
}

// Raises about the field whose key is on top of the stack.
static _Noreturn void raise_changed(lua_State *L, moon_capture *c, const char *way, size_t length, const char *verb) {
  c->text.length = 0;
  moon_key k = moon_key_at(L, -1);
  need(L, moon_host_describe(&c->text, (const uint8_t *)way, length));
  if (k.rank == 3)
    need(L, moon_put_byte(&c->text, '.') && moon_put(&c->text, k.string, k.length < 100 ? k.length : 100));
  else need(L, moon_put(&c->text, "[…]", sizeof "[…]" - 1));
  lua_pushlstring(L, (const char *)c->text.bytes, c->text.length);
  lua_pushfstring(L, "%s was %s a host table; make it a local function, because each job gets the host's own tables",
                  lua_tostring(L, -1), verb);
  lua_error(L);
  abort();
}

// Compares a host table with its content array. Stack: hosts, table, content.
static void check_table(lua_State *L, moon_capture *c, const char *way, size_t length) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1), now = 0;
  for (lua_Integer i = 1; i < n; i += 2) {
    lua_rawgeti(L, -1, i + 1);
    lua_rawgeti(L, -2, i);                                     // stack: hosts, table, content, old value, key
    lua_pushvalue(L, -1);
    lua_rawget(L, -5);                                         // … old value, key, value
    if (!lua_rawequal(L, -1, -3)) {
      bool removed = lua_isnil(L, -1);
      lua_pop(L, 1);
      raise_changed(L, c, way, length, removed ? "removed from" : "replaced in");
    }
    lua_pop(L, 3);
  }
  for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1)) now += 2;
  if (now == n) return;
  // Something was added: find the first in canonical order. The content becomes a set of keys for that.
  lua_newtable(L);                                             // stack: hosts, table, content, set
  for (lua_Integer i = 1; i < n; i += 2) {
    lua_rawgeti(L, -2, i);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  c->scratch.length = 0;
  for (lua_pushnil(L); lua_next(L, -4);) {                     // stack: hosts, table, content, set, key, value
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      moon_key k = moon_key_at(L, -2);
      need(L, moon_put(&c->scratch, &k, sizeof k));
    }
    lua_pop(L, 1);
  }
  moon_key *keys = (moon_key *)(void *)c->scratch.bytes;
  moon_keys_sort(keys, c->scratch.length / sizeof *keys);
  if (keys->rank == 0) lua_pushliteral(L, "[object]");
  else moon_key_push(L, keys);
  raise_changed(L, c, way, length, "added to");
}

static void check_metatable(lua_State *L, moon_capture *c, const char *way, size_t length) {
  // Stack: hosts, table, content.
  bool has = lua_getmetatable(L, -2);
  if (!has) lua_pushnil(L);
  lua_getfield(L, -2, "metatable");
  if (!lua_rawequal(L, -1, -2)) {
    c->text.length = 0;
    need(L, moon_host_describe(&c->text, (const uint8_t *)way, length));
    lua_pushlstring(L, (const char *)c->text.bytes, c->text.length);
    luaL_error(L, "the metatable of the host table %s was changed; use a table of your own", lua_tostring(L, -1));
  }
  lua_pop(L, 2);
}

// Enters the cells that a Lua function of the host captured, so that a function which it made for the script can share
// them.
static void index_cells(lua_State *L, moon_capture *c, uint32_t host) {
  if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) || host >= MOON_IS_HOST_CELL / 256) return;
  for (int i = 1; i <= MOON_MAX_UPVALUES && lua_getupvalue(L, -1, i); i++) {
    lua_pop(L, 1);
    uintptr_t id = (uintptr_t)lua_upvalueid(L, -1, i);
    if (!moon_map_get(&c->objects, id))
      need(L, moon_map_put(&c->objects, id, MOON_IS_HOST_CELL | (host * 256 + (uint32_t)i)));
  }
}

static bool is_field(const char *way, size_t length, const char *name) {
  size_t n = strlen(name);
  return length == n + 3 && way[0] == 'g' && memcmp(way + 3, name, n) == 0;
}

void moon_capture_start(lua_State *L, moon_capture *c) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &moon_hosts_key) != LUA_TTABLE)
    luaL_error(L, "capture in a state that moon_capsule_prepare has not seen");
  lua_Integer fields = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer at = 0; at < fields; at += MOON_HOST_FIELDS) {
    uint32_t host = (uint32_t)(at / MOON_HOST_FIELDS);
    lua_rawgeti(L, -1, at + MOON_HOST_WAY);
    size_t length;
    const char *way = lua_tolstring(L, -1, &length);           // anchored by hosts
    lua_pop(L, 1);
    uint32_t span[2] = {(uint32_t)c->hosts.length, (uint32_t)length};
    need(L, moon_put(&c->hosts, way, length) && moon_put(&c->host_index, span, sizeof span));
    lua_rawgeti(L, -1, at + MOON_HOST_OBJECT);                 // stack: hosts, object
    uintptr_t address = (uintptr_t)lua_topointer(L, -1);
    if (address && !moon_map_get(&c->objects, address))
      need(L, moon_map_put(&c->objects, address, MOON_IS_HOST | host));
    if (is_field(way, length, "load")) c->load = host;
    if (is_field(way, length, "require")) c->require = host;
    if (lua_istable(L, -1) && !is_private(way, length)) {
      lua_rawgeti(L, -2, at + MOON_HOST_CONTENT);
      if (host != 0) check_table(L, c, way, length);
      check_metatable(L, c, way, length);
      lua_pop(L, 1);
    } else index_cells(L, c, host);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  c->started = true;
}

// ---- Paths in errors ------------------------------------------------------------------------------------------------

enum { MAX_STEPS = 8 };

static bool put_text(moon_buffer *b, const char *text) { return moon_put(b, text, strlen(text)); }

// Describes the key at `index` as a step: `.name` or `[1]`.
static bool put_step(lua_State *L, moon_buffer *b, int index) {
  moon_key k = moon_key_at(L, index);
  char number[40];
  switch (k.rank) {
  case 1: return put_text(b, k.boolean ? "[true]" : "[false]");
  case 2:
    if (k.is_integer) snprintf(number, sizeof number, "[%lld]", (long long)k.integer);
    else snprintf(number, sizeof number, "[%.14g]", k.number);
    return put_text(b, number);
  case 3: return moon_put_byte(b, '\'') && moon_put(b, k.string, k.length < 60 ? k.length : 60)
      && moon_put_byte(b, '\'');
  default: return put_text(b, "[object]");
  }
}

// Finds how the table on top of the stack holds the value below it, and describes that; leaves the stack as it was.
static bool put_field(lua_State *L, moon_buffer *b, const char *end) {
  bool ok = true, found = false;
  if (lua_getmetatable(L, -1)) {
    found = lua_rawequal(L, -1, -3);
    lua_pop(L, 1);
    if (found) return put_text(b, "the metatable of ");
  }
  for (lua_pushnil(L); !found && lua_next(L, -2);) {           // stack: value, table, key, field
    bool is_key = lua_rawequal(L, -2, -4);
    if (is_key || lua_rawequal(L, -1, -4)) {
      found = true;
      ok = put_text(b, is_key ? "a key" : end ? "" : "field ") && (is_key || put_step(L, b, -2));
      lua_pop(L, 1);
      break;
    }
    lua_pop(L, 1);
  }
  if (found) lua_pop(L, 1);
  return ok && (found || put_text(b, "a field")) && (end || put_text(b, " of "));
}

_Noreturn void moon_capture_raise(lua_State *L, moon_capture *c, int work, uint32_t parent, const char *what) {
  luaL_checkstack(L, 12, "capsule");
  moon_buffer *b = &c->text;                                   // stack: …, value
  b->length = 0;
  bool ok = true;
  uint32_t node = parent;
  for (int step = 0; ok; step++) {
    moon_node n = moon_nodes(c)[node];
    if (n.kind == MOON_NODE_ALL) {                             // cannot hold a value itself
      ok = put_text(b, "the globals");
      break;
    }
    lua_rawgeti(L, work, (lua_Integer)node + 1);               // stack: …, value, object of node
    if (n.kind == MOON_NODE_GLOBAL || n.kind == MOON_NODE_MODULE) {
      ok = put_text(b, n.kind == MOON_NODE_GLOBAL ? "global " : "module ") && put_step(L, b, -1);
      break;
    }
    bool root = n.parent == MOON_NONE;
    if (n.kind == MOON_NODE_TABLE) {
      if (root) {                                              // the key of a root, without quotes
        size_t from = b->length;
        ok = put_field(L, b, "");
        if (ok && b->length > from + 1 && b->bytes[from] == '\'') {
          memmove(b->bytes + from, b->bytes + from + 1, b->length - from - 2);
          b->length -= 2;
        }
        break;
      }
      if (step < MAX_STEPS) ok = put_field(L, b, NULL);
    } else if (n.kind == MOON_NODE_CELL && step < MAX_STEPS) {
      lua_rawgeti(L, work, (lua_Integer)n.parent + 1);
      const char *name = lua_getupvalue(L, -1, n.upvalue);
      ok = put_text(b, "upvalue '") && put_text(b, name ? name : "?") && put_text(b, "' of ");
      lua_pop(L, name ? 2 : 1);
      node = n.parent;                                         // the function, which is what the next step looks for
      n = moon_nodes(c)[node];
      lua_pop(L, 1);
      lua_rawgeti(L, work, (lua_Integer)node + 1);
    }
    if (step == MAX_STEPS) ok = ok && put_text(b, "… of ");
    if (n.parent == MOON_NONE) {
      ok = ok && put_text(b, "a job");
      break;
    }
    lua_replace(L, -2);                                        // stack: …, the object to look for in its parent
    node = n.parent;
  }
  if (!ok) luaL_error(L, "not enough memory to keep the script's functions");
  lua_pushlstring(L, (const char *)b->bytes, b->length);
  luaL_error(L, "%s: %s", lua_tostring(L, -1), what);
  abort();
}

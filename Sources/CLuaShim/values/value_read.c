// Values out of Lua: a whole tree in one call, into bytes that Swift parses (encoding.h).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "encoding.h"
#include "internal.h"

enum { DEPTH_MAX = 150 };   // C recursion: each level is one small frame

void moon_flat_free(moon_flat *b) {
  free(b->bytes);
  *b = (moon_flat){0};
}

void moon_flat_put(lua_State *L, moon_flat *b, const void *bytes, size_t size) {
  if (b->capacity - b->size < size) {
    size_t capacity = b->capacity ? 2 * b->capacity : 256;
    while (capacity - b->size < size) capacity *= 2;
    uint8_t *grown = realloc(b->bytes, capacity);
    if (!grown) luaL_error(L, "not enough memory for a copy of the value");
    b->bytes = grown;
    b->capacity = capacity;
  }
  if (size > 0) memcpy(b->bytes + b->size, bytes, size);
  b->size += size;
}

static void put_tag(lua_State *L, moon_flat *b, int tag) {
  uint8_t byte = (uint8_t)tag;
  moon_flat_put(L, b, &byte, 1);
}

static void put_u32(lua_State *L, moon_flat *b, uint32_t v) { moon_flat_put(L, b, &v, 4); }

/// The way from the root to the value being read; for error messages and to notice a table inside itself.
typedef struct level {
  const struct level *up;
  const void *table;
  const char *key;     // of the value inside `table`; NULL: `number` is it
  lua_Integer number;
} level;

typedef struct {
  const moon_limits *limits;
  const char *root;
  moon_flat *out;
  uint32_t nodes;
} reading;

static size_t append_path(char *to, size_t room, const char *root, const level *at) {
  if (!at) return (size_t)snprintf(to, room, "%s", root);
  size_t n = append_path(to, room, root, at->up);
  if (n >= room) return n;
  bool word = at->key && at->key[0] && strspn(at->key,
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(at->key);
  int m;
  if (!at->key) m = snprintf(to + n, room - n, "[%lld]", (long long)at->number);
  else if (word) m = snprintf(to + n, room - n, n ? ".%.60s" : "%.60s", at->key);
  else m = snprintf(to + n, room - n, "[\"%.60s\"]", at->key);
  return n + (m > 0 ? (size_t)m : 0);
}

static void refuse(lua_State *L, const reading *r, const level *at, const char *why) {
  char path[512];
  append_path(path, sizeof path, r->root, at);
  luaL_error(L, "%s: %s", path, why);
}

static void put_string(lua_State *L, moon_flat *b, const char *bytes, size_t size) {
  put_tag(L, b, MOON_TAG_STRING);
  put_u32(L, b, (uint32_t)size);
  moon_flat_put(L, b, bytes, size);
}

/// What cannot be copied: an error, or a word in its place.
static void replace(lua_State *L, const reading *r, const level *at, const char *why, const char *word) {
  if (!r->limits->lenient) refuse(L, r, at, why);
  put_string(L, r->out, word, strlen(word));
}

static void read_value(lua_State *L, int index, reading *r, const level *up);

static void read_table(lua_State *L, int index, reading *r, const level *up) {
  level here = {.up = up, .table = lua_topointer(L, index)};
  uint32_t depth = 1;
  for (const level *l = up; l; l = l->up, depth++)
    if (l->table == here.table) {
      replace(L, r, up, "the table contains itself", "<a table that it is in>");
      return;
    }
  if (depth > r->limits->depth || depth > DEPTH_MAX) {
    replace(L, r, up, "tables are nested too deeply", "<nested too deeply>");
    return;
  }
  luaL_checkstack(L, 6, NULL);
  put_tag(L, r->out, MOON_TAG_TABLE);
  size_t count_at = r->out->size;
  put_u32(L, r->out, 0);
  uint32_t count = 0;
  for (;;) {
    if (lua_rawgeti(L, index, (lua_Integer)count + 1) == LUA_TNIL) break;
    here.number = (lua_Integer)count + 1;
    read_value(L, lua_gettop(L), r, &here);
    lua_pop(L, 1);
    count++;
  }
  lua_pop(L, 1);
  memcpy(r->out->bytes + count_at, &count, 4);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    int key = lua_gettop(L) - 1;
    if (lua_isinteger(L, key)) {
      lua_Integer k = lua_tointegerx(L, key, NULL);
      if (k >= 1 && k <= (lua_Integer)count) {
        lua_pop(L, 1);
        continue;
      }
      here.key = NULL;
      here.number = k;
    } else if (lua_type(L, key) == LUA_TSTRING) {
      here.key = lua_tostring(L, key);
    } else if (lua_type(L, key) != LUA_TBOOLEAN && lua_type(L, key) != LUA_TNUMBER) {
      here.key = luaL_typename(L, key);
      char word[32];
      snprintf(word, sizeof word, "<%s>", here.key);
      replace(L, r, &here, "a table's key can only be a string, a number or a boolean here", word);
      read_value(L, key + 1, r, &here);
      lua_pop(L, 1);
      continue;
    } else {
      here.key = lua_type(L, key) == LUA_TBOOLEAN ? (lua_toboolean(L, key) ? "true" : "false") : "number";
    }
    read_value(L, key, r, &here);
    read_value(L, key + 1, r, &here);
    lua_pop(L, 1);
  }
  put_tag(L, r->out, MOON_TAG_END);
}

static void read_function(lua_State *L, int index, reading *r, const level *up) {
  if (!r->limits->functions) {
    replace(L, r, up, "a function cannot be kept here", "<function>");
    return;
  }
  lua_Debug ar;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">S", &ar);
  lua_pushvalue(L, index);
  int slot = luaL_ref(L, LUA_REGISTRYINDEX);
  put_tag(L, r->out, MOON_TAG_FUNCTION);
  put_u32(L, r->out, (uint32_t)slot);
  put_u32(L, r->out, ar.linedefined > 0 ? (uint32_t)ar.linedefined : 0);
  uint32_t size = (uint32_t)strlen(ar.short_src);
  put_u32(L, r->out, size);
  moon_flat_put(L, r->out, ar.short_src, size);
}

static void read_value(lua_State *L, int index, reading *r, const level *up) {
  moon_poll(L);   // what is held belongs to the caller of the wrapper, which frees it
  if (++r->nodes > r->limits->nodes) refuse(L, r, up, "the value has too many parts");
  if (r->out->size > r->limits->bytes) refuse(L, r, up, "the value is too large");
  switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TLIGHTUSERDATA:   // json.null
      put_tag(L, r->out, MOON_TAG_NIL);
      break;
    case LUA_TBOOLEAN: put_tag(L, r->out, lua_toboolean(L, index) ? MOON_TAG_TRUE : MOON_TAG_FALSE); break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        lua_Integer v = lua_tointegerx(L, index, NULL);
        put_tag(L, r->out, MOON_TAG_INTEGER);
        moon_flat_put(L, r->out, &v, 8);
      } else {
        lua_Number v = lua_tonumberx(L, index, NULL);
        put_tag(L, r->out, MOON_TAG_NUMBER);
        moon_flat_put(L, r->out, &v, 8);
      }
      break;
    case LUA_TSTRING: {
      size_t size;
      const char *s = lua_tolstring(L, index, &size);
      if (size > r->limits->bytes || size > UINT32_MAX) refuse(L, r, up, "the value is too large");
      put_string(L, r->out, s, size);
      break;
    }
    case LUA_TTABLE: read_table(L, index, r, up); break;
    case LUA_TFUNCTION: read_function(L, index, r, up); break;
    case LUA_TUSERDATA: {
      int64_t handle = moon_object_handle(L, index);
      if (handle < 0) {
        replace(L, r, up, "a userdata cannot be used here", "<userdata>");
        break;
      }
      put_tag(L, r->out, MOON_TAG_OBJECT);
      put_u32(L, r->out, (uint32_t)handle);
      break;
    }
    default: replace(L, r, up, "a coroutine cannot be used here", "<coroutine>");
  }
}

static int read_root(lua_State *L) {   // stack: value, reading
  reading *r = lua_touserdata(L, 2);
  lua_settop(L, 1);
  read_value(L, 1, r, NULL);
  return 0;
}

moon_status moon_read_value(lua_State *L, int32_t index, const moon_limits *limits, const char *root, moon_flat *out) {
  reading r = {.limits = limits, .root = root, .out = out};
  return moon_with_value(L, index, read_root, &r, 0);
}

// Values across the border, whole trees in one call: out of Lua into bytes that Swift parses, and back.
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

// ---- out of Lua --------------------------------------------------------------------------------------------------------

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
  bool word = at->key && at->key[0] && strspn(at->key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(at->key);
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

static void read_value(lua_State *L, int index, reading *r, const level *up);

static void read_table(lua_State *L, int index, reading *r, const level *up) {
  level here = {.up = up, .table = lua_topointer(L, index)};
  uint32_t depth = 1;
  for (const level *l = up; l; l = l->up, depth++)
    if (l->table == here.table) refuse(L, r, up, "the table contains itself");
  if (depth > r->limits->depth || depth > DEPTH_MAX) refuse(L, r, up, "tables are nested too deeply");
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
    } else {
      if (lua_type(L, key) != LUA_TBOOLEAN && lua_type(L, key) != LUA_TNUMBER) {
        here.key = luaL_typename(L, key);
        refuse(L, r, &here, "a table's key can only be a string, a number or a boolean here");
      }
      here.key = lua_type(L, key) == LUA_TBOOLEAN ? (lua_toboolean(L, key) ? "true" : "false") : "number";
    }
    read_value(L, key, r, &here);
    read_value(L, key + 1, r, &here);
    lua_pop(L, 1);
  }
  put_tag(L, r->out, MOON_TAG_END);
}

static void read_function(lua_State *L, int index, reading *r, const level *up) {
  if (!r->limits->functions) refuse(L, r, up, "a function cannot be kept here");
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
      put_tag(L, r->out, MOON_TAG_STRING);
      put_u32(L, r->out, (uint32_t)size);
      moon_flat_put(L, r->out, s, size);
      break;
    }
    case LUA_TTABLE: read_table(L, index, r, up); break;
    case LUA_TFUNCTION: read_function(L, index, r, up); break;
    case LUA_TUSERDATA: {
      int64_t handle = moon_object_handle(L, index);
      if (handle < 0) refuse(L, r, up, "a userdata cannot be used here");
      put_tag(L, r->out, MOON_TAG_OBJECT);
      put_u32(L, r->out, (uint32_t)handle);
      break;
    }
    default: refuse(L, r, up, "a coroutine cannot be used here");
  }
}

static int read_root(lua_State *L) {   // stack: value, reading
  reading *r = lua_touserdata(L, 2);
  lua_settop(L, 1);
  read_value(L, 1, r, NULL);
  return 0;
}

/// Calls a C function that takes the value at `index` (0: none) and `argument`, under a guard and a pcall.
static moon_status with_value(lua_State *L, int index, lua_CFunction function, void *argument, int results) {
  moon_state *s = state_of(L);
  if (s && s->stop.reason != MOON_STOP_NONE) return MOON_ABANDONED;
  if (index != 0) index = lua_absindex(L, index);
  moon_guard guard;
  if (s) MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (!s || _setjmp(guard.jump) == 0) {
    if (!lua_checkstack(L, 4)) {
      status = MOON_ERROR;
    } else {
      lua_pushcfunction(L, function);
      if (index != 0) lua_pushvalue(L, index);
      lua_pushlightuserdata(L, argument);
      status = lua_pcall(L, index != 0 ? 2 : 1, results, 0) == LUA_OK ? MOON_OK : MOON_ERROR;
    }
  } else {
    status = MOON_ABANDONED;
  }
  if (s) MOON_EXIT(s, guard);
  return status;
}

moon_status moon_read_value(lua_State *L, int32_t index, const moon_limits *limits, const char *root, moon_flat *out) {
  reading r = {.limits = limits, .root = root, .out = out};
  return with_value(L, index, read_root, &r, 0);
}

// ---- objects of the host -------------------------------------------------------------------------------------------------

static int object_tostring(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  return 1;
}

/// Pushes an opaque value that stands for object number `handle` of the state's owner. `name` is its type's name in error
/// messages, `description` what tostring gives.
static void push_object(
  lua_State *L, uint32_t handle, const char *name, size_t name_size, const char *description, size_t size) {
  uint32_t *cell = lua_newuserdatauv(L, sizeof *cell, 1);
  *cell = handle;
  lua_pushlstring(L, description, size);
  lua_setiuservalue(L, -2, 1);
  char key[96];
  snprintf(key, sizeof key, "moon.object.%.*s", name_size > 64 ? 64 : (int)name_size, name);
  if (luaL_newmetatable(L, key)) {
    lua_pushlstring(L, name, name_size);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushcfunction(L, object_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &moon_object_key);
  }
  lua_setmetatable(L, -2);
}

int64_t moon_object_handle(lua_State *L, int32_t index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return -1;
  bool ours = lua_rawgetp(L, -1, &moon_object_key) == LUA_TBOOLEAN;
  lua_pop(L, 2);
  return ours ? (int64_t)*(const uint32_t *)lua_touserdata(L, index) : -1;
}

// ---- into Lua ------------------------------------------------------------------------------------------------------------

static uint32_t take_u32(lua_State *L, const uint8_t **p, const uint8_t *end) {
  if (end - *p < 4) luaL_error(L, "encoded value ends early");
  uint32_t v;
  memcpy(&v, *p, 4);
  *p += 4;
  return v;
}

static const uint8_t *decode(lua_State *L, const uint8_t *p, const uint8_t *end, int depth) {
  if (depth > DEPTH_MAX) luaL_error(L, "the value is nested too deeply");
  if (p >= end) luaL_error(L, "encoded value ends early");
  switch (*p++) {
    case MOON_TAG_NIL: lua_pushnil(L); break;
    case MOON_TAG_FALSE: lua_pushboolean(L, 0); break;
    case MOON_TAG_TRUE: lua_pushboolean(L, 1); break;
    case MOON_TAG_INTEGER:
    case MOON_TAG_NUMBER: {
      if (end - p < 8) luaL_error(L, "encoded value ends early");
      union { lua_Integer i; lua_Number n; } v;
      memcpy(&v, p, 8);
      if (p[-1] == MOON_TAG_INTEGER) lua_pushinteger(L, v.i);
      else lua_pushnumber(L, v.n);
      p += 8;
      break;
    }
    case MOON_TAG_STRING: {
      uint32_t size = take_u32(L, &p, end);
      if ((size_t)(end - p) < size) luaL_error(L, "encoded value ends early");
      lua_pushlstring(L, (const char *)p, size);
      p += size;
      break;
    }
    case MOON_TAG_TABLE: {
      uint32_t count = take_u32(L, &p, end);
      luaL_checkstack(L, 4, NULL);
      lua_createtable(L, count < (1u << 24) ? (int)count : 0, 0);
      for (uint32_t i = 1; i <= count; i++) {
        p = decode(L, p, end, depth + 1);
        lua_rawseti(L, -2, i);
      }
      while (p < end && *p != MOON_TAG_END) {
        p = decode(L, p, end, depth + 1);
        p = decode(L, p, end, depth + 1);
        lua_rawset(L, -3);
      }
      p++;
      break;
    }
    case MOON_TAG_FUNCTION: {
      uint32_t slot = take_u32(L, &p, end);
      lua_rawgeti(L, LUA_REGISTRYINDEX, slot);
      break;
    }
    case MOON_TAG_OBJECT: {
      luaL_checkstack(L, 6, NULL);
      uint32_t handle = take_u32(L, &p, end), name_size = take_u32(L, &p, end), size = take_u32(L, &p, end);
      if ((size_t)(end - p) < (size_t)name_size + size) luaL_error(L, "encoded value ends early");
      push_object(L, handle, (const char *)p, name_size, (const char *)p + name_size, size);
      p += name_size + size;
      break;
    }
    default: luaL_error(L, "encoded value has an unknown tag");
  }
  return p;
}

const uint8_t *moon_decode(lua_State *L, const uint8_t *p, const uint8_t *end) { return decode(L, p, end, 0); }

typedef struct {
  const uint8_t *bytes;
  size_t size;
} given;

static int push_all(lua_State *L) {
  given *g = lua_touserdata(L, 1);
  lua_settop(L, 0);
  for (const uint8_t *p = g->bytes, *end = p + g->size; p < end;) {
    luaL_checkstack(L, 8, "too many values");
    p = decode(L, p, end, 0);
  }
  return lua_gettop(L);
}

moon_status moon_push_values(lua_State *L, const uint8_t *bytes, size_t size, int32_t *count) {
  int before = lua_gettop(L);
  given g = {bytes, size};
  moon_status status = with_value(L, 0, push_all, &g, LUA_MULTRET);
  if (count) *count = status == MOON_OK ? lua_gettop(L) - before : 0;
  return status;
}

moon_status moon_push_bytes(lua_State *L, const void *bytes, size_t size) {
  moon_state *s = state_of(L);
  if (s->stop.reason != MOON_STOP_NONE) return MOON_ABANDONED;
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  // No pcall: with an allocator that never answers NULL, lua_pushlstring has nothing to raise.
  if (_setjmp(guard.jump) == 0) {
    lua_pushlstring(L, bytes, size);
    status = MOON_OK;
  } else {
    status = MOON_ABANDONED;
  }
  MOON_EXIT(s, guard);
  return status;
}

moon_status moon_reserve(lua_State *L, int32_t slots) {
  moon_state *s = state_of(L);
  if (s->stop.reason != MOON_STOP_NONE) return MOON_ABANDONED;
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (_setjmp(guard.jump) == 0) status = lua_checkstack(L, slots) ? MOON_OK : MOON_ERROR;
  else status = MOON_ABANDONED;
  MOON_EXIT(s, guard);
  return status;
}

// ---- function references -------------------------------------------------------------------------------------------------

static int make_reference(lua_State *L) {   // stack: function, out
  int32_t *slot = lua_touserdata(L, 2);
  lua_settop(L, 1);
  if (lua_isfunction(L, 1)) *slot = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

int32_t moon_reference(lua_State *L, int32_t index) {
  int32_t slot = 0;
  return with_value(L, index, make_reference, &slot, 0) == MOON_OK ? slot : 0;
}

static int reference_place(lua_State *L) {
  moon_place *place = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, place->line);
  place->line = 0;
  if (!lua_isfunction(L, -1)) return 0;
  lua_Debug ar;
  lua_getinfo(L, ">S", &ar);
  if (ar.linedefined > 0) {
    place->line = ar.linedefined;
    strncpy(place->file, ar.short_src, sizeof place->file - 1);
  }
  return 0;
}

moon_place moon_reference_place(lua_State *L, int32_t slot) {
  moon_place place = {.line = slot};
  if (moon_protected(L, reference_place, &place, 0) != MOON_OK) place = (moon_place){0};
  return place;
}

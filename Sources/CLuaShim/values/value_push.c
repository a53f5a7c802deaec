// Values into Lua: those that encoding.h describes, a whole tree in one call, and single ones.
#include <stdlib.h>
#include <string.h>
#include "encoding.h"
#include "internal.h"

enum { DEPTH_MAX = 150 };   // C recursion: each level is one small frame

static uint32_t take_u32(lua_State *L, const uint8_t **p, const uint8_t *end) {
  if (end - *p < 4) luaL_error(L, "encoded value ends early");
  uint32_t v;
  memcpy(&v, *p, 4);
  *p += 4;
  return v;
}

static const uint8_t *decode(lua_State *L, const uint8_t *p, const uint8_t *end, int depth) {
  moon_poll(L);
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
      moon_push_object(L, handle, (const char *)p, name_size, (const char *)p + name_size, size);
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
  moon_status status = moon_with_value(L, 0, push_all, &g, LUA_MULTRET);
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

static int make_record(lua_State *L) {   // stack: the values, their names
  const char *name = lua_touserdata(L, -1);
  int count = lua_gettop(L) - 1;
  lua_createtable(L, 0, count);
  for (int i = 1; i <= count; i++, name += strlen(name) + 1) {
    lua_pushvalue(L, i);
    lua_setfield(L, -2, name);
  }
  return 1;
}

moon_status moon_push_record(lua_State *L, const char *names, int32_t count) {
  moon_state *s = state_of(L);
  if (s->stop.reason != MOON_STOP_NONE) return MOON_ABANDONED;
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (_setjmp(guard.jump) == 0) {
    if (!lua_checkstack(L, 4)) {
      status = MOON_ERROR;
    } else {
      lua_pushcfunction(L, make_record);
      lua_insert(L, -count - 1);
      lua_pushlightuserdata(L, (void *)names);
      status = lua_pcall(L, count + 1, 1, 0) == LUA_OK ? MOON_OK : MOON_ERROR;
    }
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

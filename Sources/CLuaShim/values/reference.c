// What stands for something on the other side of the border: objects of the host in Lua, and functions of Lua at the
// host. And the protected call that such functions are made of.
#include <stdio.h>
#include <string.h>
#include "internal.h"

moon_status moon_with_value(lua_State *L, int index, lua_CFunction function, void *argument, int results) {
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

// ---- objects of the host --------------------------------------------------------------------------------------------

static int object_tostring(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  return 1;
}

void moon_push_object(
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

// ---- function references --------------------------------------------------------------------------------------------

static int make_reference(lua_State *L) {   // stack: function, out
  int32_t *slot = lua_touserdata(L, 2);
  lua_settop(L, 1);
  if (lua_isfunction(L, 1)) *slot = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

int32_t moon_reference(lua_State *L, int32_t index) {
  int32_t slot = 0;
  return moon_with_value(L, index, make_reference, &slot, 0) == MOON_OK ? slot : 0;
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

// What neither raises nor allocates: macros of lua.h made functions, and reads that never convert in place.
#include "internal.h"

int32_t moon_top(lua_State *L) { return lua_gettop(L); }
int32_t moon_type(lua_State *L, int32_t index) { return lua_type(L, index); }
bool moon_bool(lua_State *L, int32_t index) { return lua_toboolean(L, index); }

bool moon_integer(lua_State *L, int32_t index, int64_t *value) {
  if (lua_type(L, index) != LUA_TNUMBER) return false;
  int is_integer;
  *value = lua_tointegerx(L, index, &is_integer);
  return is_integer;
}

bool moon_number(lua_State *L, int32_t index, double *value) {
  if (lua_type(L, index) != LUA_TNUMBER) return false;
  *value = lua_tonumberx(L, index, NULL);
  return true;
}

const char *moon_string(lua_State *L, int32_t index, size_t *size) {
  // On a number lua_tolstring would make a string in its place, which allocates.
  return lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, size) : NULL;
}

void moon_pop(lua_State *L, int32_t count) { lua_pop(L, count); }
void moon_push_nil(lua_State *L) { lua_pushnil(L); }
void moon_push_bool(lua_State *L, bool value) { lua_pushboolean(L, value); }
void moon_push_integer(lua_State *L, int64_t value) { lua_pushinteger(L, value); }
void moon_push_number(lua_State *L, double value) { lua_pushnumber(L, value); }
void moon_push_copy(lua_State *L, int32_t index) { lua_pushvalue(L, index); }
size_t moon_state_limit(const moon_state *s) { return s->limit; }
void moon_state_set_limit(moon_state *s, size_t bytes) { s->limit = bytes; }

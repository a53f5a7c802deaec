// What stands for null in Lua, and what tells an empty array from an empty object.
#include <lauxlib.h>
#include "json.h"

static const char null_address = 0, array_key = 'a', object_key = 'o';

void *moon_json_null(void) { return (void *)&null_address; }

int moon_json_push_null(lua_State *L) {
  lua_pushlightuserdata(L, moon_json_null());
  return 1;
}

/// What a table says about itself: 'a', 'o', or 0.
char moon_json_mark(lua_State *L) {
  if (!lua_getmetatable(L, -1)) return 0;
  lua_pushliteral(L, "__jsontype");
  lua_rawget(L, -2);
  const char *type = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  char c = strcmp(type, "array") == 0 ? 'a' : strcmp(type, "object") == 0 ? 'o' : 0;
  lua_pop(L, 2);
  return c;
}

static int set_mark(lua_State *L, const char *key, const char *type) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (lua_getmetatable(L, 1)) {
    lua_pop(L, 1);
    if (moon_json_mark(L) == type[0]) return 1;
    return luaL_error(L, "json.%s: the table has a metatable; put __jsontype = \"%s\" into that", type, type);
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__jsontype");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  lua_setmetatable(L, 1);
  return 1;
}

int moon_json_array(lua_State *L) { return set_mark(L, &array_key, "array"); }
int moon_json_object(lua_State *L) { return set_mark(L, &object_key, "object"); }

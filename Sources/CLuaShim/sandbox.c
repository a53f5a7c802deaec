// What scripts find in their globals, and what they do not.
//
// Stock libraries where they are harmless; replacements where they are not. Absent: bytecode in either direction, debug, io,
// package, files, finalizers, the collector's controls, addresses, and everything of os but the clock.
#include <string.h>
#include "internal.h"

/// load(chunk, name, mode, env) for source text only. upvalue 1: the stock load
static int safe_load(lua_State *L) {
  size_t size = 0;
  if (lua_type(L, 1) == LUA_TSTRING && (lua_tolstring(L, 1, &size), size > state_of(L)->source_limit)) {
    lua_pushnil(L);
    lua_pushfstring(L, "chunk is larger than the limit of %d bytes", (int)state_of(L)->source_limit);
    return 2;
  }
  int count = lua_gettop(L) >= 4 ? 4 : 3;   // an explicit nil as environment means no environment
  lua_settop(L, count);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, count, 2);
  return lua_isnil(L, -2) ? 2 : (lua_pop(L, 1), 1);
}

/// setmetatable without finalizers. upvalue 1: the stock setmetatable
static int safe_setmetatable(lua_State *L) {
  lua_settop(L, 2);
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    // Any value, false too, would mark the object for finalization.
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L, "'__gc' is not available: release what a script holds with a to-be-closed variable (local x <close>)");
    lua_settop(L, 2);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

// xpcall whose handler runs after the error has unwound: liblua 5.4.4 can overwrite the handler's stack slot while it closes
// variables (lua commit 3fe7be95). The handler can then do whatever a function can, suspend as well.
static int handled(lua_State *L, int status, lua_KContext context) {
  (void)context;
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  (void)status;   // an error of the handler takes the place of its result, as in the stock xpcall
  return 2;
}

static int tried(lua_State *L, int status, lua_KContext context) {   // stack: function, handler, true, results… or error
  (void)context;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 2;
  lua_pushvalue(L, 2);
  lua_insert(L, -2);
  return handled(L, lua_pcallk(L, 1, 1, 0, 0, handled), 0);
}

static int safe_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  int arguments = lua_gettop(L) - 2;
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  return tried(L, lua_pcallk(L, arguments, LUA_MULTRET, 0, 0, tried), 0);
}

static int safe_collectgarbage(lua_State *L) {
  const char *option = luaL_optstring(L, 1, "collect");
  if (strcmp(option, "count") != 0)
    return luaL_error(L, "collectgarbage(\"%s\") is not available: only collectgarbage(\"count\") is; memory is collected when needed",
                      option);
  lua_pushnumber(L, (lua_Number)state_of(L)->arena.used / 1024);
  return 1;
}

/// math.randomseed: without arguments the stock one would hand out bits of an address. upvalue 1: the stock randomseed
static int safe_randomseed(lua_State *L) {
  moon_state *s = state_of(L);
  if (lua_gettop(L) == 0) {
    if (s->declaring)
      return luaL_error(L, "math.randomseed() is not available while a script is loading: give it a number, or call it inside run");
    uint64_t x = (uint64_t)moon_now() * 0x9e3779b97f4a7c15u;
    lua_pushinteger(L, (lua_Integer)x);
  }
  int count = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, count, 0);
  return 0;
}

static void wrap(lua_State *L, const char *name, lua_CFunction function) {   // stack: …, table
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
}

static void set_nil(lua_State *L, const char *name) {
  lua_pushnil(L);
  lua_setfield(L, -2, name);
}

/// math.random keeps its four words in a userdata, its upvalue: so a fresh state can be seeded without a call.
static void find_random(lua_State *L) {   // stack: …, math
  lua_getfield(L, -1, "random");
  if (lua_getupvalue(L, -1, 1)) {
    if (lua_isuserdata(L, -1) && lua_rawlen(L, -1) == 4 * sizeof(uint64_t)) state_of(L)->random = lua_touserdata(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void moon_open_sandbox(lua_State *L) {
  static const luaL_Reg libraries[] = {
    {LUA_GNAME, luaopen_base}, {LUA_TABLIBNAME, luaopen_table}, {LUA_STRLIBNAME, luaopen_string},
    {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8}, {NULL, NULL},
  };
  for (const luaL_Reg *l = libraries; l->func; l++) {
    luaL_requiref(L, l->name, l->func, 1);
    lua_pop(L, 1);
  }
  lua_pushglobaltable(L);
  set_nil(L, "dofile");
  set_nil(L, "loadfile");
  set_nil(L, "warn");
  set_nil(L, "print");   // a host module may bring one
  wrap(L, "load", safe_load);
  wrap(L, "setmetatable", safe_setmetatable);
  lua_pushcfunction(L, safe_xpcall);
  lua_setfield(L, -2, "xpcall");
  lua_pushcfunction(L, safe_collectgarbage);
  lua_setfield(L, -2, "collectgarbage");
  lua_pushcfunction(L, moon_require);
  lua_setfield(L, -2, "require");
  lua_getfield(L, -1, "math");
  find_random(L);
  wrap(L, "randomseed", safe_randomseed);
  lua_pop(L, 1);
  lua_getfield(L, -1, "string");
  set_nil(L, "dump");
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");   // the metatable of strings is out of reach
  lua_pop(L, 3);
  moon_open_coroutines(L);
  moon_open_strings(L);
  moon_open_os(L);
  moon_open_raw(L);
  moon_open_globals(L);
}

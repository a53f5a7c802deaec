// os.time, os.clock and os.date, and nothing else of os.
//
// A script that is loading gets no clock: what it declares must be the same each time it is loaded. The C library's calendar
// functions take a lock, so the backstop may not leave in the middle of them.
#include "internal.h"

static int refuse(lua_State *L, const char *name) {
  return luaL_error(L, "%s is not available while a script is loading (its jobs would differ from load to load): call it inside run", name);
}

/// Calls the stock function (upvalue 1) with the arguments as they are.
static int call(lua_State *L) {
  moon_state *s = state_of(L);
  int count = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  s->no_jump++;
  int status = lua_pcall(L, count, LUA_MULTRET, 0);
  s->no_jump--;
  if (status != LUA_OK) return lua_error(L);
  return lua_gettop(L);
}

static int os_time(lua_State *L) {
  if (lua_isnoneornil(L, 1) && state_of(L)->declaring) return refuse(L, "os.time()");
  if (!lua_isnoneornil(L, 1)) {   // a table with metamethods could run for ever under the lock's protection: read it first
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    static const char *const fields[] = {"year", "month", "day", "hour", "min", "sec", "isdst"};
    lua_createtable(L, 0, 7);
    for (int i = 0; i < 7; i++) {
      lua_getfield(L, 1, fields[i]);
      lua_setfield(L, 2, fields[i]);
    }
    lua_replace(L, 1);
  }
  return call(L);
}

static int os_date(lua_State *L) {
  if (lua_isnoneornil(L, 2) && state_of(L)->declaring) return refuse(L, "os.date() without a time");
  size_t size = 0;
  luaL_optlstring(L, 1, "", &size);
  luaL_argcheck(L, size <= 1024, 1, "format is longer than 1024 bytes");
  return call(L);
}

static int os_clock(lua_State *L) {
  if (state_of(L)->declaring) return refuse(L, "os.clock()");
  return call(L);
}

static int os_difftime(lua_State *L) {
  lua_pushnumber(L, (lua_Number)(luaL_checkinteger(L, 1) - luaL_checkinteger(L, 2)));
  return 1;
}

void moon_open_os(lua_State *L) {
  static const luaL_Reg functions[] = {{"time", os_time}, {"date", os_date}, {"clock", os_clock}, {NULL, NULL}};
  luaL_requiref(L, LUA_OSLIBNAME, luaopen_os, 0);
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_getfield(L, -2, f->name);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, -2, f->name);
  }
  lua_pushcfunction(L, os_difftime);
  lua_setfield(L, -2, "difftime");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, LUA_OSLIBNAME);   // in the place of the stock library
  lua_pop(L, 1);
  lua_setglobal(L, LUA_OSLIBNAME);
  lua_pop(L, 1);
}

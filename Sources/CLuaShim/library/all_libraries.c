// The libraries of the `lua` program, for states in a process of their own: nothing here is safe for a host.
//
// What stays ours: `print` and `log`, coroutines that pass the suspensions of host functions, the global table that is
// filled as it is used, and `require` for modules below lib/, which come before those of the system.
#include <string.h>
#include "include/moon_capsule.h"
#include "internal.h"

/// package.searchers: a module below lib/ of the scripts directory, as the host has it.
static int search_lib(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  moon_state *s = state_of(L);
  s->foreign++;
  int32_t answer = s->runtime->options.callbacks.require(s->owner, L);
  s->foreign--;
  if (s->stop.reason != MOON_STOP_NONE) moon_leave(s, s->stop.reason);
  if (answer != 2) return 1;   // a sentence that ends with where it was looked for
  size_t size;
  const char *source = lua_tolstring(L, -2, &size);
  if (moon_load_text(L, source, size, lua_tostring(L, -1)) != LUA_OK) return lua_error(L);
  lua_pushstring(L, lua_tostring(L, -2) + 1);   // without the '@' of the chunk's name
  return 2;
}

/// A module that the script required while it was loaded is the one that its functions have; others are asked for as
/// everywhere.
static int require_all(lua_State *L) {   // upvalue: the stock require
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  moon_capsule_loaded(L);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) != LUA_TNIL && !lua_islightuserdata(L, -1) && lua_toboolean(L, -1)) return 1;
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, LUA_MULTRET);
  return lua_gettop(L);
}

/// The libraries that stay ours are found by `require` as well: the others' own modules begin with it.
static void note_ours(lua_State *L) {
  static const char *const names[] = {"_G", "coroutine", "math", "string", "table", "utf8", NULL};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (const char *const *name = names; *name; name++) {
    lua_getglobal(L, *name);
    lua_setfield(L, -2, *name);
  }
  lua_pop(L, 1);
}

static void open_library(lua_State *L, const char *name, lua_CFunction open) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  lua_setfield(L, -2, name);   // the sandbox's own may be there
  lua_pop(L, 1);
  luaL_requiref(L, name, open, 0);
  lua_setglobal(L, name);
}

/// The functions of the base library that the sandbox has replaced or left out.
static void open_base(lua_State *L) {
  static const char *const names[] = {"collectgarbage", "dofile", "load", "loadfile", "setmetatable", "warn", "xpcall",
                                      NULL};
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);   // where the library puts what it has
  lua_pushcfunction(L, luaopen_base);
  int status = lua_pcall(L, 0, 0, 0);
  lua_pushvalue(L, -2 - (status != LUA_OK));
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  if (status != LUA_OK) lua_error(L);
  for (const char *const *name = names; *name; name++) {   // stack: …, globals, base
    lua_getfield(L, -1, *name);
    lua_setglobal(L, *name);
  }
  lua_pop(L, 2);
}

/// string.dump, and a metatable of strings that may be looked at.
static void open_strings(lua_State *L) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushnil(L);
  lua_setfield(L, -2, "__metatable");
  lua_pushcfunction(L, luaopen_string);   // gives strings another metatable
  lua_call(L, 0, 1);
  lua_getglobal(L, "string");
  lua_getfield(L, -2, "dump");
  lua_setfield(L, -2, "dump");
  lua_pop(L, 2);
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

static void open_package(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  lua_setfield(L, -2, "package");
  lua_pop(L, 1);
  luaL_requiref(L, "package", luaopen_package, 0);   // sets the global require as well
  lua_pushvalue(L, -1);
  lua_setglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search_lib);
  lua_rawseti(L, -2, 2);   // behind package.preload
  lua_pop(L, 2);
  lua_getglobal(L, "require");
  lua_pushcclosure(L, require_all, 1);
  lua_setglobal(L, "require");
}

void moon_open_all(lua_State *L) {
  luaL_checkstack(L, 16, NULL);
  open_base(L);
  open_strings(L);
  open_library(L, LUA_IOLIBNAME, luaopen_io);
  open_library(L, LUA_OSLIBNAME, luaopen_os);
  open_library(L, LUA_DBLIBNAME, luaopen_debug);
  open_package(L);
  note_ours(L);
}

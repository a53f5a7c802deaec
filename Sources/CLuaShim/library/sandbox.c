// What scripts find in their globals, and what they do not.
//
// Stock libraries where they are harmless; replacements where they are not. Absent: bytecode in either direction,
// debug, io, package, files, finalizers, the collector's controls, addresses, and everything of os but the clock.
#include <string.h>
#include "internal.h"

static moon_stock stock_load, stock_setmetatable, stock_randomseed;

void moon_replace_stock(lua_State *L, const char *name, lua_CFunction function, moon_stock *stock) {
  lua_getfield(L, -1, name);   // stack: …, table, stock function
  int stock_at = lua_gettop(L), count = 0;
  atomic_store_explicit(stock, lua_tocfunction(L, stock_at), memory_order_relaxed);
  while (lua_getupvalue(L, stock_at, count + 1)) count++;
  lua_pushcclosure(L, function, count);
  lua_setfield(L, stock_at - 1, name);
  lua_pop(L, 1);
}

/// load(chunk, name, mode, env) for source text only: whatever the mode, its 'b' is taken out.
static int safe_load(lua_State *L) {
  size_t size = 0;
  if (lua_type(L, 1) == LUA_TSTRING && (lua_tolstring(L, 1, &size), size > state_of(L)->source_limit)) {
    lua_pushnil(L);
    lua_pushfstring(L, "chunk is larger than the limit of %d bytes", (int)state_of(L)->source_limit);
    return 2;
  }
  const char *mode = luaL_optstring(L, 3, "t");
  bool text = strchr(mode, 't') != NULL;
  if (lua_gettop(L) < 3) lua_settop(L, 3);   // an explicit nil as environment means no environment
  lua_pushstring(L, text ? "t" : "");
  lua_replace(L, 3);
  return moon_call_stock(&stock_load, L);
}

/// setmetatable without finalizers.
static int safe_setmetatable(lua_State *L) {
  if (lua_type(L, 1) == LUA_TTABLE && lua_type(L, 2) == LUA_TTABLE) {
    lua_pushliteral(L, "__gc");
    // Any value, false too, would mark the object for finalization.
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L,
          "'__gc' is not available: release what a script holds with a to-be-closed variable (local x <close>)");
    lua_pop(L, 1);
  }
  return moon_call_stock(&stock_setmetatable, L);
}

// xpcall whose handler runs after the error has unwound: liblua 5.4.4 can overwrite the handler's stack slot while it
// closes variables (lua commit 3fe7be95). The handler can then do whatever a function can, suspend as well.
//
// An error of the handler goes to the handler again, as in the stock xpcall, which ends when the C stack does.
enum { HANDLER_CALLS = 100 };

static int handle(lua_State *L, lua_KContext calls);

// stack: function, handler, true, …, result or error
static int handled(lua_State *L, int status, lua_KContext calls) {
  if (status != LUA_OK && status != LUA_YIELD) return handle(L, calls);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

static int handle(lua_State *L, lua_KContext calls) {
  if (calls >= HANDLER_CALLS) {   // stack: …, the last error
    if (lua_type(L, -1) != LUA_TSTRING) lua_pushliteral(L, "error in error handling");
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushvalue(L, 2);
  lua_insert(L, -2);
  return handled(L, lua_pcallk(L, 1, 1, 0, calls + 1, handled), calls + 1);
}

// stack: function, handler, true, results… or error
static int tried(lua_State *L, int status, lua_KContext context) {
  (void)context;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 2;
  return handle(L, 0);
}

static int safe_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  int arguments = lua_gettop(L) - 2;
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  return tried(L, lua_pcallk(L, arguments, LUA_MULTRET, 0, 0, tried), 0);
}

/// The collector runs by itself: asking for a collection does nothing, and what would change or stop it is refused.
static int safe_collectgarbage(lua_State *L) {
  static const char *const options[] = {"collect", "step", "count", "isrunning", "stop", "restart", "setpause",
      "setstepmul",
                                        "incremental", "generational", NULL};
  enum { COLLECT, STEP, COUNT, IS_RUNNING };
  int option = luaL_checkoption(L, 1, "collect", options);
  switch (option) {
    case COLLECT: lua_pushinteger(L, 0); break;
    case STEP: lua_pushboolean(L, 1); break;
    case COUNT: lua_pushnumber(L, (lua_Number)state_of(L)->arena.used / 1024); break;
    case IS_RUNNING: lua_pushboolean(L, 1); break;
    default:
      return luaL_error(L,
          "collectgarbage(\"%s\") is not available: memory is collected when needed, and scripts cannot change that",
                        options[option]);
  }
  return 1;
}

/// math.randomseed: without arguments the stock one would hand out bits of an address.
static int safe_randomseed(lua_State *L) {
  moon_state *s = state_of(L);
  if (lua_gettop(L) == 0) {
    if (s->declaring)
      return luaL_error(L,
          "math.randomseed() is not available while a script is loading: give it a number, or call it inside run");
    lua_pushinteger(L, (lua_Integer)((uint64_t)moon_now() * 0x9e3779b97f4a7c15u));
  }
  moon_call_stock(&stock_randomseed, L);
  return 0;
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
  moon_replace_stock(L, "load", safe_load, &stock_load);
  moon_replace_stock(L, "setmetatable", safe_setmetatable, &stock_setmetatable);
  lua_pushcfunction(L, safe_xpcall);
  lua_setfield(L, -2, "xpcall");
  lua_pushcfunction(L, safe_collectgarbage);
  lua_setfield(L, -2, "collectgarbage");
  lua_pushcfunction(L, moon_require);
  lua_setfield(L, -2, "require");
  lua_getfield(L, -1, "math");
  find_random(L);
  moon_replace_stock(L, "randomseed", safe_randomseed, &stock_randomseed);
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
  moon_open_libraries(L);
  moon_open_globals(L);
}

// `require`: the scripts' own modules. The host finds the source; the module runs here, in the calling coroutine, and may
// be sliced (the stock `require` is a C boundary).
#include <string.h>
#include "include/moon_capsule.h"
#include "internal.h"

/// Marks a module that is being loaded. An address, so that no value of a script can be it.
static const char loading;

// stack: 1 name, 2 loaded table, …, the module's value or error
static int ran(lua_State *L, int status, lua_KContext context) {
  (void)context;
  bool failed = status != LUA_OK && status != LUA_YIELD;
  if (!failed && lua_isnil(L, -1)) {   // a module that returns nothing is there all the same
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  lua_pushvalue(L, 1);
  if (failed) lua_pushnil(L);   // takes the mark off: the next require tries again
  else lua_pushvalue(L, -2);
  lua_rawset(L, 2);
  return failed ? lua_error(L) : 1;
}

static bool is_name(const char *s, size_t n) {
  if (n == 0 || n > 128 || s[0] == '.' || s[n - 1] == '.') return false;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!word && !(c == '.' && s[i - 1] != '.')) return false;
  }
  return true;
}

int moon_require(lua_State *L) {
  size_t size;
  const char *name = luaL_checklstring(L, 1, &size);
  lua_settop(L, 1);
  moon_capsule_loaded(L);
  lua_pushvalue(L, 1);
  lua_rawget(L, 2);
  if (lua_islightuserdata(L, -1) && lua_touserdata(L, -1) == &loading)
    return luaL_error(L, "module '%s' requires itself (directly or through another module)", name);
  if (!lua_isnil(L, -1)) return 1;
  lua_pop(L, 1);
  if (!is_name(name, size))
    return luaL_error(L, "'%s' is not a module name: use letters, digits, '_', '-' and single dots, as in \"net.retry\"", name);
  moon_state *s = state_of(L);
  s->foreign++;
  int32_t answer = s->runtime->options.callbacks.require(s->owner, L);
  s->foreign--;
  if (s->stop.reason != MOON_STOP_NONE) moon_leave(s, s->stop.reason);
  if (answer != 2) {
    moon_push_where(L);
    lua_insert(L, -2);
    lua_concat(L, 2);
    return lua_error(L);
  }
  size_t source_size;
  const char *source = lua_tolstring(L, -2, &source_size);
  if (source_size > s->source_limit)
    return luaL_error(L, "module '%s' is larger than the limit of %d bytes", name, (int)s->source_limit);
  if (luaL_loadbufferx(L, source, source_size, lua_tostring(L, -1), "t") != LUA_OK) return lua_error(L);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, (void *)&loading);
  lua_rawset(L, 2);
  lua_pushvalue(L, 1);
  return ran(L, lua_pcallk(L, 1, 1, 0, 0, ran), 0);
}

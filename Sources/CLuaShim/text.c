// Values as text without addresses: "table: #3" is the third object that this state has named. An address would tell a
// script (and a log) where memory lies, and would differ from run to run.
#include <string.h>
#include "internal.h"

/// Pushes the number of the object at `index`, the same one each time.
static lua_Integer serial(lua_State *L, int index) {
  moon_state *s = state_of(L);
  index = lua_absindex(L, index);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &moon_serials_key) != LUA_TTABLE) {
    // Made on first use: the template must not have a table keyed by objects.
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_serials_key);
  }
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  lua_Integer n = lua_tointegerx(L, -1, NULL);
  lua_pop(L, 1);
  if (n == 0) {
    n = ++s->serial;
    lua_pushvalue(L, index);
    lua_pushinteger(L, n);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
  return n;
}

const char *moon_tolstring(lua_State *L, int index, size_t *size) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, NULL);
  if (luaL_callmeta(L, index, "__tostring")) {
    if (!lua_isstring(L, -1)) luaL_error(L, "'__tostring' must return a string");
    return lua_tolstring(L, -1, size);
  }
  switch (lua_type(L, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
      lua_pushvalue(L, index);
      break;
    case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false"); break;
    case LUA_TNIL: lua_pushliteral(L, "nil"); break;
    case LUA_TLIGHTUSERDATA: lua_pushliteral(L, "userdata"); break;   // a host constant such as json.null
    default: {
      const char *kind = luaL_typename(L, index);
      int type = luaL_getmetafield(L, index, "__name");
      if (type == LUA_TSTRING) kind = lua_tostring(L, -1);
      lua_pushfstring(L, "%s: #%I", kind, (LUAI_UACINT)serial(L, index));
      if (type != LUA_TNIL) lua_remove(L, -2);
    }
  }
  return lua_tolstring(L, -1, size);
}

static int safe_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  moon_tolstring(L, 1, NULL);
  return 1;
}

/// string.format: what `%s` would print with an address is made text first; `%p` is refused. upvalue 1: the stock format
static int safe_format(lua_State *L) {
  size_t size;
  const char *format = luaL_checklstring(L, 1, &size), *end = format + size;
  int count = lua_gettop(L), argument = 1;
  for (const char *p = format; p < end; p++) {
    if (*p != '%') continue;
    if (++p < end && *p == '%') continue;
    argument++;
    while (p < end && strchr("-+ #0123456789.", *p) && *p) p++;
    if (p >= end) break;   // the stock function says what is wrong
    if (*p == 'p') return luaL_error(L, "'%%p' is not available in string.format: addresses are not shown to scripts");
    if (*p == 's' && argument <= count && lua_type(L, argument) > LUA_TSTRING) {
      moon_tolstring(L, argument, NULL);
      lua_replace(L, argument);
    }
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, count, 1);
  return 1;
}

void moon_open_strings(lua_State *L) {
  lua_pushcfunction(L, safe_tostring);
  lua_setglobal(L, "tostring");
  lua_getglobal(L, "string");
  lua_getfield(L, -1, "format");
  lua_pushcclosure(L, safe_format, 1);
  lua_setfield(L, -2, "format");
  lua_pop(L, 1);
}

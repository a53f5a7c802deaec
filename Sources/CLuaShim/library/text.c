// Values as text without addresses: "table: 0x000000000003" is the third object that this state has named. It looks as
// the stock text does, for code that takes it apart; an address would tell a script (and a log) where memory lies, and
// would differ from run to run.
#include <stdio.h>
#include <string.h>
#include "include/moon_json.h"
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
    case LUA_TLIGHTUSERDATA:   // a host constant
      lua_pushstring(L, lua_touserdata(L, index) == moon_json_null() ? "null" : "userdata");
      break;
    default: {
      const char *kind = luaL_typename(L, index);
      int type = luaL_getmetafield(L, index, "__name");
      if (type == LUA_TSTRING) kind = lua_tostring(L, -1);
      char number[24];
      snprintf(number, sizeof number, "0x%012llx", (unsigned long long)serial(L, index));
      lua_pushfstring(L, "%s: %s", kind, number);
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

static moon_stock stock_format;

/// string.format: what `%s` would print with an address is made text first; `%p` is refused. The stock function is
/// called in this frame, so that its messages have this function's name and the caller's line.
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
    if (*p != 's' || argument > count) continue;
    int type = lua_type(L, argument);
    if (type == LUA_TLIGHTUSERDATA || type > LUA_TSTRING) {
      moon_tolstring(L, argument, NULL);
      lua_replace(L, argument);
    }
  }
  return moon_call_stock(&stock_format, L);
}

void moon_open_strings(lua_State *L) {
  lua_pushcfunction(L, safe_tostring);
  lua_setglobal(L, "tostring");
  lua_getglobal(L, "string");
  moon_replace_stock(L, "format", safe_format, &stock_format);
  lua_pop(L, 1);
}

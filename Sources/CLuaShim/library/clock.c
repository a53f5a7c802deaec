// os.time, os.clock, os.date and os.difftime, in the zone that the host says the code lives in.
//
// A script that is loading gets no clock: what it declares must be the same each time it is loaded. `os.time` and
// `os.date` are the stock functions as far as a script can tell, but for the zone: liblua's own know only that of the
// process, and call what takes a lock of libc, in the middle of which the backstop may not leave. Here only `strftime`
// does.
#include <limits.h>
#include <string.h>
#include <time.h>
#include "include/moon_capsule.h"
#include "internal.h"

static moon_stock stock_clock;

static int refuse(lua_State *L, const char *name) {
  return luaL_error(L,
      "%s is not available while a script is loading (its jobs would differ from load to load): call it inside run",
      name);
}

/// Of the host: how far local time is from UTC at a second, which is local itself when `civil` is set.
static moon_local_time local_time(lua_State *L, int64_t second, bool civil, int32_t daylight) {
  moon_state *s = state_of(L);
  s->foreign++;
  moon_local_time local = s->runtime->options.callbacks.local_time(s->owner, second, civil, daylight);
  s->foreign--;
  return local;
}

// ---- the calendar ---------------------------------------------------------------------------------------------------

enum { DAY = 86400, DAYS_OF_ERA = 146097, DAYS_TO_1970 = 719468 };

static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/// Days since 1970 of the first of a month (1…12). The year begins in March here, so that the leap day is its last.
static int64_t days_before(int64_t year, int month) {
  year -= month <= 2;
  int64_t era = floor_divide(year, 400);
  int64_t of_era = year - era * 400, of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;
  return era * DAYS_OF_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

/// The fields of a second since 1970 that is counted in local time. False: the year is too large for them.
static bool split(int64_t second, struct tm *t) {
  int64_t days = floor_divide(second, DAY), rest = second - days * DAY;
  int64_t shifted = days + DAYS_TO_1970, era = floor_divide(shifted, DAYS_OF_ERA), of_era = shifted - era * DAYS_OF_ERA;
  int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100), month = (5 * of_year + 2) / 153;
  int64_t year = era * 400 + year_of_era + (month >= 10) - 1900;
  if (year < INT_MIN || year > INT_MAX) return false;
  t->tm_year = (int)year;
  t->tm_mon = (int)(month < 10 ? month + 2 : month - 10);
  t->tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1);
  t->tm_hour = (int)(rest / 3600);
  t->tm_min = (int)(rest / 60 % 60);
  t->tm_sec = (int)(rest % 60);
  t->tm_wday = (int)(((days + 4) % 7 + 7) % 7);
  t->tm_yday = (int)(days - days_before(year + 1900, 1));
  return true;
}

// ---- tables ---------------------------------------------------------------------------------------------------------

static void set_fields(lua_State *L, const struct tm *t) {   // stack: …, table
  const struct { const char *key; int64_t value; } fields[] = {
    {"year", (int64_t)t->tm_year + 1900}, {"month", t->tm_mon + 1}, {"day", t->tm_mday}, {"hour", t->tm_hour},
    {"min", t->tm_min}, {"sec", t->tm_sec}, {"yday", t->tm_yday + 1}, {"wday", t->tm_wday + 1},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_pushinteger(L, fields[i].value);
    lua_setfield(L, -2, fields[i].key);
  }
  lua_pushboolean(L, t->tm_isdst > 0);
  lua_setfield(L, -2, "isdst");
}

static int64_t field(lua_State *L, const char *key, int missing, int delta) {   // stack: …, table
  int is_integer;
  int type = lua_getfield(L, -1, key);
  lua_Integer value = lua_tointegerx(L, -1, &is_integer);
  lua_pop(L, 1);
  if (!is_integer) {
    if (type != LUA_TNIL) luaL_error(L, "field '%s' is not an integer", key);
    if (missing < 0) luaL_error(L, "field '%s' missing in date table", key);
    return missing + delta;
  }
  if (value < (lua_Integer)INT_MIN + delta || value > (lua_Integer)INT_MAX + delta)
    luaL_error(L, "field '%s' is out-of-bound", key);
  return value;
}

static int os_time(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    if (state_of(L)->declaring) return refuse(L, "os.time()");
    lua_pushinteger(L, (lua_Integer)time(NULL));
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  int64_t year = field(L, "year", -1, 1900), month = field(L, "month", -1, 1) - 1, day = field(L, "day", -1, 0);
  int64_t hour = field(L, "hour", 12, 0), minute = field(L, "min", 0, 0), second = field(L, "sec", 0, 0);
  int32_t daylight = lua_getfield(L, 1, "isdst") == LUA_TNIL ? -1 : lua_toboolean(L, -1);
  lua_pop(L, 1);
  year += floor_divide(month, 12);
  month -= floor_divide(month, 12) * 12;
  int64_t civil = (days_before(year, (int)month + 1) + day - 1) * DAY + hour * 3600 + minute * 60 + second;
  int64_t instant = civil - local_time(L, civil, true, daylight).offset;
  moon_local_time local = local_time(L, instant, false, -1);
  struct tm t = {.tm_isdst = local.daylight};
  if (!split(instant + local.offset, &t))
    return luaL_error(L, "time result cannot be represented in this installation");
  set_fields(L, &t);   // as they are when each is within its bounds
  lua_pushinteger(L, instant);
  return 1;
}

// ---- text -----------------------------------------------------------------------------------------------------------

enum { ITEM_MAX = 250 };   // bytes that one conversion may give, as in the stock function

/// The conversion that begins at `text` (behind its '%'), copied to `item`. Returns its length; raises for what is
/// none.
static size_t conversion(lua_State *L, const char *text, size_t left, char *item) {
  size_t length = left > 0 && (*text == 'E' || *text == 'O') ? 2 : 1;
  const char *known = length == 1 ? "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%" : *text == 'E' ? "cCxXyY" : "deHImMSuUVwWy";
  if (left < length || text[length - 1] == 0 || !strchr(known, text[length - 1]))
    luaL_argerror(L, 1, lua_pushfstring(L, "invalid conversion specifier '%%%s'", text));
  item[0] = '%';
  memcpy(item + 1, text, length);
  item[length + 1] = 0;
  return length;
}

static int os_date(lua_State *L) {
  size_t size;
  const char *format = luaL_optlstring(L, 1, "%c", &size), *end = format + size;
  if (lua_isnoneornil(L, 2) && state_of(L)->declaring) return refuse(L, "os.date() without a time");
  int64_t instant = lua_isnoneornil(L, 2) ? (int64_t)time(NULL) : luaL_checkinteger(L, 2);
  moon_local_time local = {.name = "GMT"};
  if (*format == '!') format++;
  else local = local_time(L, instant, false, -1);
  struct tm t = {.tm_isdst = local.daylight, .tm_gmtoff = local.offset, .tm_zone = local.name};
  if (instant < INT64_MIN + 2 * DAY || instant > INT64_MAX - 2 * DAY || !split(instant + local.offset, &t))
    return luaL_error(L, "date result cannot be represented in this installation");
  if (strcmp(format, "*t") == 0) {
    lua_createtable(L, 0, 9);
    set_fields(L, &t);
    return 1;
  }
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (; format < end; format++) {
    if (*format != '%') {
      luaL_addchar(&text, *format);
      continue;
    }
    char item[4];
    char *room = luaL_prepbuffsize(&text, ITEM_MAX);
    format += conversion(L, format + 1, (size_t)(end - format - 1), item);
    moon_state *s = state_of(L);
    s->no_jump++;
    size_t length = strftime(room, ITEM_MAX, item, &t);
    s->no_jump--;
    luaL_addsize(&text, length);
  }
  luaL_pushresult(&text);
  return 1;
}

static int os_clock(lua_State *L) {
  if (state_of(L)->declaring) {
    // A library that looks at the clock when it is loaded measures something, and gets the same each time.
    if (!moon_reader_is_library(L)) return refuse(L, "os.clock()");
    lua_pushnumber(L, 0);
    return 1;
  }
  return moon_call_stock(&stock_clock, L);
}

static int os_difftime(lua_State *L) {
  lua_pushnumber(L, (lua_Number)(luaL_checkinteger(L, 1) - luaL_checkinteger(L, 2)));
  return 1;
}

/// The variable as `env.get` gives it; nil where the script has no grant for it, and while it is loading.
static int os_getenv(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_pushliteral(L, "env");
  moon_globals_get(L);
  if (!lua_istable(L, -1) || lua_getfield(L, -1, "get") != LUA_TFUNCTION) return lua_pushnil(L), 1;
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) lua_pushnil(L);
  return 1;
}

/// What os has besides its clock. A script that reads what the host does not have is told what to use; a library gets
/// nil.
static int os_index(lua_State *L) {   // stack: os, key
  static const struct { const char *name, *instead; } elsewhere[] = {
    {"execute", "use exec"}, {"exit", "let run return, or raise an error"}, {"remove", "use fs.remove"},
    {"rename", "use fs.rename"}, {"tmpname", "make a name of your own"},
    {"setlocale", "the locale belongs to the host"},
  };
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *key = lua_tostring(L, 2);
  if (strcmp(key, "getenv") == 0) return lua_pushcfunction(L, os_getenv), 1;
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
    if (strcmp(key, elsewhere[i].name) == 0 && !moon_reader_is_library(L))
      return luaL_error(L, "os.%s is not here: %s", key, elsewhere[i].instead);
  return 0;
}

void moon_open_os(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"time", os_time}, {"date", os_date}, {"clock", os_clock}, {"difftime", os_difftime}, {NULL, NULL},
  };
  luaL_requiref(L, LUA_OSLIBNAME, luaopen_os, 0);
  moon_replace_stock(L, "clock", os_clock, &stock_clock);
  luaL_newlib(L, functions);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, os_index);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pushcfunction(L, os_getenv);   // no field leads to it, so a capsule needs a name
  moon_capsule_name(L, "os.getenv");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, LUA_OSLIBNAME);   // in the place of the stock library
  lua_pop(L, 1);
  lua_setglobal(L, LUA_OSLIBNAME);
  lua_pop(L, 1);
}

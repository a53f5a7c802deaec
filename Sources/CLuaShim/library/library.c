// What code of others expects of Lua and the host does not have: a harmless io and package for modules, and debug.
//
// The tables are host objects that no global leads to (`moon_capsule_name`); reading a global that is not there finds
// them, see undeclared.c. Writing through io ends in the log, files are not there, package is a view of what `require`
// knows, and debug only looks. Nothing here gives access to anything that a script has not got already.
#include <string.h>
#include "include/moon_capsule.h"
#include "catalogue.h"
#include "internal.h"

void moon_push_library(lua_State *L, const char *name) {
  luaL_checkstack(L, 8, NULL);
  moon_capsule_push_made(L);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

bool moon_push_stock(lua_State *L, const char *name) {
  static const char *const globals[] = {"_G", "coroutine", "math", "os", "string", "table", "utf8", NULL};
  static const char *const libraries[] = {"debug", "io", "package", NULL};
  for (const char *const *p = libraries; *p; p++)
    if (strcmp(name, *p) == 0) return moon_push_library(L, name), true;
  for (const char *const *p = globals; *p; p++) {
    if (strcmp(name, *p) != 0) continue;
    lua_pushstring(L, name);
    moon_globals_get(L);
    return true;
  }
  return false;
}

// ---- io -------------------------------------------------------------------------------------------------------------

/// Calls the global `function`, or field `field` of that table, with the text on top of the stack, which is popped.
static void say(lua_State *L, const char *global, const char *field) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (size > 0 && text[size - 1] == '\n') size--;   // a line of the log ends by itself
  if (size == 0) return lua_pop(L, 1);
  lua_pushstring(L, global);
  moon_globals_get(L);
  if (field && lua_istable(L, -1)) {
    lua_getfield(L, -1, field);
    lua_remove(L, -2);
  }
  if (lua_isfunction(L, -1)) {
    lua_pushlstring(L, text, size);
    lua_call(L, 1, 0);
  } else {
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void write_from(lua_State *L, int first, const char *global, const char *field) {
  int last = lua_gettop(L);
  for (int i = first; i <= last; i++) luaL_checkstring(L, i);
  lua_concat(L, last - first + 1);
  if (last >= first) say(L, global, field);
  else lua_pop(L, 1);
}

static void push_field(lua_State *L, const char *name) {
  moon_push_library(L, "io");
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

static int io_write(lua_State *L) {
  write_from(L, 1, "print", NULL);
  push_field(L, "stdout");
  return 1;
}

static int out_write(lua_State *L) {
  write_from(L, 2, "print", NULL);
  lua_settop(L, 1);
  return 1;
}

static int error_write(lua_State *L) {
  write_from(L, 2, "log", "warn");
  lua_settop(L, 1);
  return 1;
}

static int give_nothing(lua_State *L) { return lua_pushnil(L), 1; }
static int give_self(lua_State *L) { return lua_settop(L, 1), 1; }
static int give_true(lua_State *L) { return lua_pushboolean(L, 1), 1; }
static int io_output(lua_State *L) { return push_field(L, "stdout"), 1; }
static int io_input(lua_State *L) { return push_field(L, "stdin"), 1; }

/// nil, a message and a number, as the stock function answers when a file cannot be opened.
static int io_open(lua_State *L) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: io opens no files here: use fs", luaL_optstring(L, 1, "?"));
  lua_pushinteger(L, 2);
  return 3;
}

static int io_popen(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "io.popen is not here: use exec");
  lua_pushinteger(L, 2);
  return 3;
}

static int io_lines(lua_State *L) {
  if (lua_isnoneornil(L, 1)) return lua_pushcfunction(L, give_nothing), 1;   // an empty input
  return luaL_error(L, "%s: io opens no files here: use fs", luaL_checkstring(L, 1));
}

static int io_type(lua_State *L) {
  luaL_checkany(L, 1);
  static const char *const files[] = {"stdin", "stdout", "stderr"};
  for (int i = 0; i < 3; i++) {
    push_field(L, files[i]);
    if (lua_rawequal(L, 1, -1)) return lua_pushliteral(L, "file"), 1;
    lua_pop(L, 1);
  }
  return lua_pushnil(L), 1;
}

static void set_file(lua_State *L, const char *name, lua_CFunction write) {   // stack: …, io
  static const luaL_Reg methods[] = {{"close", give_true}, {"flush", give_self}, {"lines", io_lines},
      {"read", give_nothing},
                                     {"seek", give_nothing}, {"setvbuf", give_true}, {NULL, NULL}};
  luaL_newlib(L, methods);
  lua_pushcfunction(L, write);
  lua_setfield(L, -2, "write");
  lua_setfield(L, -2, name);
}

static void open_io(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"close", give_true}, {"flush", give_true}, {"input", io_input}, {"lines", io_lines}, {"open", io_open},
    {"output", io_output}, {"popen", io_popen}, {"read", give_nothing}, {"tmpfile", io_open}, {"type", io_type},
    {"write", io_write}, {NULL, NULL}};
  luaL_newlib(L, functions);
  set_file(L, "stdin", give_nothing);
  set_file(L, "stdout", out_write);
  set_file(L, "stderr", error_write);
  moon_capsule_name(L, "io");
}

// ---- package --------------------------------------------------------------------------------------------------------

/// The place of a preload function in the table of modules. No module has such a name.
static void push_preload_key(lua_State *L, int key) { lua_pushfstring(L, ":preload:%s", luaL_tolstring(L, key, NULL)); }

bool moon_push_preload(lua_State *L, int name) {
  luaL_checkstack(L, 8, NULL);
  moon_capsule_loaded(L);
  push_preload_key(L, name);
  lua_remove(L, -2);
  bool found = lua_rawget(L, -2) == LUA_TFUNCTION;
  lua_remove(L, -2);
  if (!found) lua_pop(L, 1);
  return found;
}

static int loaded_index(lua_State *L) {   // stack: package.loaded, key
  moon_capsule_loaded(L);
  lua_pushvalue(L, 2);
  // one that is being loaded is not there yet
  if (lua_rawget(L, -2) != LUA_TNIL) return lua_islightuserdata(L, -1) ? 0 : 1;
  return lua_type(L, 2) == LUA_TSTRING && moon_push_stock(L, lua_tostring(L, 2));
}

static int loaded_newindex(lua_State *L) {   // stack: package.loaded, key, value
  moon_capsule_loaded(L);
  lua_insert(L, 2);
  lua_rawset(L, 2);
  return 0;
}

/// Over a copy with the stock libraries in it.
static int loaded_pairs(lua_State *L) {
  static const char *const stock[] = {"_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table",
      "utf8"};
  lua_settop(L, 0);
  lua_pushliteral(L, "next");
  moon_globals_get(L);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof stock / sizeof *stock; i++) {
    moon_push_stock(L, stock[i]);
    lua_setfield(L, 2, stock[i]);
  }
  moon_capsule_loaded(L);
  for (lua_pushnil(L); lua_next(L, 3);) {
    bool shown = lua_type(L, -2) == LUA_TSTRING && lua_tostring(L, -2)[0] != ':' && !lua_islightuserdata(L, -1);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    if (shown) lua_rawset(L, 2);
    else lua_pop(L, 2);
  }
  lua_settop(L, 2);
  lua_pushnil(L);
  return 3;
}

static int preload_index(lua_State *L) { return moon_push_preload(L, 2); }

static int preload_newindex(lua_State *L) {   // stack: package.preload, key, value
  moon_capsule_loaded(L);
  push_preload_key(L, 2);
  lua_remove(L, -2);
  lua_pushvalue(L, 3);
  lua_rawset(L, 4);
  return 0;
}

static int search_path(lua_State *L) {
  lua_pushnil(L);
  lua_pushfstring(L, "no file for '%s': package.searchpath finds nothing here", luaL_checkstring(L, 1));
  return 2;
}

/// Assignments are accepted and mean nothing, so that code which sets `package.path` goes on.
static int package_newindex(lua_State *L) { return lua_settop(L, 0), 0; }

static int package_index(lua_State *L) {   // stack: package, key
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "path") == 0) return lua_pushliteral(L, "./lib/?.lua;./lib/?/init.lua"), 1;
  if (strcmp(key, "cpath") == 0) return lua_pushliteral(L, ""), 1;
  if (strcmp(key, "config") == 0) return lua_pushliteral(L, "/\n;\n?\n!\n-\n"), 1;
  if (strcmp(key, "searchpath") == 0) return lua_pushcfunction(L, search_path), 1;
  if (strcmp(key, "loaded") != 0 && strcmp(key, "preload") != 0) return 0;
  moon_push_library(L, strcmp(key, "loaded") == 0 ? "package.loaded" : "package.preload");
  return 1;
}

static void open_view(lua_State *L, const char *name, const luaL_Reg *events) {
  lua_newtable(L);
  lua_newtable(L);
  luaL_setfuncs(L, events, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  moon_capsule_name(L, name);
}

static void open_package(lua_State *L) {
  static const luaL_Reg loaded[] = {{"__index", loaded_index}, {"__newindex", loaded_newindex},
      {"__pairs", loaded_pairs}, {NULL, NULL}};
  static const luaL_Reg preload[] = {{"__index", preload_index}, {"__newindex", preload_newindex}, {NULL, NULL}};
  static const luaL_Reg package[] = {{"__index", package_index}, {"__newindex", package_newindex}, {NULL, NULL}};
  lua_pushcfunction(L, search_path);   // to be found by a capsule
  moon_capsule_name(L, "package.searchpath");
  open_view(L, "package.loaded", loaded);
  open_view(L, "package.preload", preload);
  open_view(L, "package", package);
}

// ---- debug ----------------------------------------------------------------------------------------------------------

enum { TRACE_LEVELS_STACK = 40 };

static lua_State *thread_argument(lua_State *L, int *shift) {
  *shift = lua_isthread(L, 1) ? 1 : 0;
  return *shift ? lua_tothread(L, 1) : L;
}

static int debug_traceback(lua_State *L) {
  int shift;
  lua_State *of = thread_argument(L, &shift);
  const char *message = lua_tostring(L, shift + 1);
  if (!message && !lua_isnoneornil(L, shift + 1)) {   // no text: as it is
    lua_pushvalue(L, shift + 1);
    return 1;
  }
  lua_Integer level = luaL_optinteger(L, shift + 2, of == L ? 1 : 0);
  luaL_checkstack(L, TRACE_LEVELS_STACK, NULL);   // luaL_traceback asks for too few (lua commit 2db966fc)
  luaL_traceback(L, of, message, level < 0 || level > 1000000 ? 1000000 : (int)level);
  return 1;
}

static void set_text(lua_State *L, const char *key, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

static void set_number(lua_State *L, const char *key, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key);
}

/// What a frame or a function is, without what would lead further: no active lines, and functions of scripts only.
static int debug_getinfo(lua_State *L) {
  int shift;
  lua_State *of = thread_argument(L, &shift);
  lua_Debug ar;
  const char *wanted = luaL_optstring(L, shift + 2, "Slnutf");
  luaL_argcheck(L, strspn(wanted, "SlnutfrL") == strlen(wanted), shift + 2, "invalid option");
  bool is_function = lua_isfunction(L, shift + 1);
  luaL_checkstack(L, 8, NULL);
  if (is_function) {
    lua_pushvalue(L, shift + 1);
    lua_getinfo(L, ">Su", &ar);
    ar.currentline = -1, ar.name = NULL, ar.namewhat = "", ar.istailcall = 0;
  } else {
    lua_Integer level = luaL_checkinteger(L, shift + 1);
    if (level < 0 || level > 1000000 || !lua_getstack(of, (int)level, &ar)) return lua_pushnil(L), 1;
    lua_getinfo(of, "Slntu", &ar);
  }
  lua_createtable(L, 0, 12);
  if (strchr(wanted, 'S')) {
    set_text(L, "source", ar.source);
    set_text(L, "short_src", ar.short_src);
    set_text(L, "what", ar.what);
    set_number(L, "linedefined", ar.linedefined);
    set_number(L, "lastlinedefined", ar.lastlinedefined);
  }
  if (strchr(wanted, 'l')) set_number(L, "currentline", ar.currentline);
  if (strchr(wanted, 'n')) set_text(L, "name", ar.name), set_text(L, "namewhat", ar.namewhat);
  if (strchr(wanted, 'u')) {
    set_number(L, "nups", ar.nups);
    set_number(L, "nparams", ar.nparams);
    lua_pushboolean(L, ar.isvararg);
    lua_setfield(L, -2, "isvararg");
  }
  if (strchr(wanted, 't')) lua_pushboolean(L, ar.istailcall), lua_setfield(L, -2, "istailcall");
  if (strchr(wanted, 'f')) {
    if (is_function) {
      lua_pushvalue(L, shift + 1);
      lua_setfield(L, -2, "func");
    } else if (ar.source[0] == '@' && lua_checkstack(of, 2)) {
      lua_getinfo(of, "f", &ar);
      lua_xmove(of, L, 1);
      lua_setfield(L, -2, "func");
    }
  }
  return 1;
}

/// getmetatable as the global is, which respects `__metatable`; the stock one does not.
static int debug_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (!lua_getmetatable(L, 1)) return lua_pushnil(L), 1;
  luaL_getmetafield(L, 1, "__metatable");
  return 1;
}

/// Whether the value at `index` is a Lua function that no prelude of ours made: what those captured is the host's.
static bool is_script_function(lua_State *L, int index) {
  if (!lua_isfunction(L, index) || lua_iscfunction(L, index)) return false;
  lua_Debug ar;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">S", &ar);
  return !(ar.source[0] == '=' && ar.source[1] == '[');
}

static int debug_getupvalue(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_Integer n = luaL_checkinteger(L, 2);
  if (n < 1 || n > 255 || !is_script_function(L, 1)) return 0;
  const char *name = lua_getupvalue(L, 1, (int)n);
  if (!name) return 0;
  lua_pushstring(L, name);
  lua_insert(L, -2);
  return 2;
}

/// What libraries that are older than `_ENV` give functions an environment with.
static int debug_upvaluejoin(lua_State *L) {
  for (int i = 1; i <= 3; i += 2) {
    lua_Integer n = luaL_checkinteger(L, i + 1);
    luaL_argcheck(L, is_script_function(L, i), i, "function of a script expected");
    luaL_argcheck(L, n >= 1 && n <= 255 && lua_getupvalue(L, i, (int)n), i + 1, "invalid upvalue index");
    lua_pop(L, 1);
  }
  lua_upvaluejoin(L, 1, (int)lua_tointeger(L, 2), 3, (int)lua_tointeger(L, 4));
  return 0;
}

/// As the global for tables. The metatables of other types belong to the host: nothing is done to them.
static int debug_setmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 2);
  if (!lua_istable(L, 1)) return lua_settop(L, 1), 1;
  lua_pushliteral(L, "setmetatable");
  moon_globals_get(L);
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

/// There never is a hook that a script could see, so there is none to take off; a new one would be the host's business.
static int debug_gethook(lua_State *L) {
  (void)L;
  return 0;
}

static int debug_sethook(lua_State *L) {
  int shift;
  thread_argument(L, &shift);
  if (lua_isnoneornil(L, shift + 1)) return 0;
  return luaL_error(L, "debug.sethook is not here: the host itself watches over what runs");
}

static void open_debug(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"traceback", debug_traceback}, {"getinfo", debug_getinfo}, {"getmetatable", debug_getmetatable},
    {"getupvalue", debug_getupvalue}, {"upvaluejoin", debug_upvaluejoin}, {"gethook", debug_gethook},
    {"setmetatable", debug_setmetatable},
    {"sethook", debug_sethook}, {NULL, NULL}};
  luaL_newlib(L, functions);
  moon_capsule_name(L, "debug");
}

// ---- functions that stock ones give out -----------------------------------------------------------------------------

/// Names what `call` answers first, so that a capsule can refer to it.
static void name_iterator(lua_State *L, const char *library, const char *function, const char *name) {
  lua_getglobal(L, library);
  lua_getfield(L, -1, function);
  if (strcmp(library, "_G") == 0) lua_newtable(L);
  else lua_pushliteral(L, "");
  lua_call(L, 1, 1);
  moon_capsule_name(L, name);
  lua_pop(L, 1);
}

void moon_open_libraries(lua_State *L) {
  open_io(L);
  open_package(L);
  open_debug(L);
  name_iterator(L, "_G", "ipairs", "ipairs iterator");
  name_iterator(L, "utf8", "codes", "utf8.codes iterator");
}

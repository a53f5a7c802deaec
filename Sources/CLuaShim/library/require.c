// `require`: the scripts' own modules. The host finds the source; the module runs here, in the calling coroutine, and
// may be sliced (the stock `require` is a C boundary).
#include <string.h>
#include "include/moon_capsule.h"
#include "internal.h"

/// Marks a module that is being loaded. An address, so that no value of a script can be it.
static const char loading;

static bool is_loading(lua_State *L, int index) {
  return lua_islightuserdata(L, index) && lua_touserdata(L, index) == &loading;
}

int moon_load_text(lua_State *L, const char *source, size_t size, const char *chunk) {
  static const char mark[] = "\xEF\xBB\xBF";
  if (size >= 3 && memcmp(source, mark, 3) == 0) source += 3, size -= 3;
  if (size > 0 && *source == '#') {
    const char *line_end = memchr(source, '\n', size);   // which stays, so that lines keep their numbers
    size -= line_end ? (size_t)(line_end - source) : size;
    source = line_end ? line_end : "";
  }
  return luaL_loadbufferx(L, source, size, chunk, "t");
}

// stack: 1 name, 2 loaded table, 3 the file's name, …, the module's value or error
static int ran(lua_State *L, int status, lua_KContext context) {
  (void)context;
  bool failed = status != LUA_OK && status != LUA_YIELD;
  if (!failed && lua_isnil(L, -1)) {
    // It may have put itself into package.loaded; a module that does neither is there all the same.
    lua_pop(L, 1);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) == LUA_TNIL || is_loading(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 1);
    }
  }
  lua_pushvalue(L, 1);
  if (failed) lua_pushnil(L);   // takes the mark off: the next require tries again
  else lua_pushvalue(L, -2);
  lua_rawset(L, 2);
  if (failed) return lua_error(L);
  lua_pushvalue(L, 3);
  return 2;
}

/// Runs the module whose function is on top of the stack. stack: 1 name, 2 loaded table, 3 the file's name, …, function
static int run(lua_State *L) {
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, (void *)&loading);
  lua_rawset(L, 2);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 3);
  return ran(L, lua_pcallk(L, 2, 1, 0, 0, ran), 0);
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
  if (is_loading(L, -1))
    return luaL_error(L, "module '%s' requires itself (directly or through another module)", name);
  if (lua_toboolean(L, -1)) return 1;   // as in stock Lua, a module that is false runs again
  lua_pop(L, 1);
  if (moon_push_stock(L, name)) return 1;
  if (moon_push_preload(L, 1)) {
    lua_pushliteral(L, ":preload:");
    lua_insert(L, 3);
    return run(L);
  }
  if (!is_name(name, size))
    return luaL_error(L,
        "'%s' is not a module name: use letters, digits, '_', '-' and single dots, as in \"net.retry\"", name);
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
  if (moon_load_text(L, source, source_size, lua_tostring(L, -1)) != LUA_OK) return lua_error(L);
  if (s->declaring) moon_note_chunk(L);
  lua_pushstring(L, lua_tostring(L, -2) + 1);   // without the '@' of the chunk's name
  lua_replace(L, 3);                            // where the source was
  return run(L);
}

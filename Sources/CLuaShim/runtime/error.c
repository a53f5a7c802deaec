// The error of a run as text: whatever the script threw, a bounded message, and the traceback.
#include <stdlib.h>
#include <string.h>
#include "internal.h"

enum { MESSAGE_MAX = 4096, TRACE_MAX = 8192 };

void moon_error_clear(moon_state *s) {
  moon_scan_free(s);
  free(s->error_text);
  free(s->error_trace);
  s->error_text = s->error_trace = NULL;
  s->error_text_size = s->error_trace_size = 0;
  s->error_has_value = s->error_is_memory = s->error_is_syntax = false;
}

static void keep(char **text, size_t *kept, const char *from, size_t size, size_t limit) {
  if (size > limit) size = limit;
  free(*text);
  *text = malloc(size + 1);   // without memory: no text; the run failed all the same
  *kept = *text ? size : 0;
  if (!*text) return;
  memcpy(*text, from, size);
  (*text)[size] = 0;
}

/// Pushes the text of the table's own `message`, if it has one.
static bool has_message(lua_State *L) {
  lua_pushliteral(L, "message");
  return lua_rawget(L, 1) == LUA_TSTRING;
}

/// Keeps the text of the error value. stack: error, state
static int describe(lua_State *L) {
  moon_state *s = lua_touserdata(L, 2);
  lua_settop(L, 1);
  size_t size;
  const char *text;
  if (lua_type(L, 1) == LUA_TNIL) text = "error without a value (nil)", size = strlen(text);
  else if (lua_istable(L, 1) && luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL && has_message(L))
    text = lua_tolstring(L, -1, &size);
  else text = moon_tolstring(L, 1, &size);
  keep(&s->error_text, &s->error_text_size, text, size, MESSAGE_MAX);
  return 0;
}

static int trace(lua_State *L) {   // stack: failed coroutine (light), state
  lua_State *co = lua_touserdata(L, 1);
  moon_state *s = lua_touserdata(L, 2);
  luaL_checkstack(L, 40, NULL);   // luaL_traceback asks for too few (lua commit 2db966fc)
  luaL_traceback(L, co, NULL, 0);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  keep(&s->error_trace, &s->error_trace_size, text, size, TRACE_MAX);
  return 0;
}

/// Called inside the step, after the coroutine has failed: its error value is on top of its stack.
void moon_error_record(moon_state *s, lua_State *co, int status) {
  bool syntax = s->error_is_syntax;
  moon_error_clear(s);
  s->error_is_syntax = syntax;
  s->error_is_memory = status == LUA_ERRMEM;
  lua_State *L = s->L;
  s->current = L;
  if (s->pending) moon_arm(L);
  lua_settop(L, 0);
  if (!lua_checkstack(L, 8) || !lua_checkstack(co, 4)) return;
  lua_pushvalue(co, -1);
  lua_xmove(co, L, 1);   // stays at index 1 for `moon_state_error_value`
  s->error_has_value = lua_istable(L, 1);
  s->error_place = s->error_has_value ? moon_caller(co) : (moon_place){0};   // its stack is as it was when it failed
  lua_pushcfunction(L, describe);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, s);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {   // its own __tostring failed
    const char *text = "error object whose __tostring fails";
    keep(&s->error_text, &s->error_text_size, text, strlen(text), MESSAGE_MAX);
    lua_settop(L, 1);
  }
  lua_pushcfunction(L, trace);
  lua_pushlightuserdata(L, co);
  lua_pushlightuserdata(L, s);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_settop(L, 1);
}

moon_error moon_state_error(const moon_state *s) {
  return (moon_error){
    .message = s->error_text,
    .message_size = s->error_text_size,
    .traceback = s->error_trace,
    .traceback_size = s->error_trace_size,
    .place = s->error_place,
    .has_value = s->error_has_value,
    .is_memory = s->error_is_memory,
    .is_syntax = s->error_is_syntax,
  };
}

moon_status moon_state_error_value(moon_state *s, const moon_limits *limits, moon_flat *out) {
  if (!s->error_has_value || lua_gettop(s->L) < 1) return MOON_ERROR;
  return moon_read_value(s->L, 1, limits, "error", out);
}

// Host functions: a C closure that calls the host, looks at its answer, and only then raises or yields.
#include <string.h>
#include "internal.h"

/// The innermost Lua function that is a script's: not C, and not a prelude of ours (their chunk names begin with "=[").
static bool find_script(lua_State *L, lua_Debug *ar) {
  for (int level = 0; lua_getstack(L, level, ar); level++) {
    lua_getinfo(L, "Sl", ar);
    if (ar->currentline > 0 && !(ar->source[0] == '=' && ar->source[1] == '[')) return true;
  }
  return false;
}

moon_place moon_caller(lua_State *L) {
  moon_place place = {0};
  lua_Debug ar;
  if (find_script(L, &ar)) {
    place.line = ar.currentline;
    strncpy(place.file, ar.short_src, sizeof place.file - 1);
  }
  return place;
}

void moon_push_where(lua_State *L) {
  lua_Debug ar;
  if (find_script(L, &ar)) lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
  else lua_pushliteral(L, "");
}

static int resumed(lua_State *L, int status, lua_KContext ticket);

/// Does what the host answered. Nothing of the host is on the C stack here.
static int obey(lua_State *L, moon_state *s, int32_t answer) {
  if (MOON_UNLIKELY(s->stop.reason != MOON_STOP_NONE)) moon_leave(s, s->stop.reason);   // a wrapper was abandoned
  moon_poll(L);
  if (MOON_LIKELY(answer >= 0)) return answer;
  switch (answer) {
    case MOON_RAISE:
      moon_push_where(L);
      lua_insert(L, -2);
      lua_concat(L, 2);
      return lua_error(L);
    case MOON_SUSPEND:
      s->yield = MOON_YIELD_HOST;
      return lua_yieldk(L, 0, (lua_KContext)s->ticket, resumed);
    default:
      return lua_error(L);
  }
}

// Only the thread that runs the state writes it, so that a locked addition is not needed.
static void count_hosting(moon_state *s, int change) {
  int count = atomic_load_explicit(&s->hosting, memory_order_relaxed);
  atomic_store_explicit(&s->hosting, count + change, memory_order_relaxed);
}

static int resumed(lua_State *L, int status, lua_KContext ticket) {
  (void)status;
  moon_state *s = state_of(L);
  s->foreign++;
  count_hosting(s, 1);
  int32_t answer = s->runtime->options.callbacks.resume(s->owner, L, (uint32_t)ticket);
  count_hosting(s, -1);
  s->foreign--;
  return obey(L, s, answer);
}

int moon_host_call(lua_State *L) {
  moon_state *s = state_of(L);
  lua_Integer packed = lua_tointegerx(L, lua_upvalueindex(1), NULL);
  int32_t number = (int32_t)(packed >> 2);
  const moon_callbacks *host = &s->runtime->options.callbacks;
  bool allowed = packed & (s->declaring ? MOON_IN_DECLARE : MOON_IN_RUN);
  s->foreign++;
  count_hosting(s, 1);
  int32_t answer = (allowed ? host->call : host->refuse)(s->owner, L, number);
  count_hosting(s, -1);
  s->foreign--;
  return obey(L, s, answer);
}

bool moon_can_suspend(lua_State *L) {
  moon_state *s = state_of(L);
  return !s->declaring && s->current && lua_isyieldable(L) && s->blocked == 0;
}

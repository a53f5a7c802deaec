// Guards: the places that an abandoned run returns to.
//
// A run is abandoned when it is out of memory, killed at its deadline, cancelled, or torn out of a long C call. All of
// these are one jump to the innermost guard. Nothing is unwound: the Lua state is garbage from then on and is dropped
// with its arena, so no frame of liblua that is jumped over can matter. Frames of the host can, and are never jumped
// over: a callback into the host counts as `foreign`, and a wrapper that the host calls sets a guard of its own.
#include <stdio.h>
#include <stdlib.h>
#include "internal.h"

_Noreturn void moon_leave(moon_state *s, moon_stop_reason why) {
  moon_guard *guard = s->guard;
  if (!guard) {
    fputs("moondial: a Lua state was left without a guard; this is a programming error\n", stderr);
    abort();
  }
  if (s->stop.reason == MOON_STOP_NONE) s->stop.reason = why;
  s->allocating = 0;
  _longjmp(guard->jump, 1);
}

_Noreturn void moon_leave_polled(moon_state *s, lua_State *L) {
  moon_record_place(s, L, 0);
  moon_leave(s, (moon_stop_reason)s->why);
}

void moon_record_depth(moon_state *s) {
  lua_Debug ar;
  s->stop_depth = 0;
  if (s->stop.reason != MOON_STOP_MEMORY || !s->current) return;
  for (size_t depth = MOON_DEEP; depth <= (1u << 20) && lua_getstack(s->current, (int)depth, &ar); depth *= 2)
    s->stop_depth = depth;
}

static moon_status call(lua_State *L, moon_function function, void *argument, int32_t results) {
  if (!lua_checkstack(L, 4)) return MOON_ERROR;
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  return lua_pcall(L, 1, results, 0) == LUA_OK ? MOON_OK : MOON_ERROR;
}

moon_status moon_protected(lua_State *L, moon_function function, void *argument, int32_t results) {
  moon_state *s = state_of(L);
  if (!s) return call(L, function, argument, results);
  if (s->stop.reason != MOON_STOP_NONE) return MOON_ABANDONED;
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (_setjmp(guard.jump) == 0) status = call(L, function, argument, results);
  else status = MOON_ABANDONED;
  MOON_EXIT(s, guard);
  return status;
}

// What happens at the next VM instruction after somebody asked for it.
//
// No hook is set while a run just runs: any hook, whatever its period, doubles the cost of a tight loop. A signal
// (slice, deadline, cancel) or the allocator (collection) sets one with a count of 1 on the coroutine that is running;
// it fires once and takes itself off.
#include <string.h>
#include "internal.h"

/// The position of the innermost Lua function from `first_level` on, kept for the outcome. Does not allocate.
void moon_record_place(moon_state *s, lua_State *L, int first_level) {
  lua_Debug ar;
  for (int level = first_level; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0 || (ar.source[0] == '=' && ar.source[1] == '[')) continue;
    s->stop.line = ar.currentline;
    strncpy(s->stop.file, ar.short_src, sizeof s->stop.file - 1);
    return;
  }
}

static void hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  moon_state *s = state_of(L);
  lua_sethook(L, NULL, 0, 0);
  // A signal may arrive between the two lines: it sets `pending` first and the hook after, so one of them is seen.
  moon_poll(L);
  if (s->pending & MOON_PENDING_COLLECT) {
    s->pending &= ~MOON_PENDING_COLLECT;
    lua_gc(L, LUA_GCCOLLECT);
    // Nearly full after a collection is full: the next one would come at once, and each walks the whole heap.
    if (s->arena.used + s->aside > s->limit - s->limit / 16) {
      moon_record_place(s, L, 0);
      moon_leave(s, MOON_STOP_MEMORY);
    }
  }
  if (s->pending & MOON_PENDING_SLICE) {
    s->pending &= ~MOON_PENDING_SLICE;
    // Inside a C call, its own or that of a coroutine further out, there is no way up: the next tick tries again.
    if (lua_isyieldable(L) && s->blocked == 0) {
      s->yield = MOON_YIELD_SLICE;
      lua_yield(L, 0);   // from a hook this returns, and the VM yields when we return
    }
  }
  if (s->pending) moon_arm(L);
}

// `lua_sethook` sets a flag in every call frame: some 0.4 ms for 190,000 frames, and several on a slow machine. An
// armed hook is therefore left as it is: its flags were set, or are being set by the very call that this one has
// interrupted.
void moon_arm(lua_State *L) {
  if (lua_gethook(L) == hook && lua_gethookmask(L) == LUA_MASKCOUNT) return;
  lua_sethook(L, hook, LUA_MASKCOUNT, 1);
}

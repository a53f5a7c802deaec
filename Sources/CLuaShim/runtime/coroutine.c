// The coroutine library of scripts.
//
// It differs from the stock one in what nobody should notice: a time slice or a host suspension inside a script's
// coroutine passes up through it to the host and comes back to the same place, so that they are never seen as yields.
// And it keeps note of which coroutine is running, for the signal handler.
#include "internal.h"

enum { RESUME = 0, WRAP = 1, BRANCH = 2 };
enum { CLOSE_DEPTH = 100 };

static int drive(lua_State *L, lua_State *co, int arguments, int mode);

static lua_State *coroutine_of(lua_State *L, lua_KContext mode) {
  return lua_tothread(L, mode == WRAP ? lua_upvalueindex(1) : 1);
}

static int continued(lua_State *L, int status, lua_KContext mode) {
  (void)status;
  return drive(L, coroutine_of(L, mode), 0, (int)mode);
}

/// Puts the mark of success or failure before the last `n` values.
static int with_mark(lua_State *L, int n, int mode, bool ok) {
  if (mode == WRAP) return n;
  lua_pushboolean(L, ok);
  lua_insert(L, -(n + 1));
  return n + 1;
}

static bool has_stack(moon_state *s) {
  // Not the address of a local: the address sanitizer may keep locals on a stack of its own.
  return !s->stack_limit || (char *)__builtin_frame_address(0) > s->stack_limit;
}

/// Closes the pending variables of a coroutine that is not running. Liblua 5.4.4 forgets to count C calls there (a
/// chain of closes overflows the C stack; lua commit 1e64c139), so the depth is limited here. False: too deep.
static bool reset(lua_State *L, lua_State *co, int *status) {
  moon_state *s = state_of(L);
  if (s->closing >= CLOSE_DEPTH || !has_stack(s)) return false;
  lua_State *outer = s->current;
  s->closing++;
  s->blocked++;
  s->current = co;
  *status = lua_resetthread(co);
  s->current = outer;
  s->blocked--;
  s->closing--;
  if (s->pending && outer) moon_arm(outer);
  return true;
}

static int failed(lua_State *L, lua_State *co, int mode) {
  if (mode != WRAP) {
    lua_xmove(co, L, 1);
    return with_mark(L, 1, mode, false);
  }
  int status;
  // its __close may change the error
  if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) reset(L, co, &status);
  lua_xmove(co, L, 1);
  if (lua_type(L, -1) == LUA_TSTRING) {   // as in stock Lua, where the caller is before it: both places are told
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/// A branch that the script itself yielded. Nobody resumes it, so it has no result, and what it had to close is closed.
static int yielded(lua_State *L, lua_State *co) {
  lua_settop(co, 0);
  luaL_where(co, 1);   // level 0 is coroutine.yield
  lua_xmove(co, L, 1);
  lua_pushliteral(L,
      "a branch of all or any cannot yield: coroutine.yield works in coroutines that the body makes itself");
  lua_concat(L, 2);
  int status;
  if (!reset(L, co, &status)) return luaL_error(L, "C stack overflow (too many nested coroutines)");
  return with_mark(L, 1, BRANCH, false);
}

static int drive(lua_State *L, lua_State *co, int arguments, int mode) {
  moon_state *s = state_of(L);
  bool stuck = !lua_isyieldable(L);
  if (!has_stack(s)) return luaL_error(L, "C stack overflow (too many nested coroutines)");
  lua_State *outer = s->current;
  int results = 0;
  s->blocked += stuck;
  s->yield = MOON_YIELD_NONE;
  s->current = co;
  if (MOON_UNLIKELY(s->pending != 0)) moon_arm(co);
  int status = lua_resume(co, L, arguments, &results);
  s->current = outer;
  s->blocked -= stuck;
  if (MOON_UNLIKELY(s->pending != 0) && outer) moon_arm(outer);   // the signal may have found the inner one
  if (status == LUA_YIELD && s->yield != MOON_YIELD_NONE) {
    if (mode == BRANCH && s->yield == MOON_YIELD_HOST) {
      s->yield = MOON_YIELD_NONE;
      lua_pushnil(L);
      lua_pushinteger(L, s->ticket);
      return 2;
    }
    return lua_yieldk(L, 0, mode, continued);   // slices and suspensions only happen when every level can pass them on
  }
  if (status != LUA_OK && status != LUA_YIELD) return failed(L, co, mode);
  if (status == LUA_YIELD && mode == BRANCH) return yielded(L, co);
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    if (mode == WRAP) return luaL_error(L, "too many results to resume");
    lua_pushliteral(L, "too many results to resume");
    return with_mark(L, 1, mode, false);
  }
  lua_xmove(co, L, results);
  return with_mark(L, results, mode, true);
}

static int begin(lua_State *L, lua_State *co, int arguments, int mode) {
  const char *problem = NULL;
  lua_Debug ar;
  int status = lua_status(co);
  if (co == L) problem = "cannot resume non-suspended coroutine";
  else if (status == LUA_OK && lua_getstack(co, 0, &ar)) problem = "cannot resume non-suspended coroutine";
  else if (status == LUA_OK ? lua_gettop(co) == 0 : status != LUA_YIELD) problem = "cannot resume dead coroutine";
  else if (!lua_checkstack(co, arguments)) problem = "too many arguments to resume";
  if (problem) {
    if (mode == WRAP) return luaL_error(L, "%s", problem);
    lua_pushstring(L, problem);
    return with_mark(L, 1, mode, false);
  }
  lua_xmove(L, co, arguments);
  return drive(L, co, arguments, mode);
}

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

static int co_resume(lua_State *L) {
  lua_State *co = check_coroutine(L);
  return begin(L, co, lua_gettop(L) - 1, RESUME);
}

/// For preludes: a resume that hands a host suspension of the coroutine to its caller, as nil and a ticket.
int moon_branch(lua_State *L) {
  lua_State *co = check_coroutine(L);
  return begin(L, co, lua_gettop(L) - 1, BRANCH);
}

static int co_wrapped(lua_State *L) { return begin(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L), WRAP); }

static int co_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int co_wrap(lua_State *L) {
  co_create(L);
  lua_pushcclosure(L, co_wrapped, 1);
  return 1;
}

static int co_yield(lua_State *L) {
  // The run is a coroutine of the host's: a yield there would be taken for one of ours.
  if (L == state_of(L)->run) return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

static const char *status_of(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (L == co) return "running";
  switch (lua_status(co)) {
    case LUA_YIELD: return "suspended";
    case LUA_OK:
      if (lua_getstack(co, 0, &ar)) return "normal";
      return lua_gettop(co) == 0 ? "dead" : "suspended";
    default: return "dead";
  }
}

static int co_status(lua_State *L) {
  lua_pushstring(L, status_of(L, check_coroutine(L)));
  return 1;
}

static int co_isyieldable(lua_State *L) {
  lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L);
  lua_pushboolean(L, co != state_of(L)->run && lua_isyieldable(co));
  return 1;
}

static int co_running(lua_State *L) {
  lua_pushthread(L);
  lua_pushboolean(L, L == state_of(L)->run);
  return 2;
}

static int co_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  const char *status = status_of(L, co);
  if (status[0] == 'r' || status[0] == 'n') return luaL_error(L, "cannot close a %s coroutine", status);
  int result;
  if (!reset(L, co, &result)) return luaL_error(L, "C stack overflow (too many nested coroutine.close)");
  if (result == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

void moon_open_coroutines(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"create", co_create}, {"resume", co_resume}, {"wrap", co_wrap}, {"yield", co_yield}, {"status", co_status},
    {"isyieldable", co_isyieldable}, {"running", co_running}, {"close", co_close}, {NULL, NULL},
  };
  luaL_newlib(L, functions);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "coroutine");
  lua_pop(L, 1);
  lua_setglobal(L, "coroutine");
}

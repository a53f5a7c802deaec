// Making the run's coroutine ready: an entry of the roots, a chunk of source, or a function that the host refers to.
#include <stdlib.h>
#include <string.h>
#include "internal.h"

static int set_roots(lua_State *L) {   // stack: roots, nothing
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_roots_key);
  return 0;
}

moon_status moon_state_set_roots(moon_state *s) {
  lua_State *L = s->L;
  lua_pushcfunction(L, set_roots);
  lua_insert(L, -2);
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (_setjmp(guard.jump) == 0) status = lua_pcall(L, 1, 0, 0) == LUA_OK ? MOON_OK : MOON_ERROR;
  else status = MOON_ABANDONED;
  MOON_EXIT(s, guard);
  return status;
}

moon_status moon_state_take_roots(moon_state *s) {
  if (s->results < 1 || !lua_istable(s->run, 1)) return MOON_ERROR;
  lua_pushvalue(s->run, 1);
  lua_xmove(s->run, s->L, 1);
  return moon_state_set_roots(s);
}

/// Pushes the root function of that name, or leaves nothing.
static bool push_entry(lua_State *L, const char *name, size_t size) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &moon_roots_key) == LUA_TTABLE) {
    lua_pushlstring(L, name, size);
    if (lua_rawget(L, -2) == LUA_TFUNCTION) {
      lua_remove(L, -2);
      return true;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return false;
}

int32_t moon_state_has_entry(moon_state *s, const char *name, size_t size) {
  if (s->stop.reason != MOON_STOP_NONE) return -1;
  moon_guard guard;
  MOON_ENTER(s, guard);
  int32_t found = -1;
  if (_setjmp(guard.jump) == 0) {
    found = push_entry(s->L, name, size);
    if (found) lua_pop(s->L, 1);
  } else {
    found = -1;
  }
  MOON_EXIT(s, guard);
  return found;
}

/// The run's coroutine with an empty stack. One that ended well is used again; one that failed is replaced (its memory
/// is the collector's), since the only way to revive it would run its __close methods here.
static lua_State *fresh_run(moon_state *s) {
  lua_Debug ar;
  if (lua_status(s->run) != LUA_OK || lua_getstack(s->run, 0, &ar)) {
    s->run = lua_newthread(s->L);
    lua_rawsetp(s->L, LUA_REGISTRYINDEX, &moon_run_key);
  }
  lua_settop(s->run, 0);
  s->results = 0;
  s->arguments = 0;
  return s->run;
}

/// What each way of starting does on the run's coroutine. False: there is no such function.
typedef bool (*preparation)(moon_state *s, lua_State *co, const void *what);

static moon_status prepare(moon_state *s, preparation body, const void *what) {
  if (s->stop.reason != MOON_STOP_NONE) return MOON_ABANDONED;
  moon_error_clear(s);
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (_setjmp(guard.jump) == 0) status = body(s, fresh_run(s), what) ? MOON_OK : MOON_ERROR;
  else status = MOON_ABANDONED;
  MOON_EXIT(s, guard);
  return status;
}

typedef struct {
  const char *entry;
  size_t entry_size;
  int32_t argument, slot;
  const uint8_t *values;
  size_t size;
} call;

/// Encoded values, pushed. They come from the host and are well formed; a stack that cannot grow leaves the run.
static void push_values(moon_state *s, lua_State *co, const uint8_t *values, size_t size) {
  int32_t count = 0;
  if (size > 0 && moon_push_values(co, values, size, &count) != MOON_OK) moon_leave(s, MOON_STOP_MEMORY);
}

static bool prepare_entry(moon_state *s, lua_State *co, const void *what) {
  const call *c = what;
  if (!push_entry(co, c->entry, c->entry_size)) return false;
  if (c->argument == MOON_ARGUMENT_CONTEXT) {
    lua_createtable(co, 0, 0);
    if (lua_rawgetp(co, LUA_REGISTRYINDEX, &moon_context_key) == LUA_TTABLE) lua_setmetatable(co, -2);
    else lua_pop(co, 1);
  }
  push_values(s, co, c->values, c->size);
  s->arguments = lua_gettop(co) - 1;
  return true;
}

moon_status moon_state_start(
  moon_state *s, const char *entry, size_t entry_size, int32_t argument, const uint8_t *values, size_t size) {
  call c = {.entry = entry, .entry_size = entry_size, .argument = argument, .values = values, .size = size};
  return prepare(s, prepare_entry, &c);
}

static bool prepare_reference(moon_state *s, lua_State *co, const void *what) {
  const call *c = what;
  if (lua_rawgeti(co, LUA_REGISTRYINDEX, c->slot) != LUA_TFUNCTION) return false;
  push_values(s, co, c->values, c->size);
  s->arguments = lua_gettop(co) - 1;
  return true;
}

moon_status moon_state_call_reference(moon_state *s, int32_t slot, const uint8_t *values, size_t size) {
  call c = {.slot = slot, .values = values, .size = size};
  return prepare(s, prepare_reference, &c);
}

// ---- chunks ---------------------------------------------------------------------------------------------------------

static int chunk_done(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L) - 2;
}

/// Compiles and runs: both inside the coroutine, so both under the step's deadline. stack: source, chunk name
static int run_chunk(lua_State *L) {
  moon_state *s = state_of(L);
  size_t size;
  const char *source = lua_tolstring(L, 1, &size);
  if (moon_load_text(L, source, size, lua_tostring(L, 2)) != LUA_OK) {
    s->error_is_syntax = true;
    return lua_error(L);
  }
  if (s->declaring) moon_note_chunk(L);
  lua_callk(L, 0, LUA_MULTRET, 0, chunk_done);
  return chunk_done(L, LUA_OK, 0);
}

typedef struct {
  const char *source, *name;
  size_t size;
} chunk;

static bool prepare_chunk(moon_state *s, lua_State *co, const void *what) {
  const chunk *c = what;
  lua_pushcfunction(co, run_chunk);
  lua_pushlstring(co, c->source, c->size);
  lua_pushstring(co, c->name);
  s->arguments = 2;
  return true;
}

static int compile_chunk(lua_State *L) {   // stack: source, chunk name
  size_t size;
  const char *source = lua_tolstring(L, 1, &size);
  if (moon_load_text(L, source, size, lua_tostring(L, 2)) != LUA_OK) {
    state_of(L)->error_is_syntax = true;
    return lua_error(L);
  }
  return 0;
}

static bool prepare_compile(moon_state *s, lua_State *co, const void *what) {
  const chunk *c = what;
  lua_pushcfunction(co, compile_chunk);
  lua_pushlstring(co, c->source, c->size);
  lua_pushstring(co, c->name);
  s->arguments = 2;
  return true;
}

moon_status moon_state_compile(moon_state *s, const char *source, size_t size, const char *name) {
  chunk c = {source, name, size};
  return prepare(s, prepare_compile, &c);
}

moon_status moon_state_load(moon_state *s, const char *source, size_t size, const char *name) {
  chunk c = {source, name, size};
  return prepare(s, prepare_chunk, &c);
}

int32_t moon_state_results(moon_state *s, lua_State **thread) {
  if (thread) *thread = s->run;
  return s->results;
}

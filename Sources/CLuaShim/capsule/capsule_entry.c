// The ways in from Swift: many jobs captured, or one built, by one protected call.
#include <lauxlib.h>
#include <string.h>
#include "internal.h"
#include "moon_capsule.h"

typedef struct {
  moon_capture *capture;
  size_t jobs;
  const size_t *counts;
  const char *names;
  const int32_t *slots;
} request;

static int add_jobs(lua_State *L) {
  request *q = lua_touserdata(L, 1);
  for (size_t job = 0; job < q->jobs; job++) {
    lua_createtable(L, 0, (int)q->counts[job]);
    for (size_t i = 0; i < q->counts[job]; i++) {
      lua_rawgeti(L, LUA_REGISTRYINDEX, *q->slots++);
      lua_setfield(L, -2, q->names);                           // a fresh table without a metatable
      q->names += strlen(q->names) + 1;
    }
    moon_capture_add(L, q->capture, -1);
    lua_pop(L, 1);
  }
  return 0;
}

moon_status moon_capture_add_references(lua_State *L, moon_capture *c, size_t jobs, const size_t *counts,
    const char *names,
                                        const int32_t *slots) {
  request q = {.capture = c, .jobs = jobs, .counts = counts, .names = names, .slots = slots};
  return moon_protected(L, add_jobs, &q, 0);
}

static int install(lua_State *L) {
  moon_capsule_build(L, lua_touserdata(L, 1));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_roots_key);
  if (state_of(L)->runtime->options.all_libraries) moon_open_all(L);
  return 0;
}

moon_status moon_capsule_install(lua_State *L, const moon_capsule *k) {
  return moon_protected(L, install, (void *)k, 0);
}

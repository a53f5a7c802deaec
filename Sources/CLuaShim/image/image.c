// Images: what every state is a copy of.
//
// Lua keeps no memory but what the allocator gave it, and all of it lies in the slot, so the slot's bytes are the
// state. Copied to another address, the words that point into the slot have to be moved: they are found once, by value.
// A word of another kind that happens to look like such an address would be broken: the slot's addresses are 64 KB out
// of 2^47 bytes, at a place that differs from process to process, so a number or a pair of instructions is one by a
// chance of about 1 in 10^9 per word.
//
// There are two. Declaring states have all globals, since a capture compares them with what they were. The states of
// jobs begin with next to nothing and make what they use from the catalogue (catalogue.h): a job that sleeps holds
// three pages instead of ten, and a fresh state copies a fifth.
//
// No table of an image may be keyed by an object of the slot: its hash would be the old address. Strings, numbers,
// booleans and addresses outside the slot are fine.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "catalogue.h"
#include "include/moon_capsule.h"

static int panic(lua_State *L) {
  fprintf(stderr, "moondial: unprotected Lua error: %s\n", lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?");
  return 0;   // liblua aborts
}

static int make_run(lua_State *L) {
  moon_state *s = state_of(L);
  s->run = lua_newthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_run_key);
  return 0;
}

moon_state *moon_template_bare(moon_runtime *r, moon_function set_up) {
  moon_state *s = moon_chunk_take(&r->region);
  if (!s) return NULL;
  memset(s, 0, MOON_CHUNK);
  s->runtime = r;
  s->limit = SIZE_MAX / 4;
  s->source_limit = r->options.source_limit;
  s->declaring = true;
  s->fail_in = r->options.fail_allocation;
  moon_arena_init(s);
  moon_guard guard;
  MOON_ENTER(s, guard);
  if (_setjmp(guard.jump) == 0) s->L = lua_newstate(moon_allocate, s);
  MOON_EXIT(s, guard);
  if (s->stop.reason == MOON_STOP_NONE && s->L) {
    *(moon_state **)lua_getextraspace(s->L) = s;
    lua_atpanic(s->L, panic);
    if (moon_protected(s->L, set_up, NULL, 0) == MOON_OK && moon_protected(s->L, make_run, NULL, 0) == MOON_OK)
      return s;
  }
  moon_state_free(s);
  return NULL;
}

// ---- the two states -------------------------------------------------------------------------------------------------

/// Bytes in use at which a fresh state collects for the first time: its slot is not full then, and short runs never do.
enum { FIRST_COLLECTION = 48 << 10 };

/// Ends with as little garbage as can be. The pause is read at the end of a cycle: the first one is set for
/// FIRST_COLLECTION, later ones come at twice what is alive, as usual.
static void collect_all(lua_State *L) {
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT);
  size_t used = state_of(L)->arena.used;
  size_t percent = FIRST_COLLECTION * 100 / used;
  lua_gc(L, LUA_GCINC, percent < 150 ? 150 : percent > 1000 ? 1000 : (int)percent, 0, 0);
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCINC, 200, 0, 0);
}

/// For declaring states: notes what the host has, and keeps all of it.
static int finish_full(lua_State *L) {
  moon_state *s = state_of(L);
  lua_pushliteral(L, "");
  if (lua_getmetatable(L, -1)) moon_capsule_name(L, "string metatable");
  moon_capsule_loaded(L);
  lua_settop(L, 0);
  moon_catalogue_take(L, s->runtime->catalogue);
  memset(s->taken, 0xff, sizeof s->taken);
  collect_all(L);
  return 0;
}

enum { GLOBALS_ROOM = 8 };   // globals that a job names before the table has to grow

/// Puts the real metatable in the place of the stub, for `ctx` at stack index 1 and for later runs of the state.
static void make_context(lua_State *L) {
  const moon_catalogue *c = state_of(L)->runtime->catalogue;
  moon_catalogue_push(L, c, &c->context);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_context_key);
  lua_setmetatable(L, 1);
}

static int context_index(lua_State *L) {   // stack: ctx, key
  make_context(L);
  lua_gettable(L, 1);
  return 1;
}

static int context_newindex(lua_State *L) {   // stack: ctx, key, value
  make_context(L);
  lua_settable(L, 1);
  return 0;
}

/// What `ctx` has until a script reads or writes a field of it: most of the image would be the metatable's methods
/// otherwise. A context that does more than answer fields is made at once.
static void push_context_stub(lua_State *L) {
  static const luaL_Reg events[] = {{"__index", context_index}, {"__newindex", context_newindex}, {NULL, NULL}};
  const moon_catalogue *c = state_of(L)->runtime->catalogue;
  const moon_node_made *n = &c->nodes[c->context.node];
  luaL_newlib(L, events);
  for (uint32_t i = 0; i < n->count; i += 2) {
    const moon_thing *key = &n->things[i], *value = &n->things[i + 1];
    const char *name = key->kind == MOON_THING_STRING ? key->string.bytes : "";
    if (strcmp(name, "__index") == 0 || strcmp(name, "__newindex") == 0) continue;
    if (value->kind == MOON_THING_NODE) {
      lua_pop(L, 1);
      moon_catalogue_push(L, c, &c->context);
      return;
    }
    moon_catalogue_push(L, c, key);
    moon_catalogue_push(L, c, value);
    lua_rawset(L, -3);
  }
}

/// For jobs: what cannot be made later.
static int set_up_lean(lua_State *L) {
  const moon_catalogue *c = state_of(L)->runtime->catalogue;
  lua_createtable(L, 0, GLOBALS_ROOM);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  moon_open_globals(L);
  lua_pushboolean(L, 0);   // room in the registry, so that it need not grow when each state gets its entries
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_roots_key);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushglobaltable(L);
  lua_setfield(L, -2, LUA_GNAME);
  lua_pushliteral(L, "");
  moon_catalogue_push(L, c, &c->string_metatable);
  lua_setmetatable(L, -2);
  if (c->context.kind != MOON_THING_NIL) {
    push_context_stub(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_context_key);
  }
  return 0;
}

static int finish_lean(lua_State *L) {
  collect_all(L);
  return 0;
}

static int prepare_capture(lua_State *L) {
  moon_capsule_prepare(L);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

moon_status moon_state_prepare_capture(moon_state *s) { return moon_protected(s->L, prepare_capture, NULL, 0); }

// ---- saving ---------------------------------------------------------------------------------------------------------

static bool take_image(moon_state *s, moon_image *image) {
  // What was needed on the way to it, for a moment, may have had spans, of which one of each class stays.
  moon_arena_trim(s);
  if (s->arena.overflow > 0) return false;   // the host's modules do not fit a slot
  size_t size = (size_t)(s->arena.bump - ((char *)s + MOON_IMAGE_START));
  size = (size + 7) & ~(size_t)7;
  image->bytes = malloc(size);
  image->pointers = malloc(size / 8 * sizeof *image->pointers);
  if (!image->bytes || !image->pointers) return false;   // freed with the runtime
  s->arena.peak = s->arena.used;
  memcpy(image->bytes, (char *)s + MOON_IMAGE_START, size);
  image->base = (char *)s;
  image->size = size;
  const uintptr_t *words = (const uintptr_t *)image->bytes, low = (uintptr_t)s, high = low + MOON_CHUNK;
  image->pointer_count = 0;
  for (size_t i = 0; i < size / 8; i++)
    if (words[i] >= low && words[i] <= high) image->pointers[image->pointer_count++] = (uint16_t)i;
  return true;
}

static moon_status take_lean(moon_runtime *r) {
  moon_state *s = moon_template_bare(r, set_up_lean);
  if (!s) return MOON_ABANDONED;
  moon_status status = moon_protected(s->L, finish_lean, NULL, 0);
  if (status == MOON_OK && !take_image(s, &r->images[MOON_IMAGE_JOB])) status = MOON_ABANDONED;
  moon_state_free(s);
  return status == MOON_OK ? MOON_OK : MOON_ABANDONED;
}

moon_status moon_template_seal(moon_state *s) {
  moon_runtime *r = s->runtime;
  r->catalogue = calloc(1, sizeof *r->catalogue);   // freed with the runtime
  moon_status status = r->catalogue ? moon_protected(s->L, finish_full, NULL, 0) : MOON_ABANDONED;
  if (status == MOON_OK) status = take_lean(r);
  if (status == MOON_OK && !take_image(s, &r->images[MOON_IMAGE_DECLARE])) status = MOON_ABANDONED;
  // The image, and what a small job adds to it.
  if (status == MOON_OK)
    r->region.first_bytes = (MOON_IMAGE_START + r->images[MOON_IMAGE_JOB].size + 2048 + 4095) & ~(size_t)4095;
  if (status != MOON_ERROR) moon_state_free(s);   // after an error the caller still reads its message
  return status;
}

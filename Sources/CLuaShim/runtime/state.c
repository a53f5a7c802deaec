// States: made by copying the template's image, dropped by giving back memory. No lua_close, no finalizers.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "catalogue.h"

const char moon_roots_key, moon_context_key, moon_run_key, moon_host_key, moon_object_key, moon_serials_key;

moon_runtime *moon_runtime_new(const moon_options *options) {
  moon_runtime *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->options = *options;
  if (!moon_region_open(&r->region, options->region_size)) {
    free(r);
    return NULL;
  }
  pthread_mutex_init(&r->lock, NULL);
  return r;
}

void moon_runtime_free(moon_runtime *r) {
  for (int kind = 0; kind < MOON_IMAGES; kind++) {
    for (uint32_t i = 0; i < r->hot_count[kind]; i++) free(r->hot[kind][i]->pristine);
    free(r->images[kind].bytes);
    free(r->images[kind].pointers);
  }
  if (r->catalogue) moon_catalogue_free(r->catalogue);
  free(r->catalogue);
  moon_region_close(&r->region);
  pthread_mutex_destroy(&r->lock);
  free(r);
}

void moon_runtime_cool(moon_runtime *r) { moon_region_cool(&r->region); }

void moon_runtime_set_others_waiting(moon_runtime *r, bool waiting) {
  // Told often and changed seldom: do not take the line away from the handlers for nothing.
  if (atomic_load_explicit(&r->others_waiting, memory_order_relaxed) != waiting)
    atomic_store_explicit(&r->others_waiting, waiting, memory_order_relaxed);
}

// The library's own words, not the header's: it may have been updated since this was compiled.
const char *moon_lua_release(void) { return lua_ident + sizeof "$LuaVersion: " - 1; }

// ---- copies of the image --------------------------------------------------------------------------------------------

/// Words for math.random: unlike in every state, and cheap. Seeded by the system once per thread.
static uint64_t random_word(void) {
  static _Thread_local uint64_t x;
  if (x == 0 && getrandom(&x, sizeof x, GRND_NONBLOCK) != sizeof x) x = (uint64_t)moon_now() ^ (uintptr_t)&x;
  uint64_t z = x += 0x9e3779b97f4a7c15u;   // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void moon_state_seed(moon_state *s, const uint64_t *words) {
  if (s->random) memcpy(s->random, words, 4 * sizeof *words);
}

void moon_state_set_random(moon_state *s, uint64_t *place) {
  s->random = place;
  uint64_t words[4] = {random_word(), random_word(), random_word(), random_word()};
  moon_state_seed(s, words);
}

static inline int kind_of(const moon_state *s) { return s->declaring ? MOON_IMAGE_DECLARE : MOON_IMAGE_JOB; }

/// Fills the slot with the image. A slot that is used again keeps a copy with its own addresses, so the next time is a
/// plain memcpy (0.1 µs instead of 0.6).
static void copy_image(moon_state *s, bool again) {
  const moon_image *image = &s->runtime->images[kind_of(s)];
  char *to = (char *)s + MOON_IMAGE_START;
  if (s->pristine) {
    memcpy(to, s->pristine, image->size);
  } else {
    memcpy(to, image->bytes, image->size);
    uintptr_t shift = (uintptr_t)s - (uintptr_t)image->base;
    uintptr_t *words = (uintptr_t *)to;
    for (size_t i = 0; i < image->pointer_count; i++) words[image->pointers[i]] += shift;
    if (again && (s->pristine = malloc(image->size))) memcpy(s->pristine, to, image->size);
  }
  if (s->random) moon_state_set_random(s, s->random);   // the states of jobs make theirs when they make `math`
}

static void clear_run(moon_state *s) {
  s->guard = NULL;
  s->current = NULL;
  s->pending = s->allocating = s->foreign = s->no_jump = 0;
  atomic_store_explicit(&s->hosting, 0, memory_order_relaxed);
  s->yield = s->blocked = s->closing = 0;
  s->aside = 0;
  s->stop = (moon_stop){0};
  s->fail_in = 0;
  s->arguments = s->results = 0;
  atomic_store(&s->cancelled, false);
  moon_error_clear(s);
}

moon_state *moon_state_new(moon_runtime *r, void *owner, size_t memory_limit, bool declaring) {
  moon_state *s = NULL;
  int kind = declaring ? MOON_IMAGE_DECLARE : MOON_IMAGE_JOB;
  pthread_mutex_lock(&r->lock);
  if (r->hot_count[kind] > 0) s = r->hot[kind][--r->hot_count[kind]];
  pthread_mutex_unlock(&r->lock);
  bool again = s != NULL;
  if (!s) {
    s = moon_chunk_take(&r->region);
    if (!s) return NULL;
    memset(s, 0, MOON_IMAGE_START);
    s->runtime = r;
    s->source_limit = r->options.source_limit;
  }
  s->owner = owner;
  s->limit = memory_limit;
  s->declaring = declaring;
  clear_run(s);
  copy_image(s, again);
  return s;
}

void moon_state_reset(moon_state *s) {
  moon_arena_drop(s);
  clear_run(s);
  copy_image(s, true);
}

void moon_state_free(moon_state *s) {
  moon_runtime *r = s->runtime;
  moon_arena_drop(s);
  clear_run(s);
  s->owner = NULL;
  int kind = kind_of(s);
  pthread_mutex_lock(&r->lock);
  bool kept = r->images[MOON_IMAGE_DECLARE].bytes && r->hot_count[kind] < MOON_HOT;
  if (kept) r->hot[kind][r->hot_count[kind]++] = s;
  pthread_mutex_unlock(&r->lock);
  if (kept) return;
  free(s->pristine);
  moon_chunk_give(&r->region, s);
}

// ---- small questions ------------------------------------------------------------------------------------------------

lua_State *moon_state_lua(moon_state *s) { return s->L; }
void moon_state_set_owner(moon_state *s, void *owner) { s->owner = owner; }
bool moon_state_is_declaring(const moon_state *s) { return s->declaring; }
moon_state *moon_state_of(lua_State *L) { return state_of(L); }
size_t moon_state_used(const moon_state *s) { return s->arena.used; }
size_t moon_state_peak(const moon_state *s) { return s->arena.peak; }
size_t moon_state_footprint(const moon_state *s) {
  // The slot is used from its start on: what lies behind the last block was never written.
  return (((size_t)(s->arena.bump - (const char *)s) + 4095) & ~(size_t)4095) + s->arena.overflow;
}
void moon_state_set_aside(moon_state *s, size_t bytes) { s->aside = bytes; }
void moon_state_mark_peak(moon_state *s) { s->arena.peak = s->arena.used; }
bool moon_state_is_whole(const moon_state *s) { return s->stop.reason == MOON_STOP_NONE; }
void moon_state_fail_allocation(moon_state *s, uint64_t nth) { s->fail_in = nth; }
uint64_t moon_state_allocations_left(const moon_state *s) { return s->fail_in; }
void moon_state_set_ticket(moon_state *s, uint32_t ticket) { s->ticket = ticket; }
uint32_t moon_state_ticket(const moon_state *s) { return s->ticket; }
size_t moon_template_size(const moon_runtime *r, bool declaring) {
  return r->images[declaring ? MOON_IMAGE_DECLARE : MOON_IMAGE_JOB].size;
}
size_t moon_template_pointers(const moon_runtime *r, bool declaring) {
  return r->images[declaring ? MOON_IMAGE_DECLARE : MOON_IMAGE_JOB].pointer_count;
}

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

moon_status moon_state_collect(moon_state *s) { return moon_protected(s->L, collect, NULL, 0); }

size_t moon_state_stop_depth(const moon_state *s) { return s->stop_depth; }

static inline bool has_room(const moon_state *s, size_t bytes) {
  size_t taken = s->arena.used + s->aside;
  return taken <= s->limit && bytes <= s->limit - taken;
}

moon_status moon_claim(lua_State *L, size_t bytes) {
  moon_state *s = state_of(L);
  if (s->stop.reason != MOON_STOP_NONE) return MOON_ABANDONED;
  if (MOON_LIKELY(has_room(s, bytes))) return MOON_OK;
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (_setjmp(guard.jump) == 0) {
    lua_gc(L, LUA_GCCOLLECT);
    if (!has_room(s, bytes)) {
      moon_record_place(s, L, 0);
      moon_leave(s, MOON_STOP_MEMORY);
    }
    status = MOON_OK;
  } else {
    status = MOON_ABANDONED;
  }
  MOON_EXIT(s, guard);
  return status;
}

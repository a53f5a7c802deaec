// The allocator of one state. Every operation is O(1) (a large block also costs what the system takes for it), because
// the backstop cannot leave in the middle of it and a run that frees tens of thousands of blocks must not hold its
// worker.
//
// Three places for a block, by its size and by what there is:
//   * the zone: the rest of the state's own slot. Blocks of all classes lie next to each other, so that a fresh state
//     is a
//     short image and a copy. A freed block goes to the zone's list of its class.
//   * spans: chunks of one class each, with a count of the blocks in use; an empty span goes back to the region, so a
//     script cannot pin one class after the other. A block finds its span by masking its address.
//   * large blocks (over 8 KB): malloc, and mmap from 256 KB on (a table that grows is moved by the kernel, page by
//     page).
//
// Lua tells the size of a block when it frees it, so blocks have no headers.
//
// Liblua never sees NULL: an allocation that cannot be had abandons the run (Debian's 5.4.4 frees memory twice when a
// failed allocation starts an emergency collection inside a table access; lua commit 983bc433).
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "internal.h"

enum { LARGE_HEADER = 64, MAP_FROM = 256 << 10, SPAN_HEADER = 64 };

struct moon_span {
  moon_span *next, *previous;                    // in `spans`
  moon_span *next_partial, *previous_partial;    // in `partial[cls]`
  void *free;                                    // freed blocks
  uint32_t used, fresh, capacity;                // blocks in use; blocks that were never used start at `fresh`
  uint16_t cls;
  uint16_t is_partial;
};
_Static_assert(sizeof(moon_span) <= SPAN_HEADER, "a span's header must fit");

struct moon_large {
  moon_large *next, *previous;
  size_t size;      // with the header
  bool mapped;
};
_Static_assert(sizeof(moon_large) <= LARGE_HEADER, "a large block's header must fit");

// Classes: 16-byte steps up to 512, then eight per doubling: a block wastes less than an eighth of its size.
static inline uint32_t class_of(size_t n) {
  if (n <= 512) return n == 0 ? 0 : (uint32_t)((n - 1) >> 4);
  uint32_t e = 63 - (uint32_t)__builtin_clzll(n - 1);   // 9…12
  return 32 + (e - 9) * 8 + ((uint32_t)((n - 1) >> (e - 3)) - 8);
}

static inline size_t class_size(uint32_t cls) {
  if (cls < 32) return ((size_t)cls + 1) << 4;
  uint32_t e = 9 + (cls - 32) / 8;
  return ((size_t)((cls - 32) % 8) + 9) << (e - 3);
}

static inline bool in_zone(moon_state *s, void *p) {
  return ((uintptr_t)p & ~(uintptr_t)(MOON_CHUNK - 1)) == (uintptr_t)s;
}
static inline size_t page_round(size_t n) { return (n + 4095) & ~(size_t)4095; }

/// What a block of `n` bytes counts: what it really takes.
static inline size_t counted(size_t n) {
  if (n == 0) return 0;
  if (n <= MOON_SMALL_MAX) return class_size(class_of(n));
  return n + LARGE_HEADER >= MAP_FROM ? page_round(n + LARGE_HEADER) : n + LARGE_HEADER;
}

// ---- spans ---------------------------------------------------------------------------------------------------------

static void partial_add(moon_arena *a, moon_span *span) {
  span->is_partial = 1;
  span->previous_partial = NULL;
  span->next_partial = a->partial[span->cls];
  if (span->next_partial) span->next_partial->previous_partial = span;
  a->partial[span->cls] = span;
}

static void partial_remove(moon_arena *a, moon_span *span) {
  if (span->previous_partial) span->previous_partial->next_partial = span->next_partial;
  else a->partial[span->cls] = span->next_partial;
  if (span->next_partial) span->next_partial->previous_partial = span->previous_partial;
  span->is_partial = 0;
}

static moon_span *span_open(moon_state *s, uint32_t cls) {
  moon_span *span = moon_chunk_take(&s->runtime->region);
  if (!span) return NULL;
  moon_arena *a = &s->arena;
  *span = (moon_span){.cls = (uint16_t)cls, .capacity = (uint32_t)((MOON_CHUNK - SPAN_HEADER) / class_size(cls))};
  span->next = a->spans;
  if (span->next) span->next->previous = span;
  a->spans = span;
  a->overflow += MOON_CHUNK;
  partial_add(a, span);
  return span;
}

static void span_close(moon_state *s, moon_span *span) {
  moon_arena *a = &s->arena;
  partial_remove(a, span);
  if (span->previous) span->previous->next = span->next;
  else a->spans = span->next;
  if (span->next) span->next->previous = span->previous;
  a->overflow -= MOON_CHUNK;
  moon_chunk_give(&s->runtime->region, span);
}

void moon_arena_trim(moon_state *s) {
  for (moon_span *span = s->arena.spans, *next; span; span = next) {
    next = span->next;
    if (span->used == 0) span_close(s, span);
  }
}

static void *span_take(moon_arena *a, moon_span *span) {
  void *p = span->free;
  if (p) span->free = *(void **)p;
  else p = (char *)span + SPAN_HEADER + (size_t)span->fresh++ * class_size(span->cls);
  if (++span->used == span->capacity) partial_remove(a, span);
  return p;
}

static void span_give(moon_state *s, void *p) {
  moon_span *span = (moon_span *)((uintptr_t)p & ~(uintptr_t)(MOON_CHUNK - 1));
  *(void **)p = span->free;
  span->free = p;
  if (!span->is_partial) partial_add(&s->arena, span);
  // The last partial span of a class stays, or a loop over one block would fetch and give a chunk each time around.
  if (--span->used == 0 && (span->previous_partial || span->next_partial)) span_close(s, span);
}

// ---- small and large blocks ----------------------------------------------------------------------------------------

static void *small_take(moon_state *s, size_t n) {
  moon_arena *a = &s->arena;
  uint32_t cls = class_of(n);
  void *p = a->zone_free[cls];
  if (MOON_LIKELY(p != NULL)) {
    a->zone_free[cls] = *(void **)p;
    return p;
  }
  size_t size = class_size(cls);
  if ((size_t)(zone_end(s) - a->bump) >= size) {
    p = a->bump;
    a->bump += size;
    return p;
  }
  moon_span *span = a->partial[cls];
  if (!span && !(span = span_open(s, cls))) return NULL;
  return span_take(a, span);
}

static void small_give(moon_state *s, void *p, size_t n) {
  if (in_zone(s, p)) {
    void **list = &s->arena.zone_free[class_of(n)];
    *(void **)p = *list;
    *list = p;
  } else {
    span_give(s, p);
  }
}

static void large_link(moon_arena *a, moon_large *b) {
  b->previous = NULL;
  b->next = a->large;
  if (b->next) b->next->previous = b;
  a->large = b;
  a->overflow += b->size;
}

static void large_unlink(moon_arena *a, moon_large *b) {
  if (b->previous) b->previous->next = b->next;
  else a->large = b->next;
  if (b->next) b->next->previous = b->previous;
  a->overflow -= b->size;
}

static void *large_take(moon_state *s, size_t n) {
  size_t size = n + LARGE_HEADER;
  bool mapped = size >= MAP_FROM;
  moon_large *b;
  if (mapped) {
    size = page_round(size);
    b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b == MAP_FAILED) return NULL;
  } else if (!(b = malloc(size))) {
    return NULL;
  }
  b->size = size;
  b->mapped = mapped;
  large_link(&s->arena, b);
  return (char *)b + LARGE_HEADER;
}

static void large_release(moon_large *b) {
  if (b->mapped) munmap(b, b->size);
  else free(b);
}

static void large_give(moon_state *s, void *p) {
  moon_large *b = (moon_large *)((char *)p - LARGE_HEADER);
  large_unlink(&s->arena, b);
  large_release(b);
}

/// A large block that stays large and mapped is moved by the kernel. NULL: the caller copies.
static void *large_resize(moon_state *s, void *p, size_t n) {
  moon_large *b = (moon_large *)((char *)p - LARGE_HEADER);
  size_t size = page_round(n + LARGE_HEADER);
  if (!b->mapped || size < MAP_FROM) return NULL;
  large_unlink(&s->arena, b);
  moon_large *moved = mremap(b, b->size, size, MREMAP_MAYMOVE);
  bool failed = moved == MAP_FAILED;
  if (failed) moved = b;
  else moved->size = size;
  large_link(&s->arena, moved);
  return failed ? NULL : (char *)moved + LARGE_HEADER;
}

static inline void *take(moon_state *s, size_t n) { return n <= MOON_SMALL_MAX ? small_take(s, n) : large_take(s, n); }

static inline void give(moon_state *s, void *p, size_t n) {
  if (n <= MOON_SMALL_MAX) small_give(s, p, n);
  else large_give(s, p);
}

// ---- the face ------------------------------------------------------------------------------------------------------

/// Over the limit a collection is asked for at the next VM instruction; a run that is half as much again over it, or
/// that holds much more memory than it uses, is abandoned. True: abandon.
static bool over_limit(moon_state *s, size_t growth) {
  size_t wanted = s->arena.used + s->aside + growth;
  if (MOON_LIKELY(wanted <= s->limit && s->arena.overflow <= s->limit + s->limit / 2)) return false;
  if (wanted > s->limit + s->limit / 2) return true;
  // Spans that are nearly empty: a bound on the resident size, whatever the script does with the classes.
  if (s->arena.overflow > s->limit + s->limit / 4 * 3 + ((size_t)4 << 20)) return true;
  if (wanted > s->limit && !(s->pending & MOON_PENDING_COLLECT) && s->current) {
    s->pending |= MOON_PENDING_COLLECT;
    moon_arm(s->current);
  }
  return false;
}

void *moon_allocate(void *state, void *block, size_t old_size, size_t new_size) {
  moon_state *s = state;
  moon_arena *a = &s->arena;
  if (new_size == 0) {
    if (block == NULL) return NULL;
    s->allocating = 1;
    a->used -= counted(old_size);
    give(s, block, old_size);
    s->allocating = 0;
    return NULL;
  }
  size_t before = block ? counted(old_size) : 0;   // Lua passes a type tag as the old size of a new block
  size_t after = counted(new_size);
  if (before == after && block && (old_size <= MOON_SMALL_MAX) == (new_size <= MOON_SMALL_MAX)) return block;
  if (after > before) {
    if (MOON_UNLIKELY(s->fail_in > 0) && --s->fail_in == 0) moon_leave(s, MOON_STOP_MEMORY);
    if (MOON_UNLIKELY(over_limit(s, after - before))) moon_leave(s, MOON_STOP_MEMORY);
  }
  s->allocating = 1;
  void *p = NULL;
  if (block && old_size > MOON_SMALL_MAX && new_size > MOON_SMALL_MAX) p = large_resize(s, block, new_size);
  if (!p) {
    p = take(s, new_size);
    if (MOON_UNLIKELY(!p)) {
      s->allocating = 0;
      moon_leave(s, MOON_STOP_MEMORY);
    }
    if (block) {
      memcpy(p, block, old_size < new_size ? old_size : new_size);
      give(s, block, old_size);
    }
  }
  a->used += after - before;
  if (a->used > a->peak) a->peak = a->used;
  s->allocating = 0;
  return p;
}

void moon_arena_init(moon_state *s) {
  s->arena = (moon_arena){.bump = (char *)s + MOON_ZONE_START};
}

void moon_arena_drop(moon_state *s) {
  moon_arena *a = &s->arena;
  for (moon_large *b = a->large, *next; b; b = next) {
    next = b->next;
    large_release(b);
  }
  for (moon_span *span = a->spans, *next; span; span = next) {
    next = span->next;
    moon_chunk_give(&s->runtime->region, span);
  }
  a->large = NULL;
  a->spans = NULL;
  a->overflow = 0;
}

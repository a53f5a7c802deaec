// The address space that states live in: one reservation, handed out in chunks of 64 KB.
//
// One mapping for everything keeps the kernel's list of mappings short (a hundred thousand states would otherwise pass
// vm.max_map_count) and makes a chunk an aligned power of two. Pages are the system's until they are touched. A free
// chunk keeps its pages while it is one of the few warm ones; beyond that they are given back.
//
// The first pages of a chunk that was never used are asked for in one call, for some chunks at once: a state will write
// to them in a moment, and a page fault each costs two to three times as much (2.7 µs against 1.0 to 1.3 on the machine
// of docs/performance-lua.md). A kernel older than 5.14 refuses; then they come one by one.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include "internal.h"

enum { WARM_MAX = 256 };     // 16 MB of touched pages at most wait for reuse
enum { COOL_KEEP = 16 };     // of which 1 MB stays when the memory of a load is given back
enum { POPULATE_AHEAD = 8 }; // chunks at once: at most that many less one hold pages that nobody uses yet

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23   // the C library's headers may be older than the kernel
#endif

bool moon_region_open(moon_region *r, size_t size) {
  size = (size + MOON_CHUNK - 1) & ~(size_t)(MOON_CHUNK - 1);
  size_t mapping = size + MOON_CHUNK;
  // NORESERVE: address space, not memory. Where the system forbids overcommit the mapping fails, and so do we, clearly.
  void *p = mmap(NULL, mapping, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return false;
  // A huge page per 2 MB of sparsely used slots would multiply the memory of idle states. Refusal costs only memory.
  (void)madvise(p, mapping, MADV_NOHUGEPAGE);
  *r = (moon_region){
    .mapping = p,
    .mapping_size = mapping,
    .base = (char *)(((uintptr_t)p + MOON_CHUNK - 1) & ~(uintptr_t)(MOON_CHUNK - 1)),
  };
  r->fresh = r->populated = r->base;
  r->end = r->base + size;
  r->warm = malloc(WARM_MAX * sizeof *r->warm);
  if (!r->warm) {
    munmap(p, mapping);
    return false;
  }
  pthread_mutex_init(&r->lock, NULL);
  return true;
}

void moon_region_close(moon_region *r) {
  munmap(r->mapping, r->mapping_size);
  free(r->warm);
  free(r->cold);
  pthread_mutex_destroy(&r->lock);
}

void *moon_chunk_take(moon_region *r) {
  void *chunk = NULL;
  char *ahead = NULL;
  pthread_mutex_lock(&r->lock);
  if (r->warm_count > 0) {
    chunk = r->warm[--r->warm_count];
  } else if (r->cold_count > 0) {
    chunk = r->cold[--r->cold_count];
  } else if (r->fresh < r->end) {
    chunk = r->fresh;
    r->fresh += MOON_CHUNK;
    if (r->first_bytes > 0 && r->fresh > r->populated) {
      ahead = chunk;
      r->populated = ahead + POPULATE_AHEAD * MOON_CHUNK;
    }
  }
  pthread_mutex_unlock(&r->lock);
  // Without the lock, and whoever takes one of these chunks meanwhile: it changes no byte. Refusal costs only time.
  for (int i = 0; ahead && i < POPULATE_AHEAD && ahead + i * MOON_CHUNK < r->end; i++)
    if (madvise(ahead + i * MOON_CHUNK, r->first_bytes, MADV_POPULATE_WRITE) != 0) break;
  return chunk;
}

// Gives a chunk's memory back; its addresses wait for reuse.
static void give_cold(moon_region *r, void *chunk) {
  // The call is made without the lock: the chunk is ours until it is on a list.
  madvise(chunk, MOON_CHUNK, MADV_DONTNEED);
  pthread_mutex_lock(&r->lock);
  if (r->cold_count == r->cold_capacity) {
    size_t capacity = r->cold_capacity ? 2 * r->cold_capacity : 1024;
    char **cold = realloc(r->cold, capacity * sizeof *cold);
    if (!cold) {   // the address is lost until the runtime ends; its memory is not, it went back above
      pthread_mutex_unlock(&r->lock);
      return;
    }
    r->cold = cold;
    r->cold_capacity = capacity;
  }
  r->cold[r->cold_count++] = chunk;
  pthread_mutex_unlock(&r->lock);
}

void moon_chunk_give(moon_region *r, void *chunk) {
  pthread_mutex_lock(&r->lock);
  if (r->warm_count < WARM_MAX) {
    r->warm[r->warm_count++] = chunk;
    pthread_mutex_unlock(&r->lock);
    return;
  }
  pthread_mutex_unlock(&r->lock);
  give_cold(r, chunk);
}

void moon_region_cool(moon_region *r) {
  for (;;) {
    pthread_mutex_lock(&r->lock);
    void *chunk = r->warm_count > COOL_KEEP ? r->warm[--r->warm_count] : NULL;
    pthread_mutex_unlock(&r->lock);
    if (!chunk) return;
    give_cold(r, chunk);
  }
}

/// Growable bytes, a map of words and the number coding that the capsule files share.
///
/// All of it is plain malloc without Lua: nothing here raises. A structure that lives across a call that may raise
/// belongs to the `moon_capture`, which its owner frees, so an error or an abandon between any two calls leaks nothing.
#ifndef MOON_CAPSULE_BUFFER_H
#define MOON_CAPSULE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "moon_capsule.h"

#ifndef MOON_REALLOC
/// The allocator of these files; a test build replaces it to fail the n-th call.
#define MOON_REALLOC realloc
#define MOON_FREE free
#endif

/// Bytes that grow at the end. All zero is the empty buffer.
typedef struct moon_buffer {
  uint8_t *bytes;
  size_t length, capacity;
} moon_buffer;

/// Makes room for `more` bytes after the end. False without memory; the content stays.
bool moon_buffer_reserve(moon_buffer *b, size_t more);

/// Frees the memory and makes the buffer empty.
void moon_buffer_free(moon_buffer *b);

static inline bool moon_put(moon_buffer *b, const void *bytes, size_t count) {
  if (b->capacity - b->length < count && !moon_buffer_reserve(b, count)) return false;
  if (count > 0) memcpy(b->bytes + b->length, bytes, count);
  b->length += count;
  return true;
}

static inline bool moon_put_byte(moon_buffer *b, uint8_t byte) { return moon_put(b, &byte, 1); }

/// Appends an unsigned number in 1 to 10 bytes, 7 bits each, low bits first, the high bit of a byte saying that more
/// follow.
bool moon_put_number(moon_buffer *b, uint64_t value);

/// A signed number so that small absolute values stay short.
static inline uint64_t moon_zigzag(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }
static inline int64_t moon_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

/// Reads bytes in order. `bad` is set, and zeroes are returned, when a read would pass the end: check it at the end of
/// a structure rather than after each field.
typedef struct moon_reader {
  const uint8_t *at, *end;
  bool bad;
} moon_reader;

static inline uint8_t moon_get_byte(moon_reader *r) {
  if (r->at < r->end) return *r->at++;
  r->bad = true;
  return 0;
}

uint64_t moon_get_number(moon_reader *r);

/// The next `count` bytes, or NULL (and `bad`) when there are fewer.
static inline const uint8_t *moon_get(moon_reader *r, uint64_t count) {
  if ((uint64_t)(r->end - r->at) < count) {
    r->bad = true;
    r->at = r->end;
    return NULL;
  }
  const uint8_t *at = r->at;
  r->at += count;
  return at;
}

/// A map from words that are not 0 to 32-bit numbers; open addressing, at most half full. All zero is the empty map.
typedef struct moon_map {
  struct moon_map_slot {
    uint64_t key;
    uint32_t value;
  } *slots;
  size_t count, capacity;
} moon_map;

/// The value's place for `key`, or NULL when the map does not have it. Valid until the next `moon_map_put`.
uint32_t *moon_map_get(const moon_map *m, uint64_t key);

/// Adds a key that is not in the map yet. False without memory.
bool moon_map_put(moon_map *m, uint64_t key, uint32_t value);

/// Frees the memory and makes the map empty.
void moon_map_free(moon_map *m);

#endif

#include "capsule_buffer.h"

bool moon_buffer_reserve(moon_buffer *b, size_t more) {
  if (b->capacity - b->length >= more) return true;
  if (more > SIZE_MAX / 4 - b->length) return false;
  size_t capacity = b->capacity < 64 ? 64 : b->capacity + b->capacity / 2;
  if (capacity < b->length + more) capacity = b->length + more;
  uint8_t *bytes = MOON_REALLOC(b->bytes, capacity);
  if (!bytes) return false;
  b->bytes = bytes;
  b->capacity = capacity;
  return true;
}

void moon_buffer_free(moon_buffer *b) {
  MOON_FREE(b->bytes);
  *b = (moon_buffer){0};
}

bool moon_put_number(moon_buffer *b, uint64_t value) {
  uint8_t bytes[10];
  size_t n = 0;
  for (; value >= 0x80; value >>= 7) bytes[n++] = (uint8_t)(value | 0x80);
  bytes[n++] = (uint8_t)value;
  return moon_put(b, bytes, n);
}

uint64_t moon_get_number(moon_reader *r) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    uint8_t byte = moon_get_byte(r);
    if (shift == 63 && byte > 1) break;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  r->bad = true;
  return 0;
}

// Fibonacci hashing: keys are addresses (low bits zero) or small numbers; the multiplication spreads both into the high
// bits.
static size_t home(const moon_map *m, uint64_t key) {
  return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (m->capacity - 1);
}

uint32_t *moon_map_get(const moon_map *m, uint64_t key) {
  if (m->capacity == 0) return NULL;
  for (size_t i = home(m, key); m->slots[i].key != 0; i = (i + 1) & (m->capacity - 1))
    if (m->slots[i].key == key) return &m->slots[i].value;
  return NULL;
}

static void insert(moon_map *m, uint64_t key, uint32_t value) {
  size_t i = home(m, key);
  while (m->slots[i].key != 0) i = (i + 1) & (m->capacity - 1);
  m->slots[i].key = key;
  m->slots[i].value = value;
  m->count++;
}

bool moon_map_put(moon_map *m, uint64_t key, uint32_t value) {
  if (m->count * 2 >= m->capacity) {
    moon_map grown = {.capacity = m->capacity ? m->capacity * 2 : 16};
    grown.slots = MOON_REALLOC(NULL, grown.capacity * sizeof *grown.slots);
    if (!grown.slots) return false;
    memset(grown.slots, 0, grown.capacity * sizeof *grown.slots);
    for (size_t i = 0; i < m->capacity; i++)
      if (m->slots[i].key != 0) insert(&grown, m->slots[i].key, m->slots[i].value);
    MOON_FREE(m->slots);
    *m = grown;
  }
  insert(m, key, value);
  return true;
}

void moon_map_free(moon_map *m) {
  MOON_FREE(m->slots);
  *m = (moon_map){0};
}

/// What reading and writing JSON share: bytes that grow inside the state, and the check of UTF-8.
#ifndef MOON_JSON_INTERNAL_H
#define MOON_JSON_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <lua.h>
#include "moon_json.h"

/// Bytes in a userdata at a fixed place of the stack.
typedef struct moon_json_bytes {
  lua_State *L;
  int place;
  char *bytes;
  size_t length, capacity;
} moon_json_bytes;

/// Makes room for `more` bytes; raises beyond MOON_JSON_LIMIT.
void moon_json_reserve(moon_json_bytes *b, size_t more);

static inline void moon_json_put(moon_json_bytes *b, const char *bytes, size_t count) {
  if (b->capacity - b->length < count) moon_json_reserve(b, count);
  if (count > 0) memcpy(b->bytes + b->length, bytes, count);
  b->length += count;
}

static inline void moon_json_put_byte(moon_json_bytes *b, char byte) { moon_json_put(b, &byte, 1); }

void moon_json_put_character(moon_json_bytes *b, uint32_t character);
void moon_json_put_integer(moon_json_bytes *b, lua_Integer n);
/// Puts a finite number as `%.*g` writes it with the first of 15, 16 and 17 digits that read back as the same number,
/// and with a point or an exponent.
void moon_json_put_float(moon_json_bytes *b, double n);

/// True when the eight bytes at `s` stand in a string of JSON as they are: ASCII, and no control character, quotation
/// mark or backslash. False also for some that do. (A byte that is below another, or is it, sets its highest bit when
/// that is subtracted; what it borrows comes from a byte that is found already.)
static inline bool moon_json_is_plain(const char *s) {
  const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
  uint64_t word;
  memcpy(&word, s, sizeof word);
  uint64_t quotes = word ^ (ones * '"'), slashes = word ^ (ones * '\\');
  return (((word - ones * 0x20) | (quotes - ones) | (slashes - ones) | word) & highs) == 0;
}

/// The bytes of the UTF-8 character at `s` (1 to 4), or 0 when there is none: overlong forms, surrogates, numbers
/// beyond U+10FFFF and broken sequences are none.
int moon_json_character(const char *s, const char *end);

/// What the table on top of the stack says about itself: 'a', 'o', or 0.
char moon_json_mark(lua_State *L);

struct moon_key;
/// Sorts runs of keys and merges them, looking in between whether the run is to end: a million keys take half a second.
/// (The look cannot be in the comparator, since qsort may hold memory.)
void moon_json_sort_keys(lua_State *L, struct moon_key *keys, size_t count);

/// Most objects have few fields. They are walked over once: their keys and values stay on the stack, and are written
/// from there in the order of the keys, which is found without a call for most pairs of keys.
enum { MOON_JSON_FEW = 32 };

typedef struct {
  uint64_t head;                                               // the first eight bytes, the first one highest
  const char *key;
  size_t length;
  int index;                                                   // of its value on the stack
} moon_json_field;

/// The field whose key is at `index` and whose value is above it.
moon_json_field moon_json_field_at(lua_State *L, int index);
void moon_json_sort_fields(moon_json_field *fields, size_t count);

#endif

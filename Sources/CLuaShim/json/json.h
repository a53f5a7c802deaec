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

/// The bytes of the UTF-8 character at `s` (1 to 4), or 0 when there is none: overlong forms, surrogates, numbers
/// beyond U+10FFFF and broken sequences are none.
int moon_json_character(const char *s, const char *end);

#endif

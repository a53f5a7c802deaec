// The bytes of a JSON text: how they grow, and what numbers and characters are in them.
#include <float.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "float_text.h"
#include "json.h"

void moon_json_reserve(moon_json_bytes *b, size_t more) {
  if (more > MOON_JSON_LIMIT || b->length + more > MOON_JSON_LIMIT)
    luaL_error(b->L, "JSON text of more than %d MB", (int)(MOON_JSON_LIMIT >> 20));
  size_t capacity = b->capacity < 256 ? 256 : b->capacity * 2;
  if (capacity < b->length + more) capacity = b->length + more;
  char *bytes = lua_newuserdatauv(b->L, capacity, 0);
  if (b->length > 0) memcpy(bytes, b->bytes, b->length);
  lua_replace(b->L, b->place);
  b->bytes = bytes;
  b->capacity = capacity;
}

int moon_json_character(const char *s, const char *end) {
  const unsigned char *u = (const unsigned char *)s;
  ptrdiff_t left = end - s;
  if (left < 1) return 0;
  if (u[0] < 0x80) return 1;
  int n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
  if (u[0] < 0xc2 || u[0] > 0xf4 || left < n) return 0;
  for (int i = 1; i < n; i++)
    if ((u[i] & 0xc0) != 0x80) return 0;
  if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] >= 0xa0)) return 0;
  if ((u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] >= 0x90)) return 0;
  return n;
}

void moon_json_put_character(moon_json_bytes *b, uint32_t c) {
  char utf8[4];
  size_t n = 0;
  if (c < 0x80) utf8[n++] = (char)c;
  else if (c < 0x800) utf8[n++] = (char)(0xc0 | c >> 6);
  else if (c < 0x10000) utf8[n++] = (char)(0xe0 | c >> 12), utf8[n++] = (char)(0x80 | (c >> 6 & 63));
  else {
    utf8[n++] = (char)(0xf0 | c >> 18), utf8[n++] = (char)(0x80 | (c >> 12 & 63)),
        utf8[n++] = (char)(0x80 | (c >> 6 & 63));
  }
  if (c >= 0x80) utf8[n++] = (char)(0x80 | (c & 63));
  moon_json_put(b, utf8, n);
}

void moon_json_put_integer(moon_json_bytes *out, lua_Integer n) {
  char text[24], *end = text + sizeof text, *at = end;
  uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
  do *--at = (char)('0' + left % 10);
  while (left /= 10);
  if (n < 0) *--at = '-';
  moon_json_put(out, at, (size_t)(end - at));
}

void moon_json_put_float(moon_json_bytes *out, double n) {
  char text[MOON_FLOAT_TEXT + 8];
  size_t size = 0;
  if (fabs(n) < DBL_MIN && n != 0) {                           // 15 digits are written of it, though fewer would do
    for (int digits = 15; digits <= 17; digits++) {
      size = (size_t)snprintf(text, sizeof text, "%.*g", digits, n);
      if (strtod(text, NULL) == n) break;
    }
    moon_json_put(out, text, size);
    return;
  }
  size = moon_float_digits(n, text);
  text[size] = 0;
  if (*text == '-') moon_json_put_byte(out, '-');
  const char *first = text + (*text == '-'), *exponent = strchr(first, 'e');
  char digits[MOON_FLOAT_TEXT];
  int count = 0, power = atoi(exponent + 1);
  for (const char *s = first; s < exponent; s++)
    if (*s != '.') digits[count++] = *s;
  if (power < -4 || power >= (count > 15 ? count : 15)) {
    moon_json_put(out, first, size - (size_t)(first - text));
  } else if (power < 0) {
    moon_json_put(out, "0.0000", (size_t)(1 - power));
    moon_json_put(out, digits, (size_t)count);
  } else {
    int whole = power + 1;
    moon_json_put(out, digits, (size_t)(count < whole ? count : whole));
    if (count < whole) moon_json_put(out, "00000000000000000", (size_t)(whole - count));
    moon_json_put_byte(out, '.');
    if (count > whole) moon_json_put(out, digits + whole, (size_t)(count - whole));
    else moon_json_put_byte(out, '0');
  }
}

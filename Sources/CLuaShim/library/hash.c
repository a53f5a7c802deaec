// hash.sha256, sha512, md5, crc32, hmac, equal, base64, unbase64, hex, unhex: byte strings to byte strings, in
// portions.
//
// C rather than Swift, so that a result is built in the state's own memory, where it is counted before it is made, and
// so that a call of a hundred megabytes can be left at its deadline: between two portions nothing is held that does not
// belong to the state.
#include <lauxlib.h>
#include <string.h>
#include "digest.h"
#include "internal.h"
#include "include/moon_capsule.h"
#include "include/moon_hash.h"

enum { PORTION = 1 << 16 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static const char *bytes_at(lua_State *L, int index, const char *function, const char *what, size_t *size) {
  if (lua_type(L, index) == LUA_TSTRING) return lua_tolstring(L, index, size);
  const char *type = lua_isnone(L, index) ? "no value" : lua_isnil(L, index) ? "nil" : luaL_typename(L, index);
  bool vowel = strchr("aeiou", type[0]) != NULL;
  const char *article = lua_isnoneornil(L, index) ? "" : vowel ? "an " : "a ";
  luaL_error(L, "hash.%s: expected %s (a string) as argument %d, got %s%s", function, what, index, article, type);
  return NULL;
}

static int refuse(lua_State *L, const char *problem) {
  lua_pushnil(L);
  lua_pushstring(L, problem);
  return 2;
}

static const char digits[] = "0123456789abcdef";

static void push_hexadecimal(lua_State *L, const uint8_t *bytes, size_t size) {
  char text[128];
  for (size_t i = 0; i < size; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  lua_pushlstring(L, text, 2 * size);
}

static void add(lua_State *L, moon_sha256 *s, const char *bytes, size_t size) {
  for (size_t at = 0; at < size; at += PORTION) {
    moon_poll(L);
    moon_sha256_add(s, bytes + at, least(PORTION, size - at));
  }
}

int moon_hash_sha256(lua_State *L) {
  size_t size;
  const char *bytes = bytes_at(L, 1, "sha256", "bytes", &size);
  moon_sha256 s;
  uint8_t hash[32];
  moon_sha256_start(&s);
  add(L, &s, bytes, size);
  moon_sha256_end(&s, hash);
  push_hexadecimal(L, hash, sizeof hash);
  return 1;
}

int moon_hash_sha512(lua_State *L) {
  size_t size;
  const char *bytes = bytes_at(L, 1, "sha512", "bytes", &size);
  moon_sha512 s;
  uint8_t hash[64];
  moon_sha512_start(&s);
  for (size_t at = 0; at < size; at += PORTION) {
    moon_poll(L);
    moon_sha512_add(&s, bytes + at, least(PORTION, size - at));
  }
  moon_sha512_end(&s, hash);
  push_hexadecimal(L, hash, sizeof hash);
  return 1;
}

int moon_hash_md5(lua_State *L) {
  size_t size;
  const char *bytes = bytes_at(L, 1, "md5", "bytes", &size);
  moon_md5 s;
  uint8_t hash[16];
  moon_md5_start(&s);
  for (size_t at = 0; at < size; at += PORTION) {
    moon_poll(L);
    moon_md5_add(&s, bytes + at, least(PORTION, size - at));
  }
  moon_md5_end(&s, hash);
  push_hexadecimal(L, hash, sizeof hash);
  return 1;
}

int moon_hash_crc32(lua_State *L) {
  size_t size;
  const char *bytes = bytes_at(L, 1, "crc32", "bytes", &size);
  uint32_t crc = 0;
  for (size_t at = 0; at < size; at += PORTION) {
    moon_poll(L);
    crc = moon_crc32(crc, bytes + at, least(PORTION, size - at));
  }
  lua_pushinteger(L, crc);
  return 1;
}

/// Whether two strings are equal, in a time that depends on their lengths only: whoever measures it learns nothing of
/// where they differ.
int moon_hash_equal(lua_State *L) {
  size_t size, other_size;
  const uint8_t *bytes = (const uint8_t *)bytes_at(L, 1, "equal", "bytes", &size);
  const uint8_t *other = (const uint8_t *)bytes_at(L, 2, "equal", "bytes", &other_size);
  // The shorter one decides how much is read; the lengths themselves are no secret.
  size_t count = least(size, other_size);
  volatile uint8_t different = size != other_size;
  for (size_t i = 0; i < count; i++) {
    if (i % PORTION == 0) moon_poll(L);
    different |= bytes[i] ^ other[i];
  }
  lua_pushboolean(L, different == 0);
  return 1;
}

/// HMAC (RFC 2104) over SHA-256.
int moon_hash_hmac(lua_State *L) {
  size_t key_size, size;
  const char *key = bytes_at(L, 1, "hmac", "a key", &key_size), *bytes = bytes_at(L, 2, "hmac", "bytes", &size);
  uint8_t block[64] = {0}, pad[64], hash[32];
  moon_sha256 s;
  if (key_size > sizeof block) {
    moon_sha256_start(&s);
    add(L, &s, key, key_size);
    moon_sha256_end(&s, block);
  } else {
    memcpy(block, key, key_size);
  }
  for (size_t i = 0; i < sizeof pad; i++) pad[i] = block[i] ^ 0x36;
  moon_sha256_start(&s);
  moon_sha256_add(&s, pad, sizeof pad);
  add(L, &s, bytes, size);
  moon_sha256_end(&s, hash);
  for (size_t i = 0; i < sizeof pad; i++) pad[i] = block[i] ^ 0x5c;
  moon_sha256_start(&s);
  moon_sha256_add(&s, pad, sizeof pad);
  moon_sha256_add(&s, hash, sizeof hash);
  moon_sha256_end(&s, hash);
  push_hexadecimal(L, hash, sizeof hash);
  return 1;
}

/// Room for a result, at the top of the stack. Counted like any block of the state: a run without the memory ends here.
static char *push_room(lua_State *L, size_t size) { return lua_newuserdatauv(L, size > 0 ? size : 1, 0); }

int moon_hash_hex(lua_State *L) {
  size_t size;
  const uint8_t *bytes = (const uint8_t *)bytes_at(L, 1, "hex", "bytes", &size);
  char *text = push_room(L, 2 * size);
  for (size_t i = 0; i < size; i++) {
    if (i % PORTION == 0) moon_poll(L);
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  lua_pushlstring(L, text, 2 * size);
  return 1;
}

static int digit_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int moon_hash_unhex(lua_State *L) {
  size_t size;
  const uint8_t *text = (const uint8_t *)bytes_at(L, 1, "unhex", "hexadecimal text", &size);
  if (size % 2 != 0) return refuse(L, "not hexadecimal");
  char *bytes = push_room(L, size / 2);
  for (size_t i = 0; i < size / 2; i++) {
    if (i % PORTION == 0) moon_poll(L);
    int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return refuse(L, "not hexadecimal");
    bytes[i] = (char)(high << 4 | low);
  }
  lua_pushlstring(L, bytes, size / 2);
  return 1;
}

/// Base64 (RFC 4648, section 4), with padding when written, with or without it when read.
int moon_hash_base64(lua_State *L) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t size;
  const uint8_t *bytes = (const uint8_t *)bytes_at(L, 1, "base64", "bytes", &size);
  size_t written = (size + 2) / 3 * 4;
  char *text = push_room(L, written), *to = text;
  for (size_t i = 0; i < size; i += 3, to += 4) {
    if (i % (3 * PORTION) == 0) moon_poll(L);
    size_t count = least(3, size - i);
    uint32_t group = (uint32_t)bytes[i] << 16;
    if (count > 1) group |= (uint32_t)bytes[i + 1] << 8;
    if (count > 2) group |= bytes[i + 2];
    to[0] = letters[group >> 18];
    to[1] = letters[group >> 12 & 63];
    to[2] = count > 1 ? letters[group >> 6 & 63] : '=';
    to[3] = count > 2 ? letters[group & 63] : '=';
  }
  lua_pushlstring(L, text, written);
  return 1;
}

static int letter_value(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int moon_hash_unbase64(lua_State *L) {
  size_t size;
  const uint8_t *text = (const uint8_t *)bytes_at(L, 1, "unbase64", "base64 text", &size);
  size_t padding = 0;
  while (padding < size && padding < 3 && text[size - 1 - padding] == '=') padding++;
  if (padding > 0 && (padding > 2 || size % 4 != 0)) return refuse(L, "not base64");
  size -= padding;
  if (size % 4 == 1) return refuse(L, "not base64");
  char *bytes = push_room(L, size / 4 * 3 + 3), *to = bytes;
  uint32_t group = 0, bits = 0;
  for (size_t i = 0; i < size; i++) {
    if (i % PORTION == 0) moon_poll(L);
    int value = letter_value(text[i]);
    if (value < 0) return refuse(L, "not base64");
    group = group << 6 | (uint32_t)value;
    bits += 6;
    if (bits >= 8) *to++ = (char)(group >> (bits -= 8));
  }
  // Bits beyond the last byte must be zero, so that each byte string has one text.
  if (group & ((1u << bits) - 1)) return refuse(L, "not base64");
  lua_pushlstring(L, bytes, (size_t)(to - bytes));
  return 1;
}

// json.decode: a recursive descent over RFC 8259, bounded by the depth limit.
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include "float_text.h"
#include "internal.h"
#include "json.h"

typedef struct {
  lua_State *L;
  const char *start, *at, *end;
  /// What is wrong at `at`; NULL: nothing yet.
  const char *error;
  /// For strings with escapes.
  moon_json_bytes scratch;
  int depth;
  /// For values of the host: null is nil, and an empty object is a table like any other.
  bool plain;
} decoder;

static bool fail(decoder *d, const char *error) {
  if (!d->error) d->error = error;
  return false;
}

static void skip_space(decoder *d) {
  while (d->at < d->end && (*d->at == ' ' || *d->at == '\n' || *d->at == '\t' || *d->at == '\r')) d->at++;
}

static bool get_value(decoder *d);

static bool get_word(decoder *d, const char *word) {
  size_t n = strlen(word);
  if ((size_t)(d->end - d->at) < n || memcmp(d->at, word, n) != 0) return fail(d, "expected a value");
  d->at += n;
  return true;
}

static bool is_digit(const decoder *d) { return d->at < d->end && *d->at >= '0' && *d->at <= '9'; }

static bool get_number(decoder *d) {
  const char *start = d->at;
  bool negative = *d->at == '-', fraction = false, small = true;
  if (negative) d->at++;
  if (!is_digit(d)) return fail(d, "expected a digit");
  uint64_t magnitude = 0, most = negative ? (uint64_t)1 << 63 : ((uint64_t)1 << 63) - 1;
  if (*d->at == '0') {
    d->at++;
    if (is_digit(d)) return fail(d, "a number must not begin with 0");
  } else for (; is_digit(d); d->at++) {
    uint64_t digit = (uint64_t)(*d->at - '0');
    if (magnitude > (most - digit) / 10) small = false;
    else magnitude = magnitude * 10 + digit;
  }
  if (d->at < d->end && *d->at == '.') {
    d->at++;
    fraction = true;
    if (!is_digit(d)) return fail(d, "expected a digit after the point");
    while (is_digit(d)) d->at++;
  }
  if (d->at < d->end && (*d->at == 'e' || *d->at == 'E')) {
    d->at++;
    fraction = true;
    if (d->at < d->end && (*d->at == '+' || *d->at == '-')) d->at++;
    if (!is_digit(d)) return fail(d, "expected a digit in the exponent");
    while (is_digit(d)) d->at++;
  }
  if (!fraction && small && !(negative && magnitude == 0)) {
    lua_pushinteger(d->L, (lua_Integer)(negative ? 0 - magnitude : magnitude));
    return true;
  }
  double n = moon_float_parse(start, d->at);                   // what follows ends it: Lua strings end with a 0
  if (isinf(n)) {
    d->at = start;
    return fail(d, "the number is too large");
  }
  lua_pushnumber(d->L, n);
  return true;
}

static int hex(const char *s, const char *end) {
  if (end - s < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; i++) {
    char c = s[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
      : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// The character of a \u escape (a surrogate pair takes two); `at` is behind the u.
static bool get_unicode(decoder *d) {
  int high = hex(d->at, d->end);
  if (high < 0) return fail(d, "expected four hexadecimal digits after \\u");
  uint32_t c = (uint32_t)high;
  if (c >= 0xdc00 && c < 0xe000) return fail(d, "a low surrogate without a high one before it");
  d->at += 4;
  if (c >= 0xd800 && c < 0xdc00) {
    int low = d->end - d->at >= 6 && d->at[0] == '\\' && d->at[1] == 'u' ? hex(d->at + 2, d->end) : -1;
    if (low < 0xdc00 || low > 0xdfff) return fail(d, "a high surrogate without a low one after it");
    d->at += 6;
    c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
  }
  moon_json_put_character(&d->scratch, c);
  return true;
}

static bool get_escape(decoder *d) {                           // `at` is behind the backslash
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (d->at >= d->end) return fail(d, "the string has no end");
  char c = *d->at;
  if (c == 'u') {
    d->at++;
    return get_unicode(d);
  }
  const char *found = c ? strchr(from, c) : NULL;
  if (!found) return fail(d, "no such escape in JSON");
  d->at++;
  moon_json_put_byte(&d->scratch, to[found - from]);
  return true;
}

/// Bytes of a string between two looks whether the run is to end: one of 64 MB takes a quarter of a second.
enum { POLL_EVERY = 1 << 16 };

static bool get_string(decoder *d) {
  const char *start = ++d->at;
  const char *poll = start + POLL_EVERY;
  bool escaped = false;
  d->scratch.length = 0;
  for (;;) {
    if (d->at >= poll) {
      moon_poll(d->L);
      poll = d->at + POLL_EVERY;
    }
    if (d->end - d->at >= 8 && moon_json_is_plain(d->at)) {
      d->at += 8;
      continue;
    }
    unsigned char c = '"';
    while (d->at < d->end && (c = (unsigned char)*d->at) >= 0x20 && c < 0x80 && c != '"' && c != '\\') d->at++;
    if (d->at >= d->end) return fail(d, "the string has no end");
    if (c == '"') break;
    if (c < 0x20) return fail(d, "a control character in a string; write it as an escape");
    if (c == '\\') {
      escaped = true;
      moon_json_put(&d->scratch, start, (size_t)(d->at - start));
      d->at++;
      if (!get_escape(d)) return false;
      start = d->at;
    } else {
      int n = moon_json_character(d->at, d->end);
      if (n == 0) return fail(d, "not UTF-8");
      d->at += n;
    }
  }
  if (escaped) {
    moon_json_put(&d->scratch, start, (size_t)(d->at - start));
    lua_pushlstring(d->L, d->scratch.bytes, d->scratch.length);
  } else lua_pushlstring(d->L, start, (size_t)(d->at - start));
  d->at++;
  return true;
}

static bool enter(decoder *d) {
  luaL_checkstack(d->L, 8, "json.decode");
  if (++d->depth > MOON_JSON_DEPTH) return fail(d, "more than 100 arrays and objects in each other");
  d->at++;
  skip_space(d);
  return true;
}

static bool get_array(decoder *d) {
  if (!enter(d)) return false;
  lua_newtable(d->L);
  if (d->at < d->end && *d->at == ']') goto end;
  for (lua_Integer i = 1; ; i++) {
    if (!get_value(d)) return false;
    lua_rawseti(d->L, -2, i);
    skip_space(d);
    if (d->at < d->end && *d->at == ']') break;
    if (d->at >= d->end || *d->at != ',') return fail(d, "expected ',' or ']'");
    d->at++;
    skip_space(d);
  }
end:
  d->at++;
  d->depth--;
  return true;
}

static bool get_object(decoder *d) {
  lua_State *L = d->L;
  if (!enter(d)) return false;
  lua_newtable(L);
  if (d->at < d->end && *d->at == '}') {
    if (!d->plain) {
      lua_pushcfunction(L, moon_json_object);                  // marks it, so that it is written as {} again
      lua_insert(L, -2);
      lua_call(L, 1, 1);
    }
    goto end;
  }
  for (;;) {
    if (d->at >= d->end || *d->at != '"') return fail(d, "expected a key in quotes");
    if (!get_string(d)) return false;
    skip_space(d);
    if (d->at >= d->end || *d->at != ':') return fail(d, "expected ':'");
    d->at++;
    skip_space(d);
    if (!get_value(d)) return false;
    lua_rawset(L, -3);
    skip_space(d);
    if (d->at < d->end && *d->at == '}') break;
    if (d->at >= d->end || *d->at != ',') return fail(d, "expected ',' or '}'");
    d->at++;
    skip_space(d);
  }
end:
  d->at++;
  d->depth--;
  return true;
}

static bool get_value(decoder *d) {                            // pushes it
  moon_poll(d->L);
  if (d->at >= d->end) return fail(d, "unexpected end of the text");
  switch (*d->at) {
  case '{': return get_object(d);
  case '[': return get_array(d);
  case '"': return get_string(d);
  case 't': lua_pushboolean(d->L, 1); return get_word(d, "true");
  case 'f': lua_pushboolean(d->L, 0); return get_word(d, "false");
  case 'n':
    if (d->plain) lua_pushnil(d->L);
    else lua_pushlightuserdata(d->L, moon_json_null());
    return get_word(d, "null");
  case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
    return get_number(d);
  default: return fail(d, "expected a value");
  }
}

int moon_json_decode(lua_State *L) {
  size_t length;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *text = lua_tolstring(L, 1, &length);
  lua_settop(L, 1);
  lua_pushnil(L);
  decoder d = {.L = L, .start = text, .at = text, .end = text + length, .scratch = {.L = L, .place = 2}};
  bool ok = length <= MOON_JSON_LIMIT || fail(&d, "the text is longer than 64 MB");
  if (ok) {
    skip_space(&d);
    ok = get_value(&d);
  }
  if (ok) {
    skip_space(&d);
    if (d.at == d.end) return 1;
    fail(&d, "something after the value");
  }
  long long line = 1, column = 1;
  for (const char *s = d.start; s < d.at; s++) {
    if (*s == '\n') line++, column = 1;
    else if (((unsigned char)*s & 0xc0) != 0x80) column++;
  }
  lua_settop(L, 1);
  lua_pushnil(L);
  lua_pushfstring(L, "line %I, column %I: %s", (lua_Integer)line, (lua_Integer)column, d.error);
  return 2;
}

// ---- values of the host ---------------------------------------------------------------------------------------------

typedef struct {
  const char *text;
  size_t size;
} given;

static int push_json(lua_State *L) {                           // stack: given
  const given *g = lua_touserdata(L, 1);
  lua_pushnil(L);
  decoder d = {
    .L = L, .start = g->text, .at = g->text, .end = g->text + g->size, .scratch = {.L = L, .place = 2}, .plain = true};
  skip_space(&d);
  bool ok = get_value(&d);
  if (ok) {
    skip_space(&d);
    if (d.at == d.end) return 1;
    fail(&d, "something after the value");
  }
  return luaL_error(L, "%s", d.error);
}

moon_status moon_push_json(lua_State *L, const char *text, size_t size) {
  given g = {text, size};
  return moon_with_value(L, 0, push_json, &g, 1);
}

// json.encode: one walk with raw access; the text grows in a userdata at a fixed place of the stack.
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "capsule_internal.h"
#include "internal.h"
#include "json.h"

static const char null_address = 0, array_key = 'a', object_key = 'o';

void *moon_json_null(void) { return (void *)&null_address; }

int moon_json_push_null(lua_State *L) {
  lua_pushlightuserdata(L, moon_json_null());
  return 1;
}

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

// ---- The walk -------------------------------------------------------------------------------------------------------

typedef struct {
  const char *key;                                             // NULL: an index
  size_t length;
  lua_Integer index;
  const void *table;                                           // whose element this is, to find cycles
} step;

typedef struct {
  lua_State *L;
  moon_json_bytes out;
  int indent;                                                  // 0: one line
  bool sort;
  int depth;
  step path[MOON_JSON_DEPTH + 1];
} encoder;

static void fail(encoder *e, const char *what) {
  lua_State *L = e->L;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 0; i < e->depth; i++) {
    const step *s = &e->path[i];
    char text[80];
    if (s->key) snprintf(text, sizeof text, "%s%.*s", i > 0 ? "." : "", s->length < 60 ? (int)s->length : 60, s->key);
    else snprintf(text, sizeof text, "[%lld]", (long long)s->index);
    if (i < 8) luaL_addstring(&b, text);
    else if (i == 8) luaL_addstring(&b, "…");
  }
  luaL_pushresult(&b);
  if (e->depth > 0) luaL_error(L, "json.encode: %s: %s", lua_tostring(L, -1), what);
  luaL_error(L, "json.encode: %s", what);
}

static void put_string(encoder *e, const char *s, size_t length) {
  static const char digits[] = "0123456789abcdef";
  moon_json_bytes *out = &e->out;
  const char *end = s + length, *start = s, *begin = s;
  moon_json_put_byte(out, '"');
  while (s < end) {
    unsigned char c = (unsigned char)*s;
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      s++;
      continue;
    }
    if (c >= 0x80) {
      int n = moon_json_character(s, end);
      if (n == 0) {
        char text[80];
        snprintf(text, sizeof text, "the string is not UTF-8 at byte %zu", (size_t)(s - begin) + 1);
        fail(e, text);
      }
      s += n;
      continue;
    }
    moon_json_put(out, start, (size_t)(s - start));
    const char *at = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c);
    if (c != 0 && at) {
      char pair[2] = {'\\', at[1]};
      moon_json_put(out, pair, 2);
    } else {
      char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
      moon_json_put(out, escape, 6);
    }
    start = ++s;
  }
  moon_json_put(out, start, (size_t)(s - start));
  moon_json_put_byte(out, '"');
}

static void put_number(encoder *e, int index) {
  lua_State *L = e->L;
  char text[40];
  if (lua_isinteger(L, index)) {
    moon_json_put(&e->out, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(L, index)));
    return;
  }
  double n = lua_tonumber(L, index);
  if (isnan(n) || isinf(n)) fail(e, isnan(n) ? "NaN has no JSON form" : "infinity has no JSON form");
  // The shortest of three that reads back as the same number.
  int size = 0;
  for (int digits = 15; digits <= 17; digits++) {
    size = snprintf(text, sizeof text, "%.*g", digits, n);
    if (strtod(text, NULL) == n) break;
  }
  moon_json_put(&e->out, text, (size_t)size);
  if (!strpbrk(text, ".e")) moon_json_put(&e->out, ".0", 2);
}

static void new_line(encoder *e, int depth) {
  if (e->indent == 0) return;
  moon_json_put_byte(&e->out, '\n');
  for (int i = depth * e->indent; i > 0; i--) moon_json_put_byte(&e->out, ' ');
}

static void put_value(encoder *e);

static void put_array(encoder *e, lua_Integer count) {         // stack: table
  lua_State *L = e->L;
  moon_json_put_byte(&e->out, '[');
  step *s = &e->path[e->depth++];
  for (lua_Integer i = 1; i <= count; i++) {
    if (i > 1) moon_json_put_byte(&e->out, ',');
    new_line(e, e->depth);
    s->key = NULL, s->index = i;
    lua_rawgeti(L, -1, i);
    put_value(e);
  }
  e->depth--;
  if (count > 0) new_line(e, e->depth);
  moon_json_put_byte(&e->out, ']');
}

// Writes the field whose key is below its value on the stack; pops the value.
static void put_field(encoder *e, bool first) {
  lua_State *L = e->L;
  step *s = &e->path[e->depth - 1];
  if (!first) moon_json_put_byte(&e->out, ',');
  new_line(e, e->depth);
  s->key = lua_tolstring(L, -2, &s->length);
  put_string(e, s->key, s->length);
  moon_json_put(&e->out, ": ", e->indent > 0 ? 2 : 1);
  put_value(e);
}

/// Sorts runs of keys and merges them, looking in between whether the run is to end: a million keys take half a second.
/// (The look cannot be in the comparator, since qsort may hold memory.)
static void sort_keys(lua_State *L, moon_key *keys, size_t count) {
  enum { RUN = 4096 };
  for (size_t i = 0; i < count; i += RUN) {
    moon_keys_sort(keys + i, count - i < RUN ? count - i : RUN);
    moon_poll(L);
  }
  if (count <= RUN) return;
  moon_key *from = keys, *to = lua_newuserdatauv(L, count * sizeof *keys, 0);
  for (size_t width = RUN; width < count; width *= 2) {
    for (size_t low = 0; low < count; low += 2 * width) {
      size_t i = low, middle = low + width < count ? low + width : count, j = middle;
      size_t end = middle + width < count ? middle + width : count;
      for (size_t k = low; k < end; k++) {
        if (k % RUN == 0) moon_poll(L);
        to[k] = j >= end || (i < middle && moon_keys_compare(&from[i], &from[j]) <= 0) ? from[i++] : from[j++];
      }
    }
    moon_key *swapped = from;
    from = to;
    to = swapped;
  }
  if (from != keys) memcpy(keys, from, count * sizeof *keys);
  lua_pop(L, 1);
}

static void put_object(encoder *e, size_t count) {             // stack: table
  lua_State *L = e->L;
  moon_json_put_byte(&e->out, '{');
  e->depth++;
  if (!e->sort || count < 2) {
    bool first = true;
    for (lua_pushnil(L); lua_next(L, -2); first = false) put_field(e, first);
  } else {
    moon_key *keys = lua_newuserdatauv(L, count * sizeof *keys, 0);
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, -3) && n < count; lua_pop(L, 1)) keys[n++] = moon_key_at(L, -2);
    sort_keys(L, keys, n);
    for (size_t i = 0; i < n; i++) {                           // stack: table, keys
      moon_key_push(L, &keys[i]);
      lua_pushvalue(L, -1);
      lua_rawget(L, -4);
      put_field(e, i == 0);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  e->depth--;
  if (count > 0) new_line(e, e->depth);
  moon_json_put_byte(&e->out, '}');
}

/// What a table says about itself: 'a', 'o', or 0.
static char marker(lua_State *L) {
  if (!lua_getmetatable(L, -1)) return 0;
  lua_pushliteral(L, "__jsontype");
  lua_rawget(L, -2);
  const char *type = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  char c = strcmp(type, "array") == 0 ? 'a' : strcmp(type, "object") == 0 ? 'o' : 0;
  lua_pop(L, 2);
  return c;
}

static void put_table(encoder *e) {                            // stack: table
  lua_State *L = e->L;
  const void *address = lua_topointer(L, -1);
  for (int i = 0; i < e->depth; i++)
    if (e->path[i].table == address) fail(e, "the table contains itself");
  if (e->depth == MOON_JSON_DEPTH) fail(e, "more than 100 tables in each other");
  e->path[e->depth].table = address;
  size_t strings = 0, indices = 0;
  lua_Integer last = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    moon_poll(L);
    if (lua_type(L, -2) == LUA_TSTRING) strings++;
    else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0) {
      indices++;
      if (lua_tointeger(L, -2) > last) last = lua_tointeger(L, -2);
    } else fail(e, "a key that is neither a string nor an index from 1");
  }
  char marked = marker(L);
  if (strings > 0 && (indices > 0 || marked == 'a'))
    fail(e, indices > 0 ? "the table has both string keys and indices; JSON has no such thing"
        : "the array has string keys");
  if (marked == 'o' && indices > 0) fail(e, "the object has indices");
  if (strings > 0 || marked == 'o') put_object(e, strings);
  else if ((size_t)last == indices || (marked == 'a' && (size_t)last <= 2 * indices + 16)) put_array(e, last);
  else fail(e, "the array has holes; use json.null, or json.array for a few of them");
}

static void put_value(encoder *e) {                            // pops the value
  lua_State *L = e->L;
  moon_poll(L);
  luaL_checkstack(L, 12, "json.encode");
  switch (lua_type(L, -1)) {
  case LUA_TNIL: moon_json_put(&e->out, "null", 4); break;
  case LUA_TBOOLEAN:
    if (lua_toboolean(L, -1)) moon_json_put(&e->out, "true", 4);
    else moon_json_put(&e->out, "false", 5);
    break;
  case LUA_TNUMBER: put_number(e, -1); break;
  case LUA_TSTRING: {
    size_t length;
    const char *s = lua_tolstring(L, -1, &length);
    put_string(e, s, length);
    break;
  }
  case LUA_TTABLE: put_table(e); break;
  default: {
    if (lua_touserdata(L, -1) == &null_address) {
      moon_json_put(&e->out, "null", 4);
      break;
    }
    char text[64];
    snprintf(text, sizeof text, "a %s has no JSON form", lua_typename(L, lua_type(L, -1)));
    fail(e, text);
  }
  }
  lua_pop(L, 1);
}

int moon_json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 2);
  encoder e;
  e.L = L, e.indent = 0, e.sort = true, e.depth = 0;
  if (!lua_isnil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
      const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
      if (strcmp(key, "sort") == 0) e.sort = lua_toboolean(L, -1);
      else if (strcmp(key, "pretty") == 0) {
        if (lua_isinteger(L, -1)) e.indent = (int)(lua_tointeger(L, -1) & 15);
        else e.indent = lua_toboolean(L, -1) ? 2 : 0;
      } else return luaL_error(L, "json.encode: unknown option '%s'; there are pretty and sort", key);
    }
  }
  lua_pushnil(L);
  e.out = (moon_json_bytes){.L = L, .place = 3};
  lua_pushvalue(L, 1);
  put_value(&e);
  lua_pushlstring(L, e.out.bytes, e.out.length);
  return 1;
}

// ---- Marks ----------------------------------------------------------------------------------------------------------

static int mark(lua_State *L, const char *key, const char *type) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (lua_getmetatable(L, 1)) {
    lua_pop(L, 1);
    if (marker(L) == type[0]) return 1;
    return luaL_error(L, "json.%s: the table has a metatable; put __jsontype = \"%s\" into that", type, type);
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__jsontype");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  lua_setmetatable(L, 1);
  return 1;
}

int moon_json_array(lua_State *L) { return mark(L, &array_key, "array"); }
int moon_json_object(lua_State *L) { return mark(L, &object_key, "object"); }

// json.encode: one walk with raw access; the text grows in a userdata at a fixed place of the stack.
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include "capsule_internal.h"
#include "internal.h"
#include "json.h"

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
  // Fields of the objects that are being written, the outermost first: in here, and when those are not enough, in a
  // userdata. No level takes more of the C stack than its frames.
  moon_json_field *fields;
  size_t used, room;
  moon_json_field first[MOON_JSON_FEW];
} encoder;

// Places of the stack.
enum { OUT = 3, FIELDS = 4 };

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
    if (end - s >= 8 && moon_json_is_plain(s)) {
      s += 8;
      continue;
    }
    unsigned char c = (unsigned char)*s;
    while (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && ++s < end) c = (unsigned char)*s;
    if (s == end) break;
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
  if (lua_isinteger(L, index)) {
    moon_json_put_integer(&e->out, lua_tointeger(L, index));
    return;
  }
  double n = lua_tonumber(L, index);
  if (isnan(n) || isinf(n)) fail(e, isnan(n) ? "NaN has no JSON form" : "infinity has no JSON form");
  moon_json_put_float(&e->out, n);
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

/// Writes the field of a key on the stack whose value is on top; pops the value.
static void put_field(encoder *e, const char *key, size_t length, bool first) {
  if (!first) moon_json_put_byte(&e->out, ',');
  new_line(e, e->depth);
  step *s = &e->path[e->depth - 1];
  s->key = key, s->length = length;
  put_string(e, key, length);
  moon_json_put(&e->out, ": ", e->indent > 0 ? 2 : 1);
  put_value(e);
}

static void end_object(encoder *e, size_t count) {
  e->depth--;
  if (count > 0) new_line(e, e->depth);
  moon_json_put_byte(&e->out, '}');
}

static void put_object(encoder *e, size_t count) {             // stack: table
  lua_State *L = e->L;
  size_t length;
  moon_json_put_byte(&e->out, '{');
  e->depth++;
  if (!e->sort || count < 2) {
    bool first = true;
    for (lua_pushnil(L); lua_next(L, -2); first = false) {
      const char *key = lua_tolstring(L, -2, &length);
      put_field(e, key, length, first);
    }
  } else {
    moon_key *keys = lua_newuserdatauv(L, count * sizeof *keys, 0);
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, -3) && n < count; lua_pop(L, 1)) keys[n++] = moon_key_at(L, -2);
    moon_json_sort_keys(L, keys, n);
    for (size_t i = 0; i < n; i++) {                           // stack: table, keys
      moon_key_push(L, &keys[i]);
      lua_pushvalue(L, -1);
      lua_rawget(L, -4);
      put_field(e, keys[i].string, keys[i].length, i == 0);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  end_object(e, count);
}

/// Remembers the field whose key is below its value on top of the stack.
static void add_field(encoder *e) {
  lua_State *L = e->L;
  if (e->used == e->room) {
    const size_t room = 2 * e->room;
    moon_json_field *more = lua_newuserdatauv(L, room * sizeof *more, 0);
    memcpy(more, e->fields, e->used * sizeof *more);
    lua_replace(L, FIELDS);
    e->fields = more, e->room = room;
  }
  e->fields[e->used++] = moon_json_field_at(L, lua_gettop(L) - 1);
}

/// An object of few fields, the last that are remembered, whose keys and values are on the stack.
static void put_fields(encoder *e, size_t count) {
  const size_t begin = e->used - count;
  moon_json_put_byte(&e->out, '{');
  e->depth++;
  if (e->sort) moon_json_sort_fields(e->fields + begin, count);
  for (size_t i = 0; i < count; i++) {
    const moon_json_field *field = &e->fields[begin + i];      // its fields may move while its value is written
    lua_pushvalue(e->L, field->index);
    put_field(e, field->key, field->length, i == 0);
  }
  end_object(e, count);
}

static void put_table(encoder *e) {                            // stack: table
  lua_State *L = e->L;
  const int table = lua_gettop(L);
  const void *address = lua_topointer(L, table);
  for (int i = 0; i < e->depth; i++)
    if (e->path[i].table == address) fail(e, "the table contains itself");
  if (e->depth == MOON_JSON_DEPTH) fail(e, "more than 100 tables in each other");
  e->path[e->depth].table = address;
  char marked = moon_json_mark(L);
  const size_t used = e->used;
  size_t strings = 0, indices = 0;
  lua_Integer last = 0;
  for (lua_pushnil(L); lua_next(L, table);) {
    moon_poll(L);
    if (lua_type(L, -2) == LUA_TSTRING) {
      if (strings < MOON_JSON_FEW) {
        luaL_checkstack(L, 12, "json.encode");
        add_field(e);
        lua_pushvalue(L, -2);                                  // the key, to go on from; it and its value stay
      } else lua_pop(L, 1);
      strings++;
      continue;
    }
    lua_Integer index = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    if (index <= 0) fail(e, "a key that is neither a string nor an index from 1");
    indices++;
    if (index > last) last = index;
    lua_pop(L, 1);
  }
  if (strings > 0 && (indices > 0 || marked == 'a'))
    fail(e, indices > 0 ? "the table has both string keys and indices; JSON has no such thing"
        : "the array has string keys");
  if (marked == 'o' && indices > 0) fail(e, "the object has indices");
  if (strings > 0 && strings <= MOON_JSON_FEW) put_fields(e, strings);
  e->used = used;
  lua_settop(L, table);
  if (strings > 0 && strings <= MOON_JSON_FEW) return;
  if (strings > 0 || marked == 'o') put_object(e, strings);
  else if ((size_t)last == indices || (marked == 'a' && (size_t)last <= 2 * indices + 16)) put_array(e, last);
  else fail(e, "the array has holes; use json.null, or json.array for a few of them");
}

static __attribute__((noinline)) void fail_type(encoder *e) {
  char text[64];
  snprintf(text, sizeof text, "a %s has no JSON form", lua_typename(e->L, lua_type(e->L, -1)));
  fail(e, text);
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
  default:
    if (lua_touserdata(L, -1) == moon_json_null()) moon_json_put(&e->out, "null", 4);
    else fail_type(e);
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
  lua_settop(L, FIELDS);
  e.out = (moon_json_bytes){.L = L, .place = OUT};
  e.fields = e.first, e.used = 0, e.room = MOON_JSON_FEW;
  lua_pushvalue(L, 1);
  put_value(&e);
  lua_pushlstring(L, e.out.bytes, e.out.length);
  return 1;
}

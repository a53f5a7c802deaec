// Host objects in capsules: everything that is in a state before a script runs there. A capsule refers to them by a
// *way*, which another state of the same host follows with a few raw gets; so states carry no table of names (it would
// be larger than all else in a template).
//
// A way is a byte string of steps: 'g' the globals, or 'n' the table of named values, to begin with; then 'k' length
// bytes (the field with that string key), 'm' (the metatable), 'u' n (the value of a Lua function's n-th upvalue).
#include <lauxlib.h>
#include "capsule_internal.h"
#include "catalogue.h"

const char moon_hosts_key = 'h', moon_named_key = 'n', moon_loaded_key = 'l';

static void push_registered(lua_State *L, const char *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void moon_capsule_name(lua_State *L, const char *name) {
  luaL_checkstack(L, 8, "capsule");
  push_registered(L, &moon_named_key);                         // stack: value, named
  lua_insert(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void moon_capsule_push_named(lua_State *L) {
  luaL_checkstack(L, 8, "capsule");
  push_registered(L, &moon_named_key);
}

void moon_capsule_push_made(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &moon_named_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  const moon_catalogue *c = state_of(L)->runtime->catalogue;
  moon_catalogue_push(L, c, &c->named);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_named_key);
}

void moon_capsule_loaded(lua_State *L) {
  luaL_checkstack(L, 8, "capsule");
  push_registered(L, &moon_loaded_key);
}

// ---- Finding them ---------------------------------------------------------------------------------------------------

/// Stack positions of `moon_capsule_prepare`, relative to its own base.
enum { HOSTS = 1, SEEN = 2, KEYS = 3 };

// Adds the object on top of the stack (popped) with the way prefix + step, unless it is known or no object.
static void add(lua_State *L, int base, const char *prefix, size_t prefix_length, const char *step,
    size_t step_length) {
  int type = lua_type(L, -1);
  bool object = type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TLIGHTUSERDATA;
  if (object) {
    lua_pushvalue(L, -1);
    object = lua_rawget(L, base + SEEN) == LUA_TNIL;
    lua_pop(L, 1);
  }
  if (!object) {
    lua_pop(L, 1);
    return;
  }
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, base + SEEN);
  lua_Integer at = (lua_Integer)lua_rawlen(L, base + HOSTS);
  lua_rawseti(L, base + HOSTS, at + MOON_HOST_OBJECT);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addlstring(&b, prefix, prefix_length);
  luaL_addlstring(&b, step, step_length);
  luaL_pushresult(&b);
  lua_rawseti(L, base + HOSTS, at + MOON_HOST_WAY);
  lua_pushboolean(L, 0);
  lua_rawseti(L, base + HOSTS, at + MOON_HOST_CONTENT);
}

static void add_key_step(lua_State *L, int base, const char *way, size_t way_length, const char *key, size_t length) {
  char small[512];                                             // stack: …, value
  size_t n = 0;
  if (length > sizeof small - 12) {                            // no host field has such a name
    lua_pop(L, 1);
    return;
  }
  small[n++] = 'k';
  for (size_t rest = length; ; rest >>= 7) {
    small[n++] = (char)(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
    if (rest < 0x80) break;
  }
  memcpy(small + n, key, length);
  add(L, base, way, way_length, small, n + length);
}

static int compare_strings(lua_State *L, int a, int b) {
  size_t la, lb;
  const char *sa = lua_tolstring(L, a, &la), *sb = lua_tolstring(L, b, &lb);
  int order = memcmp(sa, sb, la < lb ? la : lb);
  return order ? order : (la > lb) - (la < lb);
}

// Pushes the string keys of the table on top, sorted, as a new array: names must not depend on the order of a hash.
// Host tables are small, an insertion sort will do.
static lua_Integer push_sorted_keys(lua_State *L) {
  lua_newtable(L);                                             // stack: table, keys
  lua_Integer count = 0;
  for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1)) {       // stack: table, keys, key, value
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    lua_Integer i = ++count;
    for (; i > 1; i--) {
      lua_rawgeti(L, -3, i - 1);
      int order = compare_strings(L, -1, -3);
      if (order < 0) {
        lua_pop(L, 1);
        break;
      }
      lua_rawseti(L, -4, i);
    }
    lua_pushvalue(L, -2);
    lua_rawseti(L, -4, i);
  }
  return count;
}

// Visits what the `index`-th host object leads to.
static void expand(lua_State *L, int base, lua_Integer at) {
  lua_rawgeti(L, base + HOSTS, at + MOON_HOST_WAY);
  lua_rawgeti(L, base + HOSTS, at + MOON_HOST_OBJECT);         // stack: way, object
  size_t length;
  const char *way = lua_tolstring(L, -2, &length);
  if (lua_istable(L, -1)) {
    lua_newtable(L);                                           // what it contains, as an array of keys and values
    lua_Integer n = 0;
    for (lua_pushnil(L); lua_next(L, -3);) {                   // stack: way, object, content, key, value
      lua_rawseti(L, -3, n += 2);
      lua_pushvalue(L, -1);
      lua_rawseti(L, -3, n - 1);
    }
    if (lua_getmetatable(L, -2)) lua_setfield(L, -2, "metatable");
    lua_rawseti(L, base + HOSTS, at + MOON_HOST_CONTENT);
    lua_Integer count = push_sorted_keys(L);                   // stack: way, object, keys
    for (lua_Integer i = 1; i <= count; i++) {
      lua_rawgeti(L, -1, i);
      lua_pushvalue(L, -1);
      lua_rawget(L, -4);                                       // stack: way, object, keys, key, value
      size_t key_length;
      const char *key = lua_tolstring(L, -2, &key_length);
      add_key_step(L, base, way, length, key, key_length);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  if (lua_getmetatable(L, -1)) add(L, base, way, length, "m", 1);
  if (lua_isfunction(L, -1) && !lua_iscfunction(L, -1))
    for (int i = 1; lua_getupvalue(L, -1, i); i++) {
      char step[2] = {'u', (char)i};
      add(L, base, way, length, step, 2);
    }
  lua_pop(L, 2);
}

void moon_capsule_prepare(lua_State *L) {
  luaL_checkstack(L, 24, "capsule");
  int base = lua_gettop(L);
  lua_newtable(L);                                             // HOSTS
  lua_newtable(L);                                             // SEEN, thrown away: it is keyed by address
  lua_pushglobaltable(L);
  add(L, base, "g", 1, "", 0);                                 // always the first host object
  lua_pushliteral(L, "");
  if (lua_getmetatable(L, -1)) moon_capsule_name(L, "string metatable");
  lua_pop(L, 1);
  push_registered(L, &moon_named_key);
  lua_Integer count = push_sorted_keys(L);                     // stack: …, named, keys
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    lua_pushvalue(L, -1);
    lua_rawget(L, -4);
    size_t length;
    const char *key = lua_tolstring(L, -2, &length);
    add_key_step(L, base, "n", 1, key, length);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  for (lua_Integer at = 0; at < (lua_Integer)lua_rawlen(L, base + HOSTS); at += MOON_HOST_FIELDS) expand(L, base, at);
  lua_pushvalue(L, base + HOSTS);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_hosts_key);
  lua_settop(L, base);
}

// ---- Following a way ------------------------------------------------------------------------------------------------

void moon_host_push(lua_State *L, const uint8_t *way, size_t length) {
  moon_reader r = {.at = way, .end = way + length};
  bool at_globals = moon_get_byte(&r) == 'g';
  if (at_globals) lua_pushglobaltable(L);
  else moon_capsule_push_made(L);
  while (r.at < r.end && !r.bad) {                             // stack: object
    switch (moon_get_byte(&r)) {
    case 'k': {
      uint64_t count = moon_get_number(&r);
      const uint8_t *key = moon_get(&r, count);
      if (!key || !lua_istable(L, -1)) goto missing;
      lua_pushlstring(L, (const char *)key, count);
      if (at_globals) moon_globals_get(L);                     // which may have to be made
      else lua_rawget(L, -2);
      break;
    }
    case 'm':
      if (!lua_getmetatable(L, -1)) goto missing;
      break;
    case 'u':
      if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) || !lua_getupvalue(L, -1, moon_get_byte(&r))) goto missing;
      break;
    default: goto missing;
    }
    lua_remove(L, -2);
    at_globals = false;
  }
  if (!r.bad && !lua_isnil(L, -1)) return;
missing:;
  // The description is copied into the state before the buffer goes; a raise in between would leak it, so it has a
  // fixed size (a step of one byte is described by at most 11).
  char text[600];
  moon_buffer out = {.bytes = (uint8_t *)text, .length = 0, .capacity = sizeof text};
  if (length > 50 || !moon_host_describe(&out, way, length)) out.length = 0;
  lua_pushlstring(L, text, out.length);
  luaL_error(L, "this host has no '%s', which the capsule refers to; load the script again", lua_tostring(L, -1));
}

bool moon_host_describe(moon_buffer *out, const uint8_t *way, size_t length) {
  moon_reader r = {.at = way, .end = way + length};
  bool first = true, ok = true;
  moon_get_byte(&r);
  while (ok && r.at < r.end && !r.bad) {
    switch (moon_get_byte(&r)) {
    case 'k': {
      uint64_t count = moon_get_number(&r);
      const uint8_t *key = moon_get(&r, count);
      ok = key && (first || moon_put_byte(out, '.')) && moon_put(out, key, count);
      break;
    }
    case 'm': ok = moon_put(out, "(metatable)", 11); break;
    case 'u': moon_get_byte(&r), ok = moon_put(out, "(upvalue)", 9); break;
    }
    first = false;
  }
  if (ok && first) ok = moon_put(out, "_G", 2);
  return ok && !r.bad;
}

// The global table: strict, and filled as it is used.
//
// Reading a global that nobody has set is an error that names the closest one: a misspelt name is found where it
// stands, not three calls later as "attempt to index a nil value".
//
// In the state of a job the host's globals are not there from the start: `__index` makes them from the catalogue. A bit
// for each says that it has been made or that the script has put something else in its place; then it is never made
// again, so a script that removes a global does not get it back. Whatever could tell that a global is not there yet
// makes it first: `pairs`, and below `next`, `rawget` and `rawset`.
#include <string.h>
#include "catalogue.h"

enum { NAME_MAX_SIZE = 64 };

uint32_t moon_edit_distance(const char *a, size_t m, const char *b, size_t n, uint32_t limit) {
  if (m > NAME_MAX_SIZE) m = NAME_MAX_SIZE;
  if (n > NAME_MAX_SIZE) n = NAME_MAX_SIZE;
  if ((m > n ? m - n : n - m) > limit) return limit + 1;
  // Three rows: a swap of two neighbours looks two rows back (optimal string alignment).
  uint32_t rows[3][NAME_MAX_SIZE + 1];
  for (size_t j = 0; j <= n; j++) rows[0][j] = (uint32_t)j;
  for (size_t i = 1; i <= m; i++) {
    uint32_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
    row[0] = (uint32_t)i;
    for (size_t j = 1; j <= n; j++) {
      uint32_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
      if (above[j] + 1 < best) best = above[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best)
        best = above2[j - 2] + 1;
      row[j] = best;
    }
  }
  uint32_t distance = rows[m % 3][n];
  return distance > limit ? limit + 1 : distance;
}

// ---- making ---------------------------------------------------------------------------------------------------------

static inline bool is_taken(const moon_state *s, int32_t name) { return s->taken[name / 64] >> (name % 64) & 1; }
static inline void take(moon_state *s, int32_t name) { s->taken[name / 64] |= (uint64_t)1 << (name % 64); }

/// Pushes the global of that number after putting it into the globals.
static void make(lua_State *L, moon_state *s, int32_t number) {
  const moon_catalogue *c = s->runtime->catalogue;
  const moon_catalogue_name *name = &c->names[number];
  luaL_checkstack(L, 8, NULL);
  moon_catalogue_push(L, c, &name->value);
  take(s, number);
  lua_pushglobaltable(L);
  lua_pushlstring(L, name->text, name->size);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  if (!name->loaded) return;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushlstring(L, name->text, name->size);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/// The number of the global with that key if it is still to be made, or -1.
static int32_t missing(lua_State *L, moon_state *s, int key) {
  if (!s->runtime->catalogue || lua_type(L, key) != LUA_TSTRING) return -1;
  size_t size;
  const char *text = lua_tolstring(L, key, &size);
  int32_t number = moon_catalogue_find(s->runtime->catalogue, text, size);
  return number >= 0 && !is_taken(s, number) ? number : -1;
}

void moon_globals_get(lua_State *L) {   // stack: …, key
  moon_state *s = state_of(L);
  int32_t number = missing(L, s, -1);
  if (number >= 0) {
    lua_pop(L, 1);
    make(L, s, number);
    return;
  }
  lua_pushglobaltable(L);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

void moon_globals_set(lua_State *L) {   // stack: …, key, value
  moon_state *s = state_of(L);
  int32_t number = missing(L, s, -2);
  if (number >= 0) take(s, number);
  lua_pushglobaltable(L);
  lua_insert(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/// Makes all that is missing.
static void make_all(lua_State *L) {
  moon_state *s = state_of(L);
  const moon_catalogue *c = s->runtime->catalogue;
  for (uint32_t i = 0; c && i < c->name_count; i++) {
    if (is_taken(s, (int32_t)i)) continue;
    make(L, s, (int32_t)i);
    lua_pop(L, 1);
  }
}

int moon_string_index(lua_State *L) {   // stack: string, key
  moon_state *s = state_of(L);
  const moon_catalogue *c = s->runtime->catalogue;
  int32_t number = moon_catalogue_find(c, LUA_STRLIBNAME, sizeof LUA_STRLIBNAME - 1);
  // The library itself, whatever the global of that name is by now; it takes this function's place.
  moon_catalogue_push(L, c, &c->names[number].value);
  lua_getmetatable(L, 1);
  lua_pushliteral(L, "__index");
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

// ---- the metatable --------------------------------------------------------------------------------------------------

typedef struct {
  const char *name, *closest;
  size_t size;
  uint32_t best;
} guess;

/// Ties by the order of the names, so that the message does not depend on that of the table.
static void consider(guess *g, const char *candidate, size_t size) {
  uint32_t distance = moon_edit_distance(g->name, g->size, candidate, size, g->best);
  if (distance < g->best || (g->closest && distance == g->best && strcmp(candidate, g->closest) < 0)) {
    g->best = distance;
    g->closest = candidate;   // a key of the table, or of the catalogue: it stays
  }
}

static int global_index(lua_State *L) {   // stack: globals, key
  moon_state *s = state_of(L);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;   // _G[1] is nil
  int32_t number = missing(L, s, 2);
  if (number >= 0) {
    make(L, s, number);
    return 1;
  }
  if (moon_push_undeclared(L, 2)) return 1;
  guess g = {0};
  g.name = lua_tolstring(L, 2, &g.size);
  g.best = g.size <= 3 ? 2 : 3;   // one change in a short name, two in others
  for (lua_pushnil(L); lua_next(L, 1);) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) continue;
    size_t size;
    const char *candidate = lua_tolstring(L, -1, &size);
    consider(&g, candidate, size);
  }
  const moon_catalogue *c = s->runtime->catalogue;
  for (uint32_t i = 0; c && i < c->name_count; i++)
    if (!is_taken(s, (int32_t)i)) consider(&g, c->names[i].text, c->names[i].size);
  if (g.closest) return luaL_error(L, "global '%s' is not defined (did you mean '%s'?)", g.name, g.closest);
  return luaL_error(L, "global '%s' is not defined", g.name);
}

/// Only for keys that are not there: the first assignment of a global.
static int global_newindex(lua_State *L) {   // stack: globals, key, value
  int32_t number = missing(L, state_of(L), 2);
  if (number >= 0) take(state_of(L), number);
  lua_rawset(L, 1);
  return 0;
}

static int next(lua_State *L);

static int global_pairs(lua_State *L) {
  make_all(L);
  lua_pushcfunction(L, next);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

void moon_open_globals(lua_State *L) {
  static const luaL_Reg events[] = {
    {"__index", global_index}, {"__newindex", global_newindex}, {"__pairs", global_pairs}, {NULL, NULL},
  };
  lua_pushglobaltable(L);
  luaL_newlib(L, events);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

// ---- raw access -----------------------------------------------------------------------------------------------------

static bool is_globals(lua_State *L, int index) {
  lua_pushglobaltable(L);
  bool same = lua_rawequal(L, index, -1);
  lua_pop(L, 1);
  return same;
}

static int next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_isnil(L, 2) && is_globals(L, 1)) make_all(L);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

static int pairs_done(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 3;
}

static int pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL) {
    lua_pushcfunction(L, next);   // the one that scripts know
    lua_pushvalue(L, 1);
    lua_pushnil(L);
  } else {
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, pairs_done);
  }
  return 3;
}

static int raw_get(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (MOON_UNLIKELY(is_globals(L, 1))) moon_globals_get(L);
  else lua_rawget(L, 1);
  return 1;
}

static int raw_set(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if (MOON_UNLIKELY(is_globals(L, 1))) moon_globals_set(L);
  else lua_rawset(L, 1);
  lua_settop(L, 1);
  return 1;
}

void moon_open_raw(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"next", next}, {"pairs", pairs}, {"rawget", raw_get}, {"rawset", raw_set}, {NULL, NULL},
  };
  lua_pushglobaltable(L);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}

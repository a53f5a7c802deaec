// The strict global table: reading a global that nobody has set is an error that names the closest one. A misspelt name is
// found where it stands, not three calls later as "attempt to index a nil value".
#include <string.h>
#include "internal.h"

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
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best) best = above2[j - 2] + 1;
      row[j] = best;
    }
  }
  uint32_t distance = rows[m % 3][n];
  return distance > limit ? limit + 1 : distance;
}

static int undeclared(lua_State *L) {   // stack: globals, key
  size_t size;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;   // _G[1] is nil
  const char *name = lua_tolstring(L, 2, &size), *closest = NULL;
  uint32_t best = size <= 3 ? 2 : 3;   // one change in a short name, two in others
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) continue;
    size_t n;
    const char *candidate = lua_tolstring(L, -1, &n);
    uint32_t distance = moon_edit_distance(name, size, candidate, n, best);
    // Ties by the order of the names, so that the message does not depend on that of the table.
    if (distance < best || (closest && distance == best && strcmp(candidate, closest) < 0)) {
      best = distance;
      closest = candidate;   // a key of the table: it stays
    }
    if (best == 0) break;
  }
  if (closest) return luaL_error(L, "global '%s' is not defined (did you mean '%s'?)", name, closest);
  return luaL_error(L, "global '%s' is not defined", name);
}

void moon_open_globals(lua_State *L) {
  lua_pushglobaltable(L);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, undeclared);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

// The canonical order of table keys: booleans (false, true), numbers by value, strings by bytes. Keys that are objects
// have no order that two processes would agree on; the capture marks their tables.
#include "capsule_internal.h"

moon_key moon_key_at(lua_State *L, int index) {
  moon_key k = {0};
  switch (lua_type(L, index)) {
  case LUA_TBOOLEAN: k.rank = 1, k.boolean = lua_toboolean(L, index); break;
  case LUA_TNUMBER:
    k.rank = 2;
    k.is_integer = lua_isinteger(L, index);
    if (k.is_integer) k.integer = lua_tointeger(L, index);
    else k.number = lua_tonumber(L, index);
    break;
  case LUA_TSTRING: k.rank = 3, k.string = lua_tolstring(L, index, &k.length); break;
  default: break;
  }
  return k;
}

void moon_key_push(lua_State *L, const moon_key *k) {
  switch (k->rank) {
  case 1: lua_pushboolean(L, k->boolean); break;
  case 2:
    if (k->is_integer) lua_pushinteger(L, k->integer);
    else lua_pushnumber(L, k->number);
    break;
  default: lua_pushlstring(L, k->string, k->length);
  }
}

// A float key is never integral (Lua stores such a key as an integer) and never NaN, so it is different from every
// integer.
static int compare_mixed(lua_Integer i, lua_Number n) {
  if (n >= 0x1p63) return -1;
  if (n < -0x1p63) return 1;
  lua_Integer below = (lua_Integer)n;                          // towards zero
  if ((lua_Number)below > n) below--;
  return i <= below ? -1 : 1;
}

int moon_keys_compare(const void *pa, const void *pb) {
  const moon_key *a = pa, *b = pb;
  if (a->rank != b->rank) return a->rank - b->rank;
  switch (a->rank) {
  case 1: return a->boolean - b->boolean;
  case 2:
    if (a->is_integer && b->is_integer) return (a->integer > b->integer) - (a->integer < b->integer);
    if (a->is_integer) return compare_mixed(a->integer, b->number);
    if (b->is_integer) return -compare_mixed(b->integer, a->number);
    return (a->number > b->number) - (a->number < b->number);
  default: {
    int order = memcmp(a->string, b->string, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
  }
  }
}

void moon_keys_sort(moon_key *keys, size_t count) {
  if (count > 1) qsort(keys, count, sizeof *keys, moon_keys_compare);
}

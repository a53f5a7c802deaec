// The order of an object's keys: by bytes, so that the same value is always the same text.
#include "capsule_internal.h"
#include "internal.h"
#include "json.h"

void moon_json_sort_keys(lua_State *L, moon_key *keys, size_t count) {
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

moon_json_field moon_json_field_at(lua_State *L, int index) {
  moon_json_field f = {.index = index + 1};
  f.key = lua_tolstring(L, index, &f.length);
  unsigned char head[8] = {0};
  memcpy(head, f.key, f.length < 8 ? f.length : 8);
  for (int i = 0; i < 8; i++) f.head = f.head << 8 | head[i];
  return f;
}

static bool is_before(const moon_json_field *a, const moon_json_field *b) {
  if (a->head != b->head) return a->head < b->head;
  int order = memcmp(a->key, b->key, a->length < b->length ? a->length : b->length);
  return order != 0 ? order < 0 : a->length < b->length;
}

/// By insertion, which few fields are sorted by faster than by calls.
void moon_json_sort_fields(moon_json_field *fields, size_t count) {
  for (size_t i = 1; i < count; i++) {
    moon_json_field f = fields[i];
    size_t at = i;
    for (; at > 0 && is_before(&f, &fields[at - 1]); at--) fields[at] = fields[at - 1];
    fields[at] = f;
  }
}

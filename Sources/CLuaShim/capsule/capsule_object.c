// The capsule as an object: one immutable block with a count of owners.
#include "capsule_internal.h"

moon_capsule *moon_capsule_make(const moon_parts *parts) {
  size_t hashes = parts->hashes ? 2 * MOON_CAPSULE_HASH : 0;
  moon_capsule *k = MOON_REALLOC(NULL, sizeof *k + parts->proto_count * sizeof *parts->protos +
                                         (parts->node_count + 1) * sizeof *parts->offsets + parts->byte_count + hashes);
  if (!k) return NULL;
  *k = (moon_capsule){.shared = parts->shared ? moon_capsule_retain(parts->shared) : NULL,
                      .proto_count = (uint32_t)parts->proto_count, .node_count = (uint32_t)parts->node_count,
                      .byte_count = (uint32_t)parts->byte_count, .unordered = parts->unordered};
  atomic_init(&k->owners, 1);
  k->protos = (moon_proto **)(void *)(k + 1);
  for (size_t i = 0; i < parts->proto_count; i++) k->protos[i] = moon_proto_retain(parts->protos[i]);
  uint32_t *offsets = (uint32_t *)(void *)(k->protos + parts->proto_count);
  if (parts->node_count > 0) memcpy(offsets, parts->offsets, parts->node_count * sizeof *offsets);
  offsets[parts->node_count] = (uint32_t)parts->byte_count;
  k->offsets = offsets;
  uint8_t *bytes = (uint8_t *)(offsets + parts->node_count + 1);
  if (parts->byte_count > 0) memcpy(bytes, parts->bytes, parts->byte_count);
  k->bytes = bytes;
  if (hashes > 0) k->hashes = memcpy(bytes + parts->byte_count, parts->hashes, hashes);
  return k;
}

moon_capsule *moon_capsule_retain(moon_capsule *k) {
  atomic_fetch_add_explicit(&k->owners, 1, memory_order_relaxed);
  return k;
}

void moon_capsule_release(moon_capsule *k) {
  while (k && atomic_fetch_sub_explicit(&k->owners, 1, memory_order_acq_rel) == 1) {
    for (uint32_t i = 0; i < k->proto_count; i++) moon_proto_release(k->protos[i]);
    moon_capsule *shared = k->shared;
    MOON_FREE(k);
    k = shared;
  }
}

size_t moon_capsule_size(const moon_capsule *k) {
  return sizeof *k + k->proto_count * sizeof *k->protos + (k->node_count + 1) * sizeof *k->offsets + k->byte_count;
}

size_t moon_capsule_shared_size(const moon_capsule *k) { return k->shared ? moon_capsule_size(k->shared) : 0; }

bool moon_capsule_never_equal(const moon_capsule *k) { return k->unordered; }

// ---- Entries: the string keys of the root table, which is node 0 ----------------------------------------------------

// Goes to the first key pair of the root table; returns how many pairs there are.
static uint64_t enter_root(const moon_capsule *k, moon_reader *r) {
  *r = moon_record(k, 0);
  moon_get(r, 2);                                              // kind, flags
  moon_skip_value(r);                                          // metatable
  for (uint64_t n = moon_get_number(r); n > 0 && !r->bad; n--) moon_skip_value(r);
  return moon_get_number(r);
}

size_t moon_capsule_entry_count(const moon_capsule *k) {
  moon_reader r;
  uint64_t pairs = enter_root(k, &r);
  size_t count = 0;
  for (; pairs > 0 && !r.bad; pairs--) {
    count += r.at < r.end && *r.at == MOON_STRING;
    moon_skip_value(&r);
    moon_skip_value(&r);
  }
  return count;
}

const char *moon_capsule_entry(const moon_capsule *k, size_t i, size_t *length) {
  moon_reader r;
  for (uint64_t pairs = enter_root(k, &r); pairs > 0 && !r.bad; pairs--) {
    if (r.at < r.end && *r.at == MOON_STRING && i-- == 0) {
      r.at++;
      *length = moon_get_number(&r);
      return (const char *)moon_get(&r, *length);
    }
    moon_skip_value(&r);
    moon_skip_value(&r);
  }
  *length = 0;
  return NULL;
}

// The process-wide store of prototypes: a chained hash table under one lock. Capture asks it once per different
// function of a script (each capture keeps a table of its own in front), build never does, so the lock is not
// contended.
#include <pthread.h>
#include "digest.h"
#include "capsule_proto.h"
#include "moon_capsule.h"

static struct {
  pthread_mutex_t lock;
  moon_proto **buckets;                                        // guarded by lock, like all below
  size_t capacity, count, bytes;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

uint64_t moon_proto_key(const uint8_t *dump, size_t length) {
  uint64_t h = length * 0x9e3779b97f4a7c15u;
  for (; length >= 8; length -= 8, dump += 8) {
    uint64_t word;
    memcpy(&word, dump, 8);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  for (; length > 0; length--) h = (h ^ *dump++) * 0x100000001b3u;
  h ^= h >> 29;
  return h ? h : 1;
}

static moon_proto *find(uint64_t key, const uint8_t *dump, size_t length) {
  if (store.capacity == 0) return NULL;
  for (moon_proto *p = store.buckets[key & (store.capacity - 1)]; p; p = p->next)
    if (p->key == key && p->dump_length == length && memcmp(p->dump, dump, length) == 0) return p;
  return NULL;
}

static bool grow(void) {
  size_t capacity = store.capacity ? store.capacity * 2 : 64;
  moon_proto **buckets = MOON_REALLOC(NULL, capacity * sizeof *buckets);
  if (!buckets) return false;
  memset(buckets, 0, capacity * sizeof *buckets);
  for (size_t i = 0; i < store.capacity; i++)
    for (moon_proto *p = store.buckets[i], *next; p; p = next) {
      next = p->next;
      p->next = buckets[p->key & (capacity - 1)];
      buckets[p->key & (capacity - 1)] = p;
    }
  MOON_FREE(store.buckets);
  store.buckets = buckets;
  store.capacity = capacity;
  return true;
}

// One block: the struct, the flags, the names, the dump.
static moon_proto *make(uint64_t key, const uint8_t *dump, size_t length) {
  moon_bytecode read = {0};
  bool memory;
  moon_proto *p = NULL;
  if (length <= UINT32_MAX && moon_bytecode_read(dump, length, &read, &memory)) {
    p = MOON_REALLOC(NULL, sizeof *p + read.upvalue_count + read.names.length + length);
    if (p) {
      uint8_t *at = (uint8_t *)(p + 1);
      *p = (moon_proto){.key = key, .dump_length = (uint32_t)length, .upvalue_count = read.upvalue_count};
      atomic_init(&p->owners, 1);
      memcpy(p->code, read.code, sizeof p->code);
      moon_sha256 full;
      moon_sha256_start(&full);
      moon_sha256_add(&full, dump, length);
      moon_sha256_end(&full, p->full);
      p->flags = memcpy(at, read.flags, read.upvalue_count);
      at += read.upvalue_count;
      p->names = at;
      if (read.names.length > 0) memcpy(at, read.names.bytes, read.names.length);
      p->names_end = at += read.names.length;
      p->dump = memcpy(at, dump, length);
    }
  }
  moon_buffer_free(&read.names);
  return p;
}

moon_proto *moon_proto_intern(const uint8_t *dump, size_t length) {
  uint64_t key = moon_proto_key(dump, length);
  pthread_mutex_lock(&store.lock);
  moon_proto *p = find(key, dump, length);
  if (p) {
    atomic_fetch_add(&p->owners, 1);
  } else if ((store.count < store.capacity || grow()) && (p = make(key, dump, length))) {
    moon_proto **bucket = &store.buckets[key & (store.capacity - 1)];
    p->next = *bucket;
    *bucket = p;
    store.count++;
    store.bytes += length;
  }
  pthread_mutex_unlock(&store.lock);
  return p;
}

moon_proto *moon_proto_retain(moon_proto *p) {
  atomic_fetch_add_explicit(&p->owners, 1, memory_order_relaxed);
  return p;
}

void moon_proto_release(moon_proto *p) {
  // The last owner leaves under the lock, so that `moon_proto_intern` never revives a prototype that is being freed.
  size_t owners = atomic_load_explicit(&p->owners, memory_order_relaxed);
  while (owners > 1)
    if (atomic_compare_exchange_weak(&p->owners, &owners, owners - 1)) return;
  pthread_mutex_lock(&store.lock);
  bool last = atomic_fetch_sub(&p->owners, 1) == 1;
  if (last) {
    moon_proto **link = &store.buckets[p->key & (store.capacity - 1)];
    while (*link != p) link = &(*link)->next;
    *link = p->next;
    store.count--;
    store.bytes -= p->dump_length;
  }
  pthread_mutex_unlock(&store.lock);
  if (last) MOON_FREE(p);
}

size_t moon_proto_count(size_t *bytes) {
  pthread_mutex_lock(&store.lock);
  size_t count = store.count;
  if (bytes) *bytes = store.bytes;
  pthread_mutex_unlock(&store.lock);
  return count;
}

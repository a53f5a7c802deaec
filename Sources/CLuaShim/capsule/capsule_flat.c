// The canonical form of a capsule: its closure as one part, objects numbered in the order of a walk from the roots,
// keys sorted, prototypes in order of first use. Hashes and encoded bytes are made of it, so they do not depend on
// which objects happen to be shared with other jobs, and are the same in every process.
#include "digest.h"
#include "capsule_internal.h"

typedef struct {
  moon_transcriber t;
  const moon_capsule *k;
  bool numbering;                                              // second walk
  bool opaque;                                                 // do not enter the shared part
  size_t limit;                                                // of bytes of shared records
  size_t shared_bytes;
  moon_map numbers;                                            // reference + 1 → number
  moon_map assigned;                                           // reference of a cell + 1
  moon_map protos;                                             // address of a prototype → number
  moon_buffer order;                                           // uint32_t references
  moon_buffer list;                                            // const moon_proto *
  moon_buffer offsets, bytes;
} flat;

static moon_reader record(moon_transcriber *t, uint32_t reference) {
  const moon_capsule *part = moon_part(((flat *)t)->k, reference);
  if (!part || reference >> 1 >= part->node_count) return (moon_reader){.bad = true};
  return moon_record(part, reference >> 1);
}

static bool place(moon_transcriber *t, uint32_t reference, uint32_t *placed) {
  flat *f = (flat *)t;
  if (f->opaque && reference & 1) {                            // the shared part as a whole stands for it
    *placed = reference;
    return true;
  }
  const uint32_t *known = moon_map_get(&f->numbers, (uint64_t)reference + 1);
  uint32_t number = known ? *known : (uint32_t)(f->order.length / sizeof reference);
  *placed = number * 2;
  if (known) return true;
  if (reference & 1) {
    moon_reader r = record(t, reference);
    f->shared_bytes += (size_t)(r.end - r.at);
  }
  return moon_map_put(&f->numbers, (uint64_t)reference + 1, number)
      && moon_put(&f->order, &reference, sizeof reference);
}

static bool prototype(moon_transcriber *t, uint32_t owner, uint32_t index, uint32_t *placed) {
  flat *f = (flat *)t;
  const moon_capsule *part = moon_part(f->k, owner);
  *placed = 0;
  if (index >= part->proto_count) return false;
  if (!f->numbering) return true;
  const moon_proto *p = part->protos[index];
  const uint32_t *known = moon_map_get(&f->protos, (uintptr_t)p);
  *placed = known ? *known : (uint32_t)(f->list.length / sizeof p);
  return known || (moon_map_put(&f->protos, (uintptr_t)p, *placed) && moon_put(&f->list, &p, sizeof p));
}

static bool constant(moon_transcriber *t, uint32_t cell) {
  flat *f = (flat *)t;
  if (f->opaque && cell & 1) return false;
  return f->numbering && !moon_map_get(&f->assigned, (uint64_t)cell + 1);
}

// Notes the cells that the function with this reference assigns.
static bool note_assigned(flat *f, uint32_t reference) {
  moon_reader r = record(&f->t, reference);
  if (moon_get_byte(&r) != MOON_NODE_FUNCTION) return true;
  const moon_proto *p = moon_part(f->k, reference)->protos[moon_get_number(&r)];
  if (moon_get_number(&r) != p->upvalue_count) return false;
  for (int i = 0; i < p->upvalue_count && !r.bad; i++) {
    moon_reader at = r;
    moon_skip_value(&r);
    if (moon_get_byte(&at) != MOON_CELL || !(p->flags[i] & MOON_UPVALUE_ASSIGNED)) continue;
    uint64_t key = moon_get_number(&at) + 1;
    if (!moon_map_get(&f->assigned, key) && !moon_map_put(&f->assigned, key, 1)) return false;
  }
  return !r.bad;
}

static void forget_order(flat *f) {
  f->order.length = 0;
  if (f->numbers.count > 0) memset(f->numbers.slots, 0, f->numbers.capacity * sizeof *f->numbers.slots);
  f->numbers.count = 0;
}

// One walk from the roots. False without memory, with a malformed record, or beyond the limit.
static bool walk(flat *f) {
  uint32_t ignored;
  forget_order(f);
  if (!place(&f->t, 0, &ignored)) return false;
  for (size_t i = 0; i < f->order.length / sizeof(uint32_t); i++) {
    uint32_t reference = ((uint32_t *)(void *)f->order.bytes)[i], offset = (uint32_t)f->bytes.length;
    if (f->numbering && !moon_put(&f->offsets, &offset, sizeof offset)) return false;
    if (!moon_transcribe(&f->t, reference) || f->shared_bytes > f->limit) return false;
    if (!f->numbering && !note_assigned(f, reference)) return false;
  }
  return true;
}

static bool flatten(flat *f) {
  f->t = (moon_transcriber){.record = record, .place = place, .prototype = prototype, .constant = constant};
  if (!walk(f)) return false;
  f->numbering = true;
  f->shared_bytes = 0;
  f->t.out = &f->bytes;
  return walk(f);
}

static void release(flat *f) {
  moon_buffer *const buffers[] = {&f->order, &f->list, &f->offsets, &f->bytes};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) moon_buffer_free(buffers[i]);
  moon_map_free(&f->numbers);
  moon_map_free(&f->assigned);
  moon_map_free(&f->protos);
}

// ---- Hashes ---------------------------------------------------------------------------------------------------------

/// Above this many bytes of shared records a job's hash takes the shared part's hash instead of walking it: ten
/// thousand jobs that share a large table must not walk it ten thousand times.
enum { WALK_LIMIT = 16 << 10 };

static void hash_number(moon_sha256 *s, uint64_t n) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(n >> 8 * i);
  moon_sha256_add(s, bytes, sizeof bytes);
}

static void hash_part(moon_sha256 *s, bool code, const moon_proto *const *protos, size_t proto_count,
    const uint8_t *bytes,
                      size_t byte_count) {
  hash_number(s, proto_count);
  for (size_t i = 0; i < proto_count; i++) moon_sha256_add(s, code ? protos[i]->code : protos[i]->full, 32);
  hash_number(s, byte_count);
  moon_sha256_add(s, bytes, byte_count);
}

static void hash_flat(const flat *f, bool code, uint8_t hash[MOON_CAPSULE_HASH]) {
  moon_sha256 s;
  moon_sha256_start(&s);
  moon_sha256_add(&s, "moon capsule 1", 14);
  hash_number(&s, f->opaque);
  hash_part(&s, code, (const moon_proto *const *)(void *)f->list.bytes, f->list.length / sizeof(moon_proto *),
      f->bytes.bytes,
            f->bytes.length);
  if (f->opaque) {
    const moon_capsule *shared = f->k->shared;
    hash_part(&s, code, (const moon_proto *const *)shared->protos, shared->proto_count, shared->bytes,
        shared->byte_count);
  }
  moon_sha256_end(&s, hash);
}

bool moon_capsule_hashes(const moon_capsule *k, uint8_t full[MOON_CAPSULE_HASH], uint8_t code[MOON_CAPSULE_HASH]) {
  if (k->hashes) {
    memcpy(full, k->hashes, MOON_CAPSULE_HASH);
    memcpy(code, k->hashes + MOON_CAPSULE_HASH, MOON_CAPSULE_HASH);
    return true;
  }
  flat f = {.k = k, .limit = WALK_LIMIT};
  bool ok = flatten(&f);
  if (!ok && f.shared_bytes > f.limit) {
    release(&f);
    f = (flat){.k = k, .limit = SIZE_MAX, .opaque = true};
    ok = flatten(&f);
  }
  if (ok) {
    hash_flat(&f, false, full);
    hash_flat(&f, true, code);
  }
  release(&f);
  return ok;
}

// ---- Bytes for another process --------------------------------------------------------------------------------------

/// Start of encoded bytes: a name, the format's version, and the version of Lua whose bytecode is inside.
static const uint8_t MAGIC[8] = {'M', 'O', 'O', 'N', 'C', 'A', 'P', 1};

static void hash_bytes(const uint8_t *bytes, size_t length, uint8_t hash[32]) {
  moon_sha256 s;
  moon_sha256_start(&s);
  moon_sha256_add(&s, bytes, length);
  moon_sha256_end(&s, hash);
}

uint8_t *moon_capsule_encode(const moon_capsule *k, size_t *length) {
  flat f = {.k = k, .limit = SIZE_MAX};
  moon_buffer out = {0};
  uint8_t hash[32] = {0}, hashes[2 * MOON_CAPSULE_HASH];
  bool ok = moon_capsule_hashes(k, hashes, hashes + MOON_CAPSULE_HASH) && flatten(&f) &&
            moon_put(&out, MAGIC, sizeof MAGIC) && moon_put(&out, hash, sizeof hash) &&
            moon_put_byte(&out, LUA_VERSION_NUM % 256) && moon_put_byte(&out, k->unordered) &&
            moon_put(&out, hashes, sizeof hashes);
  size_t protos = f.list.length / sizeof(moon_proto *), nodes = f.offsets.length / sizeof(uint32_t);
  ok = ok && moon_put_number(&out, protos);
  for (size_t i = 0; ok && i < protos; i++) {
    const moon_proto *p = ((const moon_proto **)(void *)f.list.bytes)[i];
    ok = moon_put_number(&out, p->dump_length) && moon_put(&out, p->dump, p->dump_length);
  }
  ok = ok && moon_put_number(&out, nodes) && moon_put_number(&out, f.bytes.length);
  for (size_t i = 0; ok && i < nodes; i++) {
    const uint32_t *offsets = (const uint32_t *)(void *)f.offsets.bytes;
    ok = moon_put_number(&out, (i + 1 < nodes ? offsets[i + 1] : (uint32_t)f.bytes.length) - offsets[i]);
  }
  ok = ok && moon_put(&out, f.bytes.bytes, f.bytes.length);
  release(&f);
  if (!ok) {
    moon_buffer_free(&out);
    return NULL;
  }
  hash_bytes(out.bytes + sizeof MAGIC + sizeof hash, out.length - sizeof MAGIC - sizeof hash, hash);
  memcpy(out.bytes + sizeof MAGIC, hash, sizeof hash);
  *length = out.length;
  return out.bytes;
}

void moon_capsule_free(uint8_t *bytes) { MOON_FREE(bytes); }

// Reads the prototypes; each is interned, owned by `list`.
static bool decode_protos(moon_reader *r, moon_buffer *list) {
  for (uint64_t n = moon_get_number(r); n > 0 && !r->bad; n--) {
    uint64_t length = moon_get_number(r);
    const uint8_t *dump = moon_get(r, length);
    moon_proto *p = dump ? moon_proto_intern(dump, length) : NULL;
    if (!p) return false;
    if (!moon_put(list, &p, sizeof p)) {
      moon_proto_release(p);
      return false;
    }
  }
  return !r->bad;
}

static moon_capsule *decode_body(moon_reader *r, moon_buffer *list, moon_buffer *offsets) {
  bool unordered = moon_get_byte(r) != 0;
  const uint8_t *hashes = moon_get(r, 2 * MOON_CAPSULE_HASH);
  if (!hashes || !decode_protos(r, list)) return NULL;
  uint64_t nodes = moon_get_number(r), length = moon_get_number(r), offset = 0;
  if (nodes == 0 || length > UINT32_MAX) return NULL;
  for (uint64_t i = 0; i < nodes && !r->bad; i++) {
    uint32_t start = (uint32_t)offset;
    if (offset > length || !moon_put(offsets, &start, sizeof start)) return NULL;
    offset += moon_get_number(r);
  }
  const uint8_t *bytes = moon_get(r, length);
  if (r->bad || offset != length || r->at != r->end) return NULL;
  const moon_parts parts = {.protos = (moon_proto *const *)(void *)list->bytes,
                            .proto_count = list->length / sizeof(moon_proto *),
                            .offsets = (const uint32_t *)(void *)offsets->bytes, .node_count = nodes,
                            .bytes = bytes, .byte_count = length, .unordered = unordered, .hashes = hashes};
  return moon_capsule_make(&parts);
}

moon_capsule *moon_capsule_decode(const uint8_t *bytes, size_t length, const char **error) {
  moon_bytecode_probe();
  uint8_t hash[32];
  size_t start = sizeof MAGIC + sizeof hash;
  *error = "these bytes are not a capsule of this version; load the script again with this program";
  if (length < start + 2 || memcmp(bytes, MAGIC, sizeof MAGIC) != 0) return NULL;
  *error = "the capsule's bytes are damaged; send them again";
  hash_bytes(bytes + start, length - start, hash);
  if (memcmp(bytes + sizeof MAGIC, hash, sizeof hash) != 0) return NULL;
  moon_reader r = {.at = bytes + start, .end = bytes + length};
  *error = "the capsule was made with another version of Lua; load the script again with this program";
  if (moon_get_byte(&r) != LUA_VERSION_NUM % 256) return NULL;
  *error = "the capsule cannot be read: not enough memory, or bytecode of another build of Lua";
  moon_buffer list = {0}, offsets = {0};
  moon_capsule *k = decode_body(&r, &list, &offsets);
  for (size_t i = 0; i < list.length / sizeof(moon_proto *); i++)
    moon_proto_release(((moon_proto **)(void *)list.bytes)[i]);
  moon_buffer_free(&list);
  moon_buffer_free(&offsets);
  return k;
}

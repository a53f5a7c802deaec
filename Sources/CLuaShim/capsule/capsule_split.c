// The end of a capture: splits the graph into the part that a script's jobs share and a part per job.
//
// Shared is what two jobs reach, and what any job reaches through a global or a module. So ten thousand jobs that use
// one table keep it once. The split is invisible: hashes and encoded bytes are those of the closure as a whole
// (capsule_flat.c).
#include "capsule_internal.h"

// ---- Who reaches what -----------------------------------------------------------------------------------------------

typedef struct {
  moon_transcriber t;
  moon_capture *c;
  moon_buffer queue;                                           // uint32_t nodes
  uint32_t job;
  bool keep;
} marking;

static moon_reader raw_record(moon_transcriber *t, uint32_t reference) {
  const moon_capture *c = ((marking *)t)->c;
  const moon_node *n = &moon_nodes(c)[reference / 2];
  return (moon_reader){.at = c->raw.bytes + n->start, .end = c->raw.bytes + n->start + n->length};
}

// A node is entered at most twice with a job (by the first two that reach it) and once as kept, so marking is linear.
static bool mark(marking *m, uint32_t node) {
  moon_node *n = &moon_nodes(m->c)[node];
  if (m->keep) {
    if (n->flags & MOON_KEEP) return true;
    n->flags |= MOON_KEEP | MOON_SHARED;
  } else if (n->first_job == MOON_NONE) n->first_job = m->job;
  else if (n->first_job == m->job || n->second_job != MOON_NONE) return true;
  else {
    n->second_job = m->job;
    n->flags |= MOON_SHARED;
  }
  return moon_put(&m->queue, &node, sizeof node);
}

static bool mark_reference(moon_transcriber *t, uint32_t reference, uint32_t *placed) {
  *placed = 0;
  return mark((marking *)t, reference / 2);
}

static bool mark_prototype(moon_transcriber *t, uint32_t owner, uint32_t index, uint32_t *placed) {
  (void)t, (void)owner, (void)index;
  *placed = 0;
  return true;
}

static bool no_constant(moon_transcriber *t, uint32_t cell) {
  (void)t, (void)cell;
  return false;
}

static bool spread(marking *m, uint32_t node) {
  m->queue.length = 0;
  if (!mark(m, node)) return false;
  for (size_t i = 0; i < m->queue.length / sizeof node; i++)
    if (!moon_transcribe(&m->t, 2 * ((uint32_t *)(void *)m->queue.bytes)[i])) return false;
  return true;
}

static bool mark_all(moon_capture *c) {
  marking m = {.t = {.record = raw_record, .place = mark_reference, .prototype = mark_prototype,
                 .constant = no_constant},
               .c = c};
  bool ok = true;
  size_t jobs = moon_capture_count(c);
  for (size_t i = 0; ok && i < jobs; i++) {
    m.job = (uint32_t)i;
    ok = spread(&m, ((uint32_t *)(void *)c->roots.bytes)[i]);
  }
  m.keep = true;
  for (uint32_t node = 0; ok && node < moon_node_count(c); node++) {
    uint8_t kind = moon_nodes(c)[node].kind;
    if (kind == MOON_NODE_GLOBAL || kind == MOON_NODE_MODULE || kind == MOON_NODE_ALL) ok = spread(&m, node);
  }
  for (size_t i = 0; ok && i < c->modules.length / sizeof(uint32_t); i++)
    ok = spread(&m, ((uint32_t *)(void *)c->modules.bytes)[i]);
  moon_buffer_free(&m.queue);
  return ok;
}

// ---- Parts ----------------------------------------------------------------------------------------------------------

typedef struct {
  moon_transcriber t;
  moon_capture *c;
  bool shared;                                                 // the part being written
  moon_buffer order;                                           // uint32_t nodes of the part
  moon_buffer bytes, offsets, protos;
  moon_map proto_map;                                          // the capture's prototype + 1 → the part's
  bool unordered, uses_shared;
  moon_capsule *last;                                          // the capsule of the job before, or NULL; the capture's
} part;

static moon_reader part_record(moon_transcriber *t, uint32_t reference) {
  const moon_capture *c = ((part *)t)->c;
  const moon_node *n = &moon_nodes(c)[reference / 2];
  return (moon_reader){.at = c->raw.bytes + n->start, .end = c->raw.bytes + n->start + n->length};
}

static bool part_place(moon_transcriber *t, uint32_t reference, uint32_t *placed) {
  part *p = (part *)t;
  uint32_t node = reference / 2;
  moon_node *n = &moon_nodes(p->c)[node];
  bool foreign = (n->flags & MOON_SHARED) && !p->shared;
  if (!foreign && n->placed == MOON_NONE) {
    n->placed = (uint32_t)(p->order.length / sizeof node);
    if (!moon_put(&p->order, &node, sizeof node)) return false;
  }
  p->uses_shared |= foreign;
  *placed = n->placed * 2 + ((n->flags & MOON_SHARED) != 0);
  return true;
}

static bool part_prototype(moon_transcriber *t, uint32_t owner, uint32_t index, uint32_t *placed) {
  part *p = (part *)t;
  (void)owner;
  const uint32_t *known = moon_map_get(&p->proto_map, (uint64_t)index + 1);
  *placed = known ? *known : (uint32_t)(p->protos.length / sizeof(moon_proto *));
  if (known) return true;
  moon_proto *proto = ((moon_proto **)(void *)p->c->protos.bytes)[index];
  return moon_map_put(&p->proto_map, (uint64_t)index + 1, *placed) && moon_put(&p->protos, &proto, sizeof proto);
}

static bool part_constant(moon_transcriber *t, uint32_t cell) {
  return !(moon_nodes(((part *)t)->c)[cell / 2].flags & MOON_ASSIGNED);
}

// Jobs of a loop often reach the same but for their names, which are not in here: then one capsule is enough.
static bool is_made_of(const moon_capsule *k, const moon_parts *parts) {
  return k->shared == parts->shared && k->unordered == parts->unordered && k->proto_count == parts->proto_count &&
         k->node_count == parts->node_count && k->byte_count == parts->byte_count &&
         (k->proto_count == 0 || memcmp(k->protos, parts->protos, k->proto_count * sizeof *k->protos) == 0) &&
         (k->node_count == 0 || memcmp(k->offsets, parts->offsets, k->node_count * sizeof *k->offsets) == 0) &&
         (k->byte_count == 0 || memcmp(k->bytes, parts->bytes, k->byte_count) == 0);
}

// Writes the records of all nodes in `order`, which grows meanwhile, and makes the capsule.
static moon_capsule *write_part(part *p, moon_capsule *shared) {
  for (size_t i = 0; i < p->order.length / sizeof(uint32_t); i++) {
    uint32_t offset = (uint32_t)p->bytes.length, node = ((uint32_t *)(void *)p->order.bytes)[i];
    if (!moon_put(&p->offsets, &offset, sizeof offset) || !moon_transcribe(&p->t, 2 * node)) return NULL;
    p->unordered |= p->bytes.bytes[offset] == MOON_NODE_TABLE && p->bytes.bytes[offset + 1] & MOON_TABLE_UNORDERED;
  }
  p->unordered |= p->uses_shared && shared->unordered;
  const moon_parts parts = {.shared = p->uses_shared ? shared : NULL,
                            .protos = (moon_proto **)(void *)p->protos.bytes,
                            .proto_count = p->protos.length / sizeof(moon_proto *),
                            .offsets = (uint32_t *)(void *)p->offsets.bytes,
                            .node_count = p->order.length / sizeof(uint32_t),
                            .bytes = p->bytes.bytes, .byte_count = p->bytes.length, .unordered = p->unordered};
  return p->last && is_made_of(p->last, &parts) ? moon_capsule_retain(p->last) : moon_capsule_make(&parts);
}

static void reset(part *p, bool shared) {
  p->order.length = p->bytes.length = p->offsets.length = p->protos.length = 0;
  p->shared = shared, p->unordered = p->uses_shared = false;
  if (p->proto_map.count > 0) {
    memset(p->proto_map.slots, 0, p->proto_map.capacity * sizeof *p->proto_map.slots);
    p->proto_map.count = 0;
  }
}

static bool fail(moon_capture *c, const char *error) {
  c->error = error;
  return false;
}

static bool write_parts(moon_capture *c, part *p) {
  p->t = (moon_transcriber){.out = &p->bytes, .record = part_record, .place = part_place, .prototype = part_prototype,
                            .constant = part_constant};
  uint32_t ignored;
  reset(p, true);
  for (uint32_t node = 0; node < moon_node_count(c); node++) {
    const moon_node *n = &moon_nodes(c)[node];
    bool inside = n->kind == MOON_NODE_CELL && !(n->flags & MOON_ASSIGNED) && n->length <= 1 + MOON_INLINE_LIMIT;
    if ((n->flags & MOON_SHARED) && !inside && !part_place(&p->t, 2 * node, &ignored)) return false;
  }
  c->shared = write_part(p, NULL);
  if (!c->shared) return false;
  if (c->shared->byte_count > MOON_CAPSULE_SCRIPT_LIMIT)
    return fail(c, "the script keeps more than 16 MB in globals, modules and shared locals; build large tables inside run, "
                   "or read them from a file");
  for (size_t i = 0; i < moon_capture_count(c); i++) {
    reset(p, false);
    uint32_t root = ((uint32_t *)(void *)c->roots.bytes)[i];
    if (!part_place(&p->t, 2 * root, &ignored)) return false;
    moon_capsule *k = write_part(p, c->shared);
    if (!k) return false;
    if (!moon_put(&c->parts, &k, sizeof k)) {
      moon_capsule_release(k);
      return false;
    }
    p->last = k;
    if (k->byte_count > MOON_CAPSULE_JOB_LIMIT) {
      c->failed_job = i;
      return fail(c, "its functions keep more than 1 MB of captured locals; build large tables inside run, read them from a "
                     "file, or share them through a global");
    }
  }
  return true;
}

// ---- Locals that two jobs assign ------------------------------------------------------------------------------------

static void note_job(moon_assignment *a, uint32_t job) {
  if (job == MOON_NONE || job == a->first || job == a->second) return;
  if (a->first == MOON_NONE || job < a->first) a->second = a->first, a->first = job;
  else if (job < a->second) a->second = job;
}

// Looks at every function with an upvalue that it assigns: the jobs that reach the function are the cell's. Two
// witnesses per node are enough: a cell that two jobs assign has two among those of its functions.
static bool find_conflicts(moon_capture *c) {
  moon_map cells = {0};                                        // cell + 1 → index into `found`
  moon_buffer found = {0};                                     // moon_assignment
  bool ok = true;
  for (uint32_t node = 0; ok && node < moon_node_count(c); node++) {
    const moon_node *n = &moon_nodes(c)[node];
    if (n->kind != MOON_NODE_FUNCTION) continue;
    moon_reader r = {.at = c->raw.bytes + n->start + 1, .end = c->raw.bytes + n->start + n->length};
    const moon_proto *p = ((moon_proto **)(void *)c->protos.bytes)[moon_get_number(&r)];
    moon_get_number(&r);
    for (int i = 0; ok && i < p->upvalue_count; i++) {
      moon_reader at = r;
      moon_skip_value(&r);
      if (moon_get_byte(&at) != MOON_CELL || !(p->flags[i] & MOON_UPVALUE_ASSIGNED)) continue;
      uint32_t cell = (uint32_t)moon_get_number(&at) / 2;
      const uint32_t *known = moon_map_get(&cells, (uint64_t)cell + 1);
      uint32_t index = known ? *known : (uint32_t)(found.length / sizeof(moon_assignment));
      if (!known) {
        moon_assignment a = {.cell = cell, .first = MOON_NONE, .second = MOON_NONE};
        ok = moon_map_put(&cells, (uint64_t)cell + 1, index) && moon_put(&found, &a, sizeof a);
        if (!ok) break;
      }
      note_job(&((moon_assignment *)(void *)found.bytes)[index], n->first_job);
      note_job(&((moon_assignment *)(void *)found.bytes)[index], n->second_job);
    }
  }
  for (size_t i = 0; ok && i < found.length / sizeof(moon_assignment); i++) {
    const moon_assignment *a = &((moon_assignment *)(void *)found.bytes)[i];
    if (a->second != MOON_NONE) ok = moon_put(&c->conflicts, a, sizeof *a);
  }
  moon_map_free(&cells);
  moon_buffer_free(&found);
  return ok;
}

// ---- The face -------------------------------------------------------------------------------------------------------

bool moon_capture_finish(moon_capture *c) {
  if (c->finished) return c->error == NULL;
  c->finished = true;
  c->error = "not enough memory to keep the script's functions";
  part p = {.c = c};
  if (mark_all(c) && find_conflicts(c) && write_parts(c, &p)) c->error = NULL;
  moon_buffer *const buffers[] = {&p.order, &p.bytes, &p.offsets, &p.protos};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) moon_buffer_free(buffers[i]);
  moon_map_free(&p.proto_map);
  return c->error == NULL;
}

const char *moon_capture_error(const moon_capture *c) { return c->error; }

size_t moon_capture_failed_job(const moon_capture *c) { return c->failed_job; }

size_t moon_capture_count(const moon_capture *c) { return c->roots.length / sizeof(uint32_t); }

moon_capsule *moon_capture_take(const moon_capture *c, size_t job) {
  return moon_capsule_retain(((moon_capsule **)(void *)c->parts.bytes)[job]);
}

bool moon_capture_is_same(const moon_capture *c, size_t job, size_t other) {
  moon_capsule *const *parts = (moon_capsule **)(void *)c->parts.bytes;
  return parts[job] == parts[other];
}

size_t moon_capture_conflict_count(const moon_capture *c) { return c->conflicts.length / sizeof(moon_assignment); }

moon_capture_conflict moon_capture_conflict_at(const moon_capture *c, size_t i) {
  const moon_assignment *a = &((moon_assignment *)(void *)c->conflicts.bytes)[i];
  return (moon_capture_conflict){.name = (const char *)c->names.bytes + moon_nodes(c)[a->cell].name,
                                 .first_job = a->first, .second_job = a->second};
}

// Rewriting records from one numbering to another: one walk over the grammar of moon_capsule_internal.h serves
// splitting a captured graph into parts, flattening parts into canonical bytes, and merely visiting references.
#include "capsule_internal.h"

static bool copy(moon_transcriber *t, const uint8_t *from, const moon_reader *to) {
  return !to->bad && (!t->out || moon_put(t->out, from, (size_t)(to->at - from)));
}

static bool put_number(moon_transcriber *t, uint64_t n) { return !t->out || moon_put_number(t->out, n); }
static bool put_byte(moon_transcriber *t, uint8_t b) { return !t->out || moon_put_byte(t->out, b); }

static bool reference(moon_transcriber *t, moon_reader *r) {
  uint64_t from = moon_get_number(r);
  uint32_t to = 0;
  return !r->bad && from <= UINT32_MAX && t->place(t, (uint32_t)from, &to) && put_number(t, to);
}

static bool value(moon_transcriber *t, moon_reader *r) {
  const uint8_t *start = r->at;
  if (r->at < r->end && (*r->at == MOON_REFERENCE || *r->at == MOON_ALL_GLOBALS))
    return put_byte(t, *r->at++) && reference(t, r);
  if (r->at < r->end && *r->at == MOON_REACHING_HOST) {
    if (!put_byte(t, *r->at++) || !reference(t, r)) return false;
    start = r->at;
  }
  return moon_skip_value(r) && copy(t, start, r);
}

bool moon_skip_value(moon_reader *r) {
  uint8_t tag = moon_get_byte(r);
  if (tag == MOON_REACHING_HOST) {
    moon_get_number(r);
    tag = moon_get_byte(r);
    if (tag != MOON_HOST) r->bad = true;
  }
  switch (tag) {
  case MOON_NIL: case MOON_FALSE: case MOON_TRUE: case MOON_GLOBALS: break;
  case MOON_INTEGER: case MOON_REFERENCE: case MOON_ALL_GLOBALS: case MOON_CELL: moon_get_number(r); break;
  case MOON_FLOAT: moon_get(r, 8); break;
  case MOON_STRING: case MOON_HOST: moon_get(r, moon_get_number(r)); break;
  case MOON_HOST_CELL: moon_get(r, moon_get_number(r)), moon_get_byte(r); break;
  default: r->bad = true;
  }
  return !r->bad;
}

static bool upvalue(moon_transcriber *t, moon_reader *r) {
  if (r->at >= r->end || *r->at != MOON_CELL) return value(t, r);
  r->at++;
  moon_reader again = *r;
  uint64_t cell = moon_get_number(r);
  if (r->bad || cell > UINT32_MAX) return false;
  if (t->constant(t, (uint32_t)cell)) {
    moon_reader inner = t->record(t, (uint32_t)cell);
    if (inner.end - inner.at <= 1 + MOON_INLINE_LIMIT && moon_get_byte(&inner) == MOON_NODE_CELL)
      return value(t, &inner);
  }
  return put_byte(t, MOON_CELL) && reference(t, &again);
}

static bool table(moon_transcriber *t, moon_reader *r) {
  if (!put_byte(t, moon_get_byte(r)) || !value(t, r)) return false;
  uint64_t n = moon_get_number(r);
  if (!put_number(t, n)) return false;
  for (; n > 0; n--)
    if (!value(t, r)) return false;
  uint64_t pairs = moon_get_number(r);
  if (!put_number(t, pairs)) return false;
  for (; pairs > 0; pairs--)
    if (!value(t, r) || !value(t, r)) return false;
  return true;
}

static bool function(moon_transcriber *t, uint32_t node, moon_reader *r) {
  uint64_t from = moon_get_number(r);
  uint32_t to = 0;
  if (r->bad || from > UINT32_MAX || !t->prototype(t, node, (uint32_t)from, &to) || !put_number(t, to)) return false;
  uint64_t upvalues = moon_get_number(r);
  if (!put_number(t, upvalues)) return false;
  for (; upvalues > 0; upvalues--)
    if (!upvalue(t, r)) return false;
  return true;
}

static bool references(moon_transcriber *t, moon_reader *r) {
  uint64_t count = moon_get_number(r);
  if (!put_number(t, count)) return false;
  for (; count > 0; count--)
    if (!reference(t, r)) return false;
  return true;
}

bool moon_transcribe(moon_transcriber *t, uint32_t node) {
  moon_reader r = t->record(t, node);
  uint8_t kind = moon_get_byte(&r);
  if (r.bad || !put_byte(t, kind)) return false;
  bool ok = false;
  switch (kind) {
  case MOON_NODE_TABLE: ok = table(t, &r); break;
  case MOON_NODE_FUNCTION: ok = function(t, node, &r) && references(t, &r); break;
  case MOON_NODE_CELL: ok = value(t, &r); break;
  case MOON_NODE_GLOBAL: case MOON_NODE_MODULE: ok = value(t, &r) && value(t, &r); break;
  case MOON_NODE_ALL: ok = references(t, &r); break;
  }
  return ok && !r.bad && r.at == r.end;
}

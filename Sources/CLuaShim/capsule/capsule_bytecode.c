// Reads what `lua_dump` of Lua 5.4 writes, to learn which upvalues a function assigns, which it reads as values and by
// which constant names it indexes them.
//
// The format (ldump.c, lundump.c) and the operation numbers (lopcodes.h) are the same in all releases of 5.4 and are no
// part of its promised interface. So nothing rests on them blindly: the header is compared with this process's sizes,
// every read is checked, and once per process a known function is compiled and read, see `trusted`. When any of that
// fails, an upvalue counts as assigned and read: capsules then carry more than they need, and are still right.
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include "digest.h"
#include "capsule_proto.h"

enum { OP_GETUPVAL = 9, OP_SETUPVAL = 10, OP_GETTABUP = 11, OP_SETTABUP = 15 };
enum { CONSTANT_NIL = 0, CONSTANT_FALSE = 1, CONSTANT_INTEGER = 3, CONSTANT_SHORT = 4, CONSTANT_TRUE = 17,
       CONSTANT_FLOAT = 19, CONSTANT_LONG = 20 };
/// Deeper nesting than the compiler allows (LUAI_MAXCCALLS) cannot come from it.
enum { MAX_NESTING = 220 };

typedef struct {
  moon_reader in;
  moon_sha256 code;
  moon_bytecode *out;
  moon_buffer *uses;                                           // of globals, with lines; or NULL
  bool memory;
} scan;

// Sizes and ints: 7 bits each, high bits first, the last byte marked.
static uint64_t get_size(moon_reader *in) {
  uint64_t value = 0;
  for (int i = 0; i < 10; i++) {
    uint8_t byte = moon_get_byte(in);
    value = value << 7 | (byte & 0x7f);
    if (byte & 0x80) return value;
  }
  in->bad = true;
  return 0;
}

static const uint8_t *get_string(moon_reader *in, uint64_t *length) {
  uint64_t size = get_size(in);
  *length = size > 0 ? size - 1 : 0;
  return size > 0 ? moon_get(in, size - 1) : NULL;
}

static void skip_constant(moon_reader *in, const uint8_t **string, uint64_t *length) {
  uint64_t ignored;
  *string = NULL;
  switch (moon_get_byte(in)) {
  case CONSTANT_NIL: case CONSTANT_FALSE: case CONSTANT_TRUE: break;
  case CONSTANT_INTEGER: moon_get(in, sizeof(lua_Integer)); break;
  case CONSTANT_FLOAT: moon_get(in, sizeof(lua_Number)); break;
  case CONSTANT_SHORT: *string = get_string(in, length); break;
  case CONSTANT_LONG: get_string(in, &ignored); break;
  default: in->bad = true;
  }
}

// Adds constant number `index` of the function as a name of `upvalue`, unless it is there already. The operand has 8
// bits, so this looks at 256 constants at most.
static void add_name(scan *s, moon_reader constants, uint32_t index, uint8_t upvalue) {
  const uint8_t *name = NULL;
  uint64_t length = 0;
  for (uint32_t i = 0; i <= index; i++) skip_constant(&constants, &name, &length);
  if (!name) {
    s->in.bad = true;
    return;
  }
  moon_buffer *names = &s->out->names;
  moon_reader known = {.at = names->bytes, .end = names->bytes + names->length};
  while (known.at < known.end) {
    uint8_t other = moon_get_byte(&known);
    uint64_t other_length = moon_get_number(&known);
    const uint8_t *other_name = moon_get(&known, other_length);
    if (other == upvalue && other_length == length && memcmp(other_name, name, length) == 0) return;
  }
  if (!moon_put_byte(names, upvalue) || !moon_put_number(names, length) || !moon_put(names, name, length))
    s->memory = false;
}

static void scan_code(scan *s, const uint8_t *code, uint64_t count, moon_reader constants, const int16_t *outer,
                      unsigned upvalues) {
  for (uint64_t i = 0; i < count && !s->in.bad && s->memory; i++) {
    uint32_t word;
    memcpy(&word, code + 4 * i, 4);
    uint32_t a = word >> 7 & 0xff, b = word >> 16 & 0xff, c = word >> 24;
    uint32_t operation = word & 0x7f;
    uint32_t upvalue = operation == OP_SETTABUP ? a : b;
    if (operation != OP_GETUPVAL && operation != OP_SETUPVAL && operation != OP_GETTABUP && operation != OP_SETTABUP)
      continue;
    if (upvalue >= upvalues) {
      s->in.bad = true;
      return;
    }
    if (outer[upvalue] < 0) continue;
    uint8_t top = (uint8_t)outer[upvalue];
    switch (operation) {
    case OP_GETUPVAL: s->out->flags[top] |= MOON_UPVALUE_READ; break;
    case OP_SETUPVAL: s->out->flags[top] |= MOON_UPVALUE_ASSIGNED; break;
    case OP_GETTABUP: add_name(s, constants, c, top); break;
    case OP_SETTABUP: add_name(s, constants, b, top); break;
    }
  }
}

// ---- Globals with their lines ---------------------------------------------------------------------------------------

/// The line of each instruction in turn.
typedef struct {
  uint64_t line;
  const int8_t *differences;                                   // NULL: unknown
  moon_reader absolute;
  uint64_t left, next, next_line;                              // of the absolute ones
  bool started;
} lines;

enum { IS_ABSOLUTE = -0x80 };

static uint32_t next_line(lines *l, uint64_t instruction) {
  if (!l->differences) return 0;
  if (!l->started) {
    l->left = get_size(&l->absolute);
    l->started = true;
  }
  if (l->differences[instruction] != IS_ABSOLUTE) {
    l->line += (uint64_t)(int64_t)l->differences[instruction];
    return (uint32_t)l->line;
  }
  while (l->left > 0 && l->next < instruction + 1) {
    l->next = get_size(&l->absolute) + 1;                      // 0 is before the first one
    l->next_line = get_size(&l->absolute);
    l->left--;
  }
  l->line = l->next_line;
  return (uint32_t)l->line;
}

static void put_use(scan *s, bool assigned, uint32_t line, const uint8_t *name, uint64_t length) {
  moon_buffer *b = s->uses;
  if (!moon_put_byte(b, assigned) || !moon_put_number(b, line) || !moon_put_number(b, length)
      || !moon_put(b, name, length))
    s->memory = false;
}

static void put_constant(scan *s, moon_reader constants, uint32_t index, bool assigned, uint32_t line) {
  const uint8_t *name = NULL;
  uint64_t length = 0;
  for (uint32_t i = 0; i <= index; i++) skip_constant(&constants, &name, &length);
  if (name) put_use(s, assigned, line, name, length);
}

/// The globals are the main chunk's first upvalue.
static void list_globals(scan *s, const uint8_t *code, uint64_t count, moon_reader constants, uint64_t constant_count,
                         const int16_t *outer, lines *l) {
  bool indirect = false;
  for (uint64_t i = 0; i < count && s->memory; i++) {
    uint32_t word, line = next_line(l, i);
    memcpy(&word, code + 4 * i, 4);
    uint32_t a = word >> 7 & 0xff, b = word >> 16 & 0xff, c = word >> 24;
    switch (word & 0x7f) {
    case OP_GETTABUP: if (outer[b] == 0) put_constant(s, constants, c, false, line); break;
    case OP_SETTABUP: if (outer[a] == 0) put_constant(s, constants, b, true, line); break;
    case OP_GETUPVAL: indirect |= outer[b] == 0; break;
    }
  }
  for (uint64_t i = 0; indirect && i < constant_count && s->memory; i++) {
    const uint8_t *name;
    uint64_t length = 0;
    skip_constant(&constants, &name, &length);
    if (name) put_use(s, true, 0, name, length);
  }
}

// One function and those inside it. `outer` says for each upvalue of the enclosing function which upvalue of the
// outermost one it is (-1: a local of some function in between). Recursion is bounded by MAX_NESTING frames of about
// 700 bytes.
static void scan_function(scan *s, const int16_t *outer, unsigned outer_count, int depth) {
  moon_reader *in = &s->in;
  uint64_t ignored;
  if (depth > MAX_NESTING) in->bad = true;
  if (in->bad) return;
  get_string(in, &ignored);                                    // chunk name
  uint64_t first_line = get_size(in);
  get_size(in);                                                // the last line
  const uint8_t *start = in->at;
  moon_get(in, 3);                                             // parameters, vararg, stack size
  uint64_t code_count = get_size(in);
  const uint8_t *code = moon_get(in, code_count > UINT32_MAX ? UINT64_MAX : code_count * 4);
  uint64_t constant_count = get_size(in);
  moon_reader constants = *in;
  for (uint64_t i = 0; i < constant_count && !in->bad; i++) {
    const uint8_t *string;
    skip_constant(in, &string, &ignored);
  }
  uint64_t upvalue_count = get_size(in);
  if (upvalue_count > MOON_MAX_UPVALUES || (depth == 0 && upvalue_count != s->out->upvalue_count)) in->bad = true;
  const uint8_t *upvalues = in->bad ? NULL : moon_get(in, upvalue_count * 3);
  if (in->bad) return;
  int16_t map[MOON_MAX_UPVALUES];
  for (uint64_t i = 0; i < upvalue_count; i++) {
    bool in_stack = upvalues[3 * i] != 0;
    uint8_t index = upvalues[3 * i + 1];
    if (depth == 0) map[i] = (int16_t)i;
    else if (in_stack) map[i] = -1;
    else if (index < outer_count) map[i] = outer[index];
    else in->bad = true;
  }
  if (in->bad) return;
  scan_code(s, code, code_count, constants, map, (unsigned)upvalue_count);
  moon_sha256_add(&s->code, start, (size_t)(in->at - start));
  uint64_t function_count = get_size(in);
  for (uint64_t i = 0; i < function_count && !in->bad && s->memory; i++)
    scan_function(s, map, (unsigned)upvalue_count, depth + 1);
  moon_sha256_add(&s->code, &function_count, sizeof function_count);
  uint64_t difference_count = get_size(in);                    // line differences
  const int8_t *differences = (const int8_t *)moon_get(in, difference_count);
  moon_reader absolute = *in;                                  // a count, then pairs of an instruction and its line
  for (uint64_t n = get_size(in); n > 0 && !in->bad; n--) get_size(in), get_size(in);
  if (s->uses && !in->bad) {
    lines l = {
        .line = first_line, .differences = difference_count == code_count ? differences : NULL, .absolute = absolute};
    list_globals(s, code, code_count, constants, constant_count, map, &l);
  }
  for (uint64_t n = get_size(in); n > 0 && !in->bad; n--) {
    get_string(in, &ignored);                                  // names of locals
    get_size(in), get_size(in);
  }
  for (uint64_t n = get_size(in); n > 0 && !in->bad; n--) get_string(in, &ignored);
}

// Reads the header and goes to the number of upvalues.
static bool enter(moon_reader *in) {
  static const uint8_t start[] = LUA_SIGNATURE "\x54\x00\x19\x93\r\n\x1a\n";
  lua_Integer integer;
  lua_Number number;
  const uint8_t *bytes = moon_get(in, sizeof start - 1 + 3 + sizeof integer + sizeof number);
  if (!bytes || memcmp(bytes, start, sizeof start - 1) != 0) return false;
  bytes += sizeof start - 1;
  if (bytes[0] != 4 || bytes[1] != sizeof integer || bytes[2] != sizeof number) return false;
  memcpy(&integer, bytes + 3, sizeof integer);
  memcpy(&number, bytes + 3 + sizeof integer, sizeof number);
  return integer == 0x5678 && number == 370.5;
}

static bool read_dump(const uint8_t *dump, size_t length, moon_bytecode *out, moon_buffer *uses, bool *memory) {
  scan s = {.in = {.at = dump, .end = dump + length}, .out = out, .uses = uses, .memory = true};
  moon_sha256_start(&s.code);
  if (!enter(&s.in)) return false;
  out->upvalue_count = moon_get_byte(&s.in);
  memset(out->flags, 0, sizeof out->flags);
  moon_sha256_add(&s.code, dump, (size_t)(s.in.at - dump));
  scan_function(&s, NULL, 0, 0);
  moon_sha256_end(&s.code, out->code);
  *memory = s.memory;
  return s.memory && !s.in.bad && s.in.at == s.in.end;
}

// ---- The probe ------------------------------------------------------------------------------------------------------

static pthread_once_t probed = PTHREAD_ONCE_INIT;
static bool trusted;                                           // written once, by `probe`

static int collect(lua_State *L, const void *bytes, size_t count, void *buffer) {
  (void)L;
  return moon_put(buffer, bytes, count) ? 0 : 1;
}

// A function whose upvalues are, in order, the globals (indexed by "alpha" and "beta"), one that only a nested function
// assigns, and one that is only read, two functions down.
static const char *const PROBE =
  "local assigned, read = 0, 0\n"
  "return function() local own = alpha; local function f() assigned = own; return function() beta = 1; return read + 1 end"
  " end return f end";

static void probe(void) {
  lua_State *L = luaL_newstate();
  if (!L) return;
  moon_buffer dump = {0};
  moon_bytecode read = {0};
  bool memory = true;
  if (luaL_loadstring(L, PROBE) == LUA_OK && lua_pcall(L, 0, 1, 0) == LUA_OK && lua_dump(L, collect, &dump, 0) == 0 &&
      read_dump(dump.bytes, dump.length, &read, NULL, &memory)) {
    static const uint8_t names[] = "\0\5alpha\0\4beta";
    trusted = read.upvalue_count == 3 && read.flags[0] == 0 && read.flags[1] == MOON_UPVALUE_ASSIGNED &&
              read.flags[2] == MOON_UPVALUE_READ && read.names.length == sizeof names - 1 &&
              memcmp(read.names.bytes, names, sizeof names - 1) == 0;
  }
  moon_buffer_free(&read.names);
  moon_buffer_free(&dump);
  lua_close(L);
}

void moon_bytecode_probe(void) { pthread_once(&probed, probe); }

bool moon_bytecode_read(const uint8_t *dump, size_t length, moon_bytecode *out, bool *memory) {
  moon_bytecode_probe();
  *memory = true;
  if (trusted) return read_dump(dump, length, out, NULL, memory);
  moon_reader in = {.at = dump, .end = dump + length};
  if (length < 5 || memcmp(dump, LUA_SIGNATURE, 4) != 0) return false;
  // An unknown layout: only the count of upvalues is needed, which every 5.4 writes right after its header.
  if (!enter(&in)) return false;
  out->upvalue_count = moon_get_byte(&in);
  memset(out->flags, MOON_UPVALUE_ASSIGNED | MOON_UPVALUE_READ, sizeof out->flags);
  moon_sha256 s;
  moon_sha256_start(&s);
  moon_sha256_add(&s, dump, length);
  moon_sha256_end(&s, out->code);
  return !in.bad;
}

bool moon_bytecode_globals(const uint8_t *dump, size_t length, moon_buffer *out) {
  moon_bytecode_probe();
  if (!trusted) return false;
  moon_bytecode read = {0};
  bool memory = true, ok = read_dump(dump, length, &read, out, &memory);
  moon_buffer_free(&read.names);
  return ok && memory;
}

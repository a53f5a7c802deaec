// Capture: walks what the roots of a job reach and writes a record per node.
//
// The list of nodes is the work queue: a record that mentions a new object appends a node, and the loop in
// `moon_capture_add` goes on until every node has its record. Nothing recurses, and an object that an earlier job reached is
// not walked again. Since keys are taken in canonical order, so are nodes, and the first error is the same in every process.
#include <lauxlib.h>
#include <stdio.h>
#include "capsule_internal.h"

/// Stack positions relative to the base of a call. WORK is an array with the object of each node (of a global and a module:
/// its key); it also keeps the objects alive while addresses stand for them.
/// PRISTINE has the globals as they were before the script.
enum { WORK = 1, GLOBAL_NODES, MODULE_NODES, PRISTINE, KEPT = PRISTINE, GLOBALS, LOADED };

typedef struct {
  lua_State *L;
  moon_capture *c;
  int base;
} walk;

static _Noreturn void no_memory(lua_State *L) {
  luaL_error(L, "not enough memory to keep the script's functions");
  abort();                                                     // luaL_error does not return
}

static void need(walk *w, bool ok) {
  if (!ok) no_memory(w->L);
}

// Pops the object on top of the stack and makes it a node. The index of nodes must fit 30 bits of `objects`.
static uint32_t add_node(walk *w, uint8_t kind, uint32_t parent, const void *address) {
  moon_capture *c = w->c;
  uint32_t node = moon_node_count(c);
  if (node >= MOON_IS_HOST_CELL / 2) no_memory(w->L);
  lua_rawseti(w->L, w->base + WORK, (lua_Integer)node + 1);
  moon_node n = {.kind = kind, .parent = parent, .first_job = MOON_NONE, .second_job = MOON_NONE, .placed = MOON_NONE};
  need(w, moon_put(&c->nodes, &n, sizeof n));
  if (address) need(w, moon_map_put(&c->objects, (uint64_t)(uintptr_t)address, node));
  return node;
}

static void put_reference(walk *w, uint8_t tag, uint32_t node) {
  need(w, moon_put_byte(&w->c->raw, tag) && moon_put_number(&w->c->raw, (uint64_t)node * 2));
}

static void put_string(walk *w, uint8_t tag, const void *bytes, size_t length) {
  moon_buffer *raw = &w->c->raw;
  need(w, moon_put_byte(raw, tag) && moon_put_number(raw, length) && moon_put(raw, bytes, length));
}

static void put_way(walk *w, uint8_t tag, uint32_t host) {
  const uint32_t *span = (const uint32_t *)(const void *)w->c->host_index.bytes + 2 * host;
  put_string(w, tag, w->c->hosts.bytes + span[0], span[1]);
}

// The node that stands for "every global and module", made when the first function needs it.
static uint32_t all_node(walk *w) {
  if (w->c->all == MOON_NONE) {
    lua_pushboolean(w->L, 1);
    w->c->all = add_node(w, MOON_NODE_ALL, MOON_NONE, NULL);
  }
  return w->c->all;
}

static void put_key(walk *w, const moon_key *k) {
  moon_buffer *raw = &w->c->raw;
  if (k->rank == 1) need(w, moon_put_byte(raw, k->boolean ? MOON_TRUE : MOON_FALSE));
  else if (k->rank == 3) put_string(w, MOON_STRING, k->string, k->length);
  else if (k->is_integer) need(w, moon_put_byte(raw, MOON_INTEGER) && moon_put_number(raw, moon_zigzag(k->integer)));
  else {
    lua_Number n = k->number;
    uint64_t bits;
    memcpy(&bits, &n, sizeof bits);
    if (n != n) bits = 0x7ff8000000000000u;                    // processors differ in the sign of 0/0
    need(w, moon_put_byte(raw, MOON_FLOAT) && moon_put(raw, &bits, sizeof bits));
  }
}

// Writes the value on top of the stack (and pops it) into the record of `parent`. The globals as a value (rather than as a
// function's `_ENV`) can be indexed with anything, so they bring all user globals along.
static void put_value(walk *w, uint32_t parent, bool as_environment) {
  lua_State *L = w->L;
  moon_capture *c = w->c;
  int type = lua_type(L, -1);
  switch (type) {
  case LUA_TNIL: need(w, moon_put_byte(&c->raw, MOON_NIL)); break;
  case LUA_TBOOLEAN: case LUA_TNUMBER: case LUA_TSTRING: {
    moon_key k = moon_key_at(L, -1);
    put_key(w, &k);
    break;
  }
  case LUA_TTHREAD: moon_capture_raise(L, c, w->base + WORK, parent, "cannot keep a coroutine");
  default: {
    const void *address = lua_topointer(L, -1);
    const uint32_t *known = moon_map_get(&c->objects, (uintptr_t)address);
    if (known && *known == MOON_IS_HOST) {                     // host object 0: the globals
      if (as_environment) need(w, moon_put_byte(&c->raw, MOON_GLOBALS));
      else put_reference(w, MOON_ALL_GLOBALS, all_node(w));
    } else if (known && *known & MOON_IS_HOST) {
      uint32_t host = *known & ~MOON_IS_HOST;
      // `load` and `require` run code that may name any global.
      if (host == c->load || host == c->require) put_reference(w, MOON_REACHING_HOST, all_node(w));
      put_way(w, MOON_HOST, host);
    } else if (known) put_reference(w, MOON_REFERENCE, *known);
    else if (type == LUA_TTABLE || (type == LUA_TFUNCTION && !lua_iscfunction(L, -1))) {
      lua_pushvalue(L, -1);
      uint8_t kind = type == LUA_TTABLE ? MOON_NODE_TABLE : MOON_NODE_FUNCTION;
      put_reference(w, MOON_REFERENCE, add_node(w, kind, parent, address));
    } else {
      const char *what = type == LUA_TFUNCTION ? "cannot keep a C function that is not part of the host's API"
                                               : "cannot keep a userdata; make it inside the function that needs it";
      moon_capture_raise(L, c, w->base + WORK, parent, what);
    }
  }
  }
  lua_pop(L, 1);
}

// ---- Tables ---------------------------------------------------------------------------------------------------------------

// What a weak table holds depends on the collector until it has run; nothing of the script runs during a capture, so once is
// enough. Objects that are nodes already stay: WORK holds them.
static void settle_weak(walk *w) {
  if (w->c->collected) return;
  w->c->collected = true;
  lua_gc(w->L, LUA_GCCOLLECT);
}

static void put_metatable(walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: table
  if (!lua_getmetatable(L, -1)) {
    need(w, moon_put_byte(&w->c->raw, MOON_NIL));
    return;
  }
  lua_pushliteral(L, "__mode");
  if (lua_rawget(L, -2) == LUA_TSTRING) settle_weak(w);
  lua_pop(L, 1);
  put_value(w, node, false);
}

static void capture_table(walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: table
  moon_capture *c = w->c;
  size_t flags = c->raw.length;
  need(w, moon_put_byte(&c->raw, 0));
  put_metatable(w, node);
  // Keys 1…n without a gap; not the length operator, whose answer may depend on how the table grew.
  lua_Integer n = 0;
  while (lua_rawgeti(L, -1, n + 1) != LUA_TNIL) lua_pop(L, 1), n++;
  lua_pop(L, 1);
  need(w, moon_put_number(&c->raw, (uint64_t)n));
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    put_value(w, node, false);
  }
  // The other keys, in their order; those that are objects go to a list and come last, as the table gives them.
  c->scratch.length = 0;
  lua_Integer objects = 0;
  for (lua_pushnil(L); lua_next(L, -2);) {                     // stack: table, key, value
    lua_pop(L, 1);
    moon_key k = moon_key_at(L, -1);
    if (k.rank == 2 && k.is_integer && k.integer >= 1 && k.integer <= n) continue;
    if (k.rank != 0) need(w, moon_put(&c->scratch, &k, sizeof k));
    else objects++;
  }
  size_t count = c->scratch.length / sizeof(moon_key);
  moon_keys_sort((moon_key *)(void *)c->scratch.bytes, count);
  need(w, moon_put_number(&c->raw, (uint64_t)count + (uint64_t)objects));
  for (size_t i = 0; i < count; i++) {
    moon_key k = ((moon_key *)(void *)c->scratch.bytes)[i];
    put_key(w, &k);
    moon_key_push(L, &k);
    lua_rawget(L, -2);
    put_value(w, node, false);
  }
  if (objects == 0) return;
  c->raw.bytes[flags] |= MOON_TABLE_UNORDERED;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {       // stack: table, key, value
    if (moon_key_at(L, -2).rank != 0) continue;
    lua_pushvalue(L, -2);
    put_value(w, node, false);
    lua_pushvalue(L, -1);
    put_value(w, node, false);
  }
}

// ---- Globals and modules --------------------------------------------------------------------------------------------------

// The node of the global with the key on top of the stack (popped), or MOON_NONE when the script has not touched it. The
// host's own way to the globals (`_G`, `load`, `require`) answers with the ALL node.
static uint32_t global_node(walk *w) {
  lua_State *L = w->L;
  lua_pushvalue(L, -1);
  if (lua_rawget(L, w->base + GLOBAL_NODES) == LUA_TNUMBER) {  // stack: key, number
    uint32_t node = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return node;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_rawget(L, w->base + GLOBALS);
  lua_pushvalue(L, -2);
  lua_rawget(L, w->base + PRISTINE);                           // stack: key, value, pristine value
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  uint32_t node = MOON_NONE;
  if (!same) {
    lua_pushvalue(L, -1);
    node = add_node(w, MOON_NODE_GLOBAL, MOON_NONE, NULL);
  } else if (lua_type(L, -1) == LUA_TSTRING) {
    const char *name = lua_tostring(L, -1);
    if (strcmp(name, "_G") == 0 || strcmp(name, "load") == 0 || strcmp(name, "require") == 0) node = all_node(w);
  }
  lua_pushvalue(L, -1);
  lua_pushinteger(L, node);
  lua_rawset(L, w->base + GLOBAL_NODES);                       // stack: key
  lua_pop(L, 1);
  return node;
}

static uint32_t module_node(walk *w) {                         // pops the name on top of the stack
  lua_State *L = w->L;
  lua_pushvalue(L, -1);
  uint32_t node;
  if (lua_rawget(L, w->base + MODULE_NODES) == LUA_TNUMBER) {
    node = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return node;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  node = add_node(w, MOON_NODE_MODULE, MOON_NONE, NULL);
  lua_pushinteger(L, node);
  lua_rawset(L, w->base + MODULE_NODES);
  return node;
}

// Appends the sorted primitive keys of the table at `index` to the scratch buffer.
static void collect_keys(walk *w, int index) {
  lua_State *L = w->L;
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pop(L, 1);
    moon_key k = moon_key_at(L, -1);
    if (k.rank != 0) need(w, moon_put(&w->c->scratch, &k, sizeof k));
  }
}

// The record of the ALL node. Keys that are objects are left out: code that has such a key holds the object, and can hold
// the value as well.
static void capture_all(walk *w) {
  lua_State *L = w->L;
  moon_capture *c = w->c;
  moon_buffer *scratch = &c->scratch;
  uint32_t count = 0;
  scratch->length = 0;
  collect_keys(w, w->base + GLOBALS);
  for (lua_pushnil(L); lua_next(L, w->base + PRISTINE);) {     // globals that the script removed
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    moon_key k = moon_key_at(L, -1);
    if (lua_rawget(L, w->base + GLOBALS) == LUA_TNIL && k.rank != 0) need(w, moon_put(scratch, &k, sizeof k));
    lua_pop(L, 1);
  }
  size_t globals = scratch->length / sizeof(moon_key);
  moon_keys_sort((moon_key *)(void *)scratch->bytes, globals);
  collect_keys(w, w->base + LOADED);
  size_t total = scratch->length / sizeof(moon_key);
  if (total > globals) moon_keys_sort((moon_key *)(void *)scratch->bytes + globals, total - globals);
  c->text.length = 0;                                          // the references, to be counted first
  for (size_t i = 0; i < total; i++) {
    moon_key k = ((moon_key *)(void *)scratch->bytes)[i];
    moon_key_push(L, &k);
    uint32_t node = i < globals ? global_node(w) : module_node(w);
    if (node == MOON_NONE || node == c->all) continue;
    need(w, moon_put_number(&c->text, (uint64_t)node * 2));
    count++;
  }
  need(w, moon_put_number(&c->raw, count) && moon_put(&c->raw, c->text.bytes, c->text.length));
}

// The record of a global or a module: its key is in WORK.
static void capture_entry(walk *w, uint32_t node, int table) {
  lua_State *L = w->L;                                         // stack: key
  lua_pushvalue(L, -1);
  put_value(w, node, false);
  lua_pushvalue(L, -1);
  lua_rawget(L, w->base + table);
  put_value(w, node, false);
}

// ---- Functions ------------------------------------------------------------------------------------------------------------

static int collect(lua_State *L, const void *bytes, size_t count, void *buffer) {
  (void)L;
  return moon_put(buffer, bytes, count) ? 0 : 1;
}

// The capture's number of the prototype of the function on top of the stack. Closures of one prototype give equal dumps, so
// ten thousand functions from a loop are one prototype.
static uint32_t prototype(walk *w) {
  moon_capture *c = w->c;
  c->scratch.length = 0;
  if (lua_dump(w->L, collect, &c->scratch, 0) != 0) no_memory(w->L);
  uint64_t key = moon_proto_key(c->scratch.bytes, c->scratch.length);
  moon_proto **protos = (moon_proto **)(void *)c->protos.bytes;
  const uint32_t *known = moon_map_get(&c->proto_index, key);
  if (known && protos[*known]->dump_length == c->scratch.length &&
      memcmp(protos[*known]->dump, c->scratch.bytes, c->scratch.length) == 0)
    return *known;
  moon_proto *proto = moon_proto_intern(c->scratch.bytes, c->scratch.length);
  if (!proto) no_memory(w->L);
  uint32_t index = (uint32_t)(c->protos.length / sizeof proto);
  if (!moon_put(&c->protos, &proto, sizeof proto)) {
    moon_proto_release(proto);
    no_memory(w->L);
  }
  if (!known) need(w, moon_map_put(&c->proto_index, key, index));
  return index;
}

// Writes the upvalue whose value is on top of the stack (popped) as a reference to its cell.
static void put_cell(walk *w, uint32_t function, int upvalue, const char *name, uint8_t flags) {
  lua_State *L = w->L;                                         // stack: function, value
  moon_capture *c = w->c;
  const void *id = lua_upvalueid(L, -2, upvalue);
  const uint32_t *known = moon_map_get(&c->objects, (uintptr_t)id);
  if (known && *known & MOON_IS_HOST_CELL) {
    put_way(w, MOON_HOST_CELL, (*known & ~MOON_IS_HOST_CELL) / 256);
    need(w, moon_put_byte(&c->raw, *known & 255));
    lua_pop(L, 1);
    return;
  }
  uint32_t cell = known ? *known : MOON_NONE;
  if (!known) {
    cell = add_node(w, MOON_NODE_CELL, function, id);
    moon_nodes(c)[cell].upvalue = (uint8_t)upvalue;
  } else lua_pop(L, 1);
  if (flags & MOON_UPVALUE_ASSIGNED && !(moon_nodes(c)[cell].flags & MOON_ASSIGNED)) {
    moon_nodes(c)[cell].flags |= MOON_ASSIGNED;
    moon_nodes(c)[cell].name = (uint32_t)c->names.length;
    need(w, moon_put(&c->names, name, strlen(name) + 1));
  }
  put_reference(w, MOON_CELL, cell);
}

// The globals that the code of a function can name through an upvalue that holds the globals.
static void collect_uses(walk *w, const moon_proto *p, int upvalue, uint32_t *count) {
  lua_State *L = w->L;
  moon_buffer *uses = &w->c->text;
  if (p->flags[upvalue] & MOON_UPVALUE_READ) {
    need(w, moon_put_number(uses, (uint64_t)all_node(w) * 2));
    ++*count;
    return;
  }
  moon_reader names = {.at = p->names, .end = p->names_end};
  while (names.at < names.end) {
    uint8_t index = moon_get_byte(&names);
    uint64_t length = moon_get_number(&names);
    const uint8_t *name = moon_get(&names, length);
    if (index != upvalue) continue;
    lua_pushlstring(L, (const char *)name, length);
    uint32_t node = global_node(w);
    if (node == MOON_NONE) continue;
    need(w, moon_put_number(uses, (uint64_t)node * 2));
    ++*count;
  }
}

static void capture_function(walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: function
  moon_capture *c = w->c;
  uint32_t index = prototype(w), uses = 0;
  const moon_proto *p = ((moon_proto **)(void *)c->protos.bytes)[index];
  need(w, moon_put_number(&c->raw, index) && moon_put_number(&c->raw, p->upvalue_count));
  c->text.length = 0;
  for (int i = 0; i < p->upvalue_count; i++) {
    const char *name = lua_getupvalue(L, -1, i + 1);           // kept by the prototype
    bool environment = lua_rawequal(L, -1, w->base + GLOBALS);
    put_cell(w, node, i + 1, name ? name : "?", p->flags[i]);
    if (environment) collect_uses(w, p, i, &uses);
  }
  need(w, moon_put_number(&c->raw, uses) && moon_put(&c->raw, c->text.bytes, c->text.length));
}

static void capture_cell(walk *w, uint32_t node) {
  lua_State *L = w->L;                                         // stack: the value when the cell was found
  lua_pushvalue(L, -1);
  put_value(w, node, true);
}

// ---- A job ----------------------------------------------------------------------------------------------------------------

static void capture_node(walk *w, uint32_t node) {
  moon_capture *c = w->c;
  size_t start = c->raw.length;
  uint8_t kind = moon_nodes(c)[node].kind;
  need(w, moon_put_byte(&c->raw, kind));
  lua_rawgeti(w->L, w->base + WORK, (lua_Integer)node + 1);    // stack: object or key
  switch (kind) {
  case MOON_NODE_TABLE: capture_table(w, node); break;
  case MOON_NODE_FUNCTION: capture_function(w, node); break;
  case MOON_NODE_CELL: capture_cell(w, node); break;
  case MOON_NODE_GLOBAL: capture_entry(w, node, GLOBALS); break;
  case MOON_NODE_MODULE: capture_entry(w, node, LOADED); break;
  case MOON_NODE_ALL: capture_all(w); break;
  }
  lua_pop(w->L, 1);
  if (c->raw.length > UINT32_MAX / 2) luaL_error(w->L, "the script's jobs keep more than 2 GB; keep less in locals and globals");
  moon_nodes(c)[node].start = (uint32_t)start;
  moon_nodes(c)[node].length = (uint32_t)(c->raw.length - start);
}

// The content array of the globals (the first host object) as a table.
static void fill_pristine(lua_State *L) {
  lua_rawgeti(L, -1, PRISTINE);                                // stack: kept, pristine
  lua_rawgetp(L, LUA_REGISTRYINDEX, &moon_hosts_key);
  lua_rawgeti(L, -1, MOON_HOST_CONTENT);                       // stack: kept, pristine, hosts, content
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i < n; i += 2) {
    lua_rawgeti(L, -1, i);
    lua_rawgeti(L, -2, i + 1);
    lua_rawset(L, -5);
  }
  lua_pop(L, 3);
}

/// Where the registry has the tables of the last capture.
static const char kept_key = 'k';

// Pushes the tables that live as long as the capture and the state's own.
static void enter(walk *w) {
  lua_State *L = w->L;
  if (!w->c->entered) {                                        // those of an earlier capture go
    lua_createtable(L, KEPT, 0);
    for (int i = WORK; i <= KEPT; i++) {
      lua_newtable(L);
      lua_rawseti(L, -2, i);
    }
    fill_pristine(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
    w->c->entered = true;
  } else lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key);
  for (int i = WORK; i <= KEPT; i++) lua_rawgeti(L, w->base + 1, i);
  lua_remove(L, w->base + 1);                                  // stack: WORK, GLOBAL_NODES, MODULE_NODES, PRISTINE
  lua_pushglobaltable(L);
  moon_capsule_loaded(L);
}

void moon_capture_add(lua_State *L, moon_capture *c, int roots) {
  luaL_checkstack(L, 30, "capsule");
  roots = lua_absindex(L, roots);
  luaL_checktype(L, roots, LUA_TTABLE);
  walk w = {.L = L, .c = c, .base = lua_gettop(L)};
  if (!c->started) moon_capture_start(L, c);
  c->failed_job = moon_capture_count(c);
  enter(&w);
  uint32_t node = moon_node_count(c);
  size_t before = c->raw.length;
  lua_pushvalue(L, roots);
  // Without an address: two jobs given the same table have a root each.
  uint32_t root = add_node(&w, MOON_NODE_TABLE, MOON_NONE, NULL);
  need(&w, moon_put(&c->roots, &root, sizeof root));
  for (; node < moon_node_count(c); node++) {
    capture_node(&w, node);
    // More than both limits together can only fail later: say so before it grows further.
    if (c->raw.length - before > MOON_CAPSULE_JOB_LIMIT + MOON_CAPSULE_SCRIPT_LIMIT)
      luaL_error(L, "its functions reach more than %d MB of data; build large tables inside run, or read them from a file",
                 (int)((MOON_CAPSULE_JOB_LIMIT + MOON_CAPSULE_SCRIPT_LIMIT) >> 20));
  }
  lua_settop(L, w.base);
  c->failed_job = SIZE_MAX;
}

int moon_capture_add_c(lua_State *L) {
  moon_capture *c = lua_touserdata(L, 1);
  luaL_argcheck(L, c, 1, "capture expected");
  moon_capture_add(L, c, 2);
  return 0;
}

// Capture: walks what the roots of a job reach and writes a record per node.
//
// The list of nodes is the work queue: a record that mentions a new object appends a node, and the loop in
// `moon_capture_add` goes on until every node has its record. Nothing recurses, and an object that an earlier job
// reached is not walked again. Since keys are taken in canonical order, so are nodes, and the first error is the same
// in every process.
#include "capsule_walk.h"

static void capture_node(moon_walk *w, uint32_t node) {
  moon_capture *c = w->c;
  size_t start = c->raw.length;
  uint8_t kind = moon_nodes(c)[node].kind;
  moon_walk_need(w, moon_put_byte(&c->raw, kind));
  lua_rawgeti(w->L, w->base + WORK, (lua_Integer)node + 1);    // stack: object or key
  switch (kind) {
  case MOON_NODE_TABLE: moon_walk_table(w, node); break;
  case MOON_NODE_FUNCTION: moon_walk_function(w, node); break;
  case MOON_NODE_CELL: moon_walk_cell(w, node); break;
  case MOON_NODE_GLOBAL: moon_walk_entry(w, node, GLOBALS); break;
  case MOON_NODE_MODULE: moon_walk_entry(w, node, LOADED); break;
  case MOON_NODE_ALL: moon_walk_everything(w); break;
  }
  lua_pop(w->L, 1);
  if (c->raw.length > UINT32_MAX / 2)
    luaL_error(w->L, "the script's jobs keep more than 2 GB; keep less in locals and globals");
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
static void enter(moon_walk *w) {
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

static void put_module_node(moon_walk *w, uint32_t node) {
  moon_walk_need(w, moon_put(&w->c->modules, &node, sizeof node));
}

// Notes what belongs to modules among the nodes from `first` on: functions that a file below lib/ made, and what
// `require` gave. They and all that they lead to are the script's, however few of its jobs use them: a large table of a
// module counts against the limit of the script and not of a job. Only looked for when a job reaches so much.
static void note_modules(moon_walk *w, uint32_t first) {
  lua_State *L = w->L;
  for (uint32_t node = first; node < moon_node_count(w->c); node++) {
    if (moon_nodes(w->c)[node].kind != MOON_NODE_FUNCTION) continue;
    lua_Debug ar;
    lua_rawgeti(L, w->base + WORK, (lua_Integer)node + 1);
    lua_getinfo(L, ">S", &ar);
    if (strncmp(ar.source, "@lib/", 5) == 0) put_module_node(w, node);
  }
  for (lua_pushnil(L); lua_next(L, w->base + LOADED); lua_pop(L, 1)) {
    uintptr_t address = (uintptr_t)lua_topointer(L, -1);
    const uint32_t *node = address && !lua_islightuserdata(L, -1) ? moon_map_get(&w->c->objects, address) : NULL;
    if (node && *node < moon_node_count(w->c)) put_module_node(w, *node);   // others are the host's
  }
}

void moon_capture_add(lua_State *L, moon_capture *c, int roots) {
  luaL_checkstack(L, 30, "capsule");
  roots = lua_absindex(L, roots);
  luaL_checktype(L, roots, LUA_TTABLE);
  moon_walk w = {.L = L, .c = c, .base = lua_gettop(L)};
  if (!c->started) moon_capture_start(L, c);
  c->failed_job = moon_capture_count(c);
  enter(&w);
  uint32_t node = moon_node_count(c);
  size_t before = c->raw.length;
  lua_pushvalue(L, roots);
  // Without an address: two jobs given the same table have a root each.
  uint32_t root = moon_walk_node(&w, MOON_NODE_TABLE, MOON_NONE, NULL);
  moon_walk_need(&w, moon_put(&c->roots, &root, sizeof root));
  for (; node < moon_node_count(c); node++) {
    capture_node(&w, node);
    // More than both limits together can only fail later: say so before it grows further.
    if (c->raw.length - before > MOON_CAPSULE_JOB_LIMIT + MOON_CAPSULE_SCRIPT_LIMIT)
      luaL_error(L, "its functions reach more than %d MB of data; build large tables inside run, or read them from a file",
                 (int)((MOON_CAPSULE_JOB_LIMIT + MOON_CAPSULE_SCRIPT_LIMIT) >> 20));
  }
  if (c->raw.length - before > MOON_CAPSULE_JOB_LIMIT) note_modules(&w, root);
  lua_settop(L, w.base);
  c->failed_job = SIZE_MAX;
}

int moon_capture_add_c(lua_State *L) {
  moon_capture *c = lua_touserdata(L, 1);
  luaL_argcheck(L, c, 1, "capture expected");
  moon_capture_add(L, c, 2);
  return 0;
}

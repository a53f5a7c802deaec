// Making what the catalogue describes, in the state of a job.
//
// An object to which more than one thing refers is remembered by its node in a table of the registry, from before it is
// filled: so whatever is made later finds the same one, and cycles end. A cell lives in the first function that has it;
// `lua_upvaluejoin` gives it to the others, as in capsule_build.c.
#include "catalogue.h"

/// Where the registry has the objects by node + 1. Of a cell: a function that has it, and by minus that, the upvalue's
/// number.
static const char made_key = 'm';

typedef struct {
  lua_State *L;
  const moon_catalogue *c;
  int made;     // stack index of the table
} making;

static void push_thing(making *m, const moon_thing *t);

static const char *feed(lua_State *L, void *data, size_t *size) {
  (void)L;
  const moon_node_made **n = data, *now = *n;
  *n = NULL;
  *size = now ? now->code_size : 0;
  return now ? now->code : NULL;
}

/// Remembers the object on top of the stack.
static void remember(making *m, uint32_t node) {
  if (m->c->nodes[node].references < 2) return;
  lua_pushvalue(m->L, -1);
  lua_rawseti(m->L, m->made, (lua_Integer)node + 1);
}

/// Upvalue number `i` of the function on top of the stack becomes the cell.
static void join_cell(making *m, int i, uint32_t node) {
  lua_State *L = m->L;
  const moon_node_made *cell = &m->c->nodes[node];
  bool shared = cell->references > 1;
  if (shared && lua_rawgeti(L, m->made, (lua_Integer)node + 1) == LUA_TFUNCTION) {
    lua_rawgeti(L, m->made, -(lua_Integer)node - 1);
    int upvalue = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    lua_upvaluejoin(L, -2, i, -1, upvalue);
    lua_pop(L, 1);
    return;
  }
  if (shared) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, m->made, (lua_Integer)node + 1);
    lua_pushinteger(L, i);
    lua_rawseti(L, m->made, -(lua_Integer)node - 1);
  }
  push_thing(m, &cell->things[0]);
  lua_setupvalue(L, -2, i);
}

static void push_node(making *m, uint32_t node) {
  lua_State *L = m->L;
  // Level by level, so that the stack does not grow for the depth of a few (in an image, that would leave a hole). Lua
  // refuses when the stack has a million slots: an error now would leave objects half made, so the run ends.
  if (!lua_checkstack(L, 6)) moon_leave(state_of(L), MOON_STOP_MEMORY);
  const moon_node_made *n = &m->c->nodes[node];
  if (n->references > 1) {
    if (lua_rawgeti(L, m->made, (lua_Integer)node + 1) != LUA_TNIL) return;
    lua_pop(L, 1);
  }
  switch (n->kind) {
    case MOON_MAKES_TABLE:
      lua_createtable(L, 0, (int)n->count / 2);
      remember(m, node);
      for (uint32_t i = 0; i < n->count; i += 2) {
        push_thing(m, &n->things[i]);
        push_thing(m, &n->things[i + 1]);
        lua_rawset(L, -3);
      }
      if (n->metatable.kind == MOON_THING_NIL) break;
      push_thing(m, &n->metatable);
      lua_setmetatable(L, -2);
      break;
    case MOON_MAKES_CLOSURE:
      for (uint32_t i = 0; i < n->count; i++) push_thing(m, &n->things[i]);
      lua_pushcclosure(L, n->function, (int)n->count);
      remember(m, node);
      break;
    case MOON_MAKES_FUNCTION: {
      const moon_node_made *p = n;
      if (lua_load(L, feed, &p, "=[host]", "b") != LUA_OK) lua_error(L);
      remember(m, node);
      for (uint32_t i = 0; i < n->count; i++) join_cell(m, (int)i + 1, n->things[i].node);
      break;
    }
    case MOON_MAKES_RANDOM:
      moon_state_set_random(state_of(L), lua_newuserdatauv(L, 4 * sizeof(uint64_t), 0));
      remember(m, node);
      break;
    case MOON_MAKES_CELL: break;   // only inside functions
  }
}

static void push_thing(making *m, const moon_thing *t) {
  lua_State *L = m->L;
  switch (t->kind) {
    case MOON_THING_NIL: lua_pushnil(L); break;
    case MOON_THING_BOOLEAN: lua_pushboolean(L, t->boolean); break;
    case MOON_THING_INTEGER: lua_pushinteger(L, t->integer); break;
    case MOON_THING_NUMBER: lua_pushnumber(L, t->number); break;
    case MOON_THING_STRING: lua_pushlstring(L, t->string.bytes, t->string.size); break;
    case MOON_THING_ADDRESS: lua_pushlightuserdata(L, t->address); break;
    case MOON_THING_FUNCTION: lua_pushcfunction(L, t->function); break;
    case MOON_THING_GLOBALS: lua_pushglobaltable(L); break;
    case MOON_THING_NODE: push_node(m, t->node); break;
  }
}

void moon_catalogue_push(lua_State *L, const moon_catalogue *c, const moon_thing *t) {
  making m = {.L = L, .c = c};
  if (t->kind != MOON_THING_NODE) {
    push_thing(&m, t);
    return;
  }
  luaL_checkstack(L, 16, "no room to make a host module");
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &made_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &made_key);
  }
  m.made = lua_gettop(L);
  push_thing(&m, t);
  lua_remove(L, m.made);
}

// Globals that are not there: what reading one means.
//
// It depends on who reads. In a file below lib/, which is often somebody else's library, it is nil, as everywhere else
// in the Lua world: libraries ask for what other hosts have. In a script it is an error that names the closest name,
// because it is a spelling mistake, or something that the host does not have. A name that the script assigns anywhere
// is no mistake.
//
// All of this is on the way of a miss: a global that is there costs nothing.
#include <stdlib.h>
#include <string.h>
#include "include/moon_capsule.h"
#include "capsule_proto.h"
#include "internal.h"

static const char chunks_key = 'c', declared_key = 'd';

static const struct { const char *name, *instead; } elsewhere[] = {
  {"io", "use fs for files, exec for programs, print or log for lines"},
  {"package", "require finds modules below lib/, and nothing else is searched"},
  {"dofile", "put the file below lib/ and require it"},
  {"loadfile", "put the file below lib/ and require it, or load what fs.read gives"},
  {"warn", "use log.warn"},
  {"arg", "a job's parameters are in ctx.params"},
  {"unpack", "use table.unpack"},
  {"loadstring", "use load"},
  {"setfenv", "give load an environment, or make a local _ENV"},
  {"getfenv", "use _ENV"},
  {"module", "let the file return a table"},
  {"bit", "Lua 5.4 has the operators & | ~ << >>"},
  {"bit32", "Lua 5.4 has the operators & | ~ << >>"},
  {"jit", "this is Lua 5.4"},
  {"ffi", "native code cannot be called"},
  {"ngx", "this is not OpenResty"},
};

const char *moon_instead_of(const char *name) {
  for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
    if (strcmp(name, elsewhere[i].name) == 0) return elsewhere[i].instead;
  return NULL;
}

/// Whether the innermost code that stands in a file stands below lib/. A chunk that was loaded from text is its
/// caller's.
bool moon_reader_is_library(lua_State *L) {
  lua_Debug ar;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "S", &ar);
    // A file with an absolute path is the system's: scripts and their modules are named from their directory.
    if (ar.source[0] == '@') return strncmp(ar.source, "@lib/", 5) == 0 || ar.source[1] == '/';
  }
  return false;
}

// ---- what a script assigns ------------------------------------------------------------------------------------------

void moon_note_chunk(lua_State *L) {   // stack: …, function
  luaL_checkstack(L, 6, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "moondial chunks");
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

static int append(lua_State *L, const void *bytes, size_t size, void *buffer) {
  moon_flat_put(L, buffer, bytes, size);
  return 0;
}

/// Buffers of a scan. They belong to the state, since a run may be left in the middle of one.
struct moon_scan {
  moon_flat dump;
  moon_buffer uses;
};

void moon_scan_free(moon_state *s) {
  if (!s->scan) return;
  moon_flat_free(&s->scan->dump);
  moon_buffer_free(&s->scan->uses);
  free(s->scan);
  s->scan = NULL;
}

static moon_scan *new_scan(lua_State *L) {
  moon_state *s = state_of(L);
  moon_scan_free(s);
  s->scan = calloc(1, sizeof *s->scan);
  if (!s->scan) luaL_error(L, "not enough memory to look at the script");
  return s->scan;
}

typedef void (*visitor)(lua_State *L, const moon_global_use *use, void *argument);

/// Calls `visit` for each use of a global in the chunks that were loaded. May raise.
static void visit_uses(lua_State *L, visitor visit, void *argument) {
  moon_scan *s = new_scan(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "moondial chunks");
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TFUNCTION; i++) {
    lua_Debug ar;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &ar);
    s->dump.size = s->uses.length = 0;
    lua_dump(L, append, &s->dump, 0);
    lua_pop(L, 1);
    if (!moon_bytecode_globals(s->dump.bytes, s->dump.size, &s->uses)) continue;
    moon_reader r = {.at = s->uses.bytes, .end = s->uses.bytes + s->uses.length};
    while (r.at < r.end) {
      moon_global_use use = {.source = ar.source, .assigned = moon_get_byte(&r)};
      use.line = (uint32_t)moon_get_number(&r);
      use.length = moon_get_number(&r);
      use.name = (const char *)moon_get(&r, use.length);
      if (r.bad) break;
      visit(L, &use, argument);
    }
  }
  lua_pop(L, 2);
  moon_scan_free(state_of(L));
}

static void note_assigned(lua_State *L, const moon_global_use *use, void *argument) {
  if (!use->assigned) return;
  int table = *(int *)argument;
  lua_pushlstring(L, use->name, use->length);
  lua_pushboolean(L, 1);
  lua_rawset(L, table);
}

/// Whether the script that is loading assigns the global of that name anywhere, be it further down.
static bool is_assigned(lua_State *L, int name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "moondial chunks");
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  lua_pop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &chunks_key);
  bool known = lua_tointeger(L, -1) == count;
  lua_pop(L, 1);
  if (!known) {
    lua_newtable(L);
    int table = lua_gettop(L);
    visit_uses(L, note_assigned, &table);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &declared_key);
    lua_pushinteger(L, count);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &chunks_key);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &declared_key);
  lua_pushvalue(L, name);
  bool found = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return found;
}

bool moon_push_undeclared(lua_State *L, int key) {
  moon_state *s = state_of(L);
  size_t size;
  const char *name = lua_tolstring(L, key, &size);
  luaL_checkstack(L, 12, NULL);
  if (strcmp(name, "debug") == 0) return moon_push_library(L, name), true;
  if (moon_reader_is_library(L)) {
    if (strcmp(name, "io") == 0 || strcmp(name, "package") == 0) moon_push_library(L, name);
    else lua_pushnil(L);
    return true;
  }
  bool declared;
  if (s->declaring) {
    declared = is_assigned(L, key);
  } else {
    s->foreign++;
    declared = s->runtime->options.callbacks.declares(s->owner, name, size);
    s->foreign--;
  }
  if (declared) return lua_pushnil(L), true;
  const char *instead = moon_instead_of(name);
  if (instead) luaL_error(L, "%s is not here: %s", name, instead);
  return false;
}

// ---- for the host ---------------------------------------------------------------------------------------------------

static void put(lua_State *L, moon_flat *out, const void *bytes, uint32_t size) {
  moon_flat_put(L, out, &size, 4);
  moon_flat_put(L, out, bytes, size);
}

static void list_use(lua_State *L, const moon_global_use *use, void *argument) {
  moon_flat *out = argument;
  lua_pushlstring(L, use->name, use->length);
  bool here = false;
  if (!use->assigned) {
    lua_pushglobaltable(L);
    lua_pushvalue(L, -2);
    here = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
  }
  bool is_debug = strcmp(lua_tostring(L, -1), "debug") == 0;
  lua_pop(L, 1);
  if (here || is_debug || (!use->assigned && strncmp(use->source, "@lib/", 5) == 0)) return;
  uint8_t kind = use->assigned;
  moon_flat_put(L, out, &kind, 1);
  moon_flat_put(L, out, &use->line, 4);
  put(L, out, use->source, (uint32_t)strlen(use->source));
  put(L, out, use->name, (uint32_t)use->length);
}

static int list_uses(lua_State *L) {   // stack: buffer
  visit_uses(L, list_use, lua_touserdata(L, 1));
  return 0;
}

moon_status moon_state_globals(moon_state *s, moon_flat *out) { return moon_protected(s->L, list_uses, out, 0); }

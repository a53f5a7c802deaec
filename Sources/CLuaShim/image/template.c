// The template: one sandboxed state with all host modules in it. image.c saves it.
#include <stdlib.h>
#include <string.h>
#include "include/moon_capsule.h"
#include "internal.h"

static int set_up(lua_State *L) {
  moon_open_sandbox(L);
  lua_newtable(L);   // the module "@host"
  lua_pushcfunction(L, moon_branch);
  lua_setfield(L, -2, "branch");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_host_key);
  return 0;
}

moon_state *moon_template_new(moon_runtime *r) { return moon_template_bare(r, set_up); }

/// Pushes the table of a module: the globals for "", the internal functions for "@host", else a global table, made if
/// need be.
void moon_get_module(lua_State *L, const char *name) {
  if (name[0] == 0) {
    lua_pushglobaltable(L);
  } else if (strcmp(name, "@host") == 0) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &moon_host_key);
  } else {
    lua_pushglobaltable(L);
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    if (!lua_istable(L, -1)) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushstring(L, name);
      lua_pushvalue(L, -2);
      lua_rawset(L, -4);
      // Tracebacks find the names of C functions through this table.
      luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
      lua_pushvalue(L, -2);
      lua_setfield(L, -2, name);
      lua_pop(L, 1);
    }
    lua_remove(L, -2);
  }
}

typedef struct {
  const char *module, *name;
  int32_t number, modes;
  moon_function code;
} definition;

static int define(lua_State *L) {
  definition *d = lua_touserdata(L, 1);
  moon_get_module(L, d->module);
  lua_pushstring(L, d->name);
  if (d->code) {
    lua_pushcfunction(L, d->code);
  } else {
    lua_pushinteger(L, (lua_Integer)d->number * 4 + d->modes);
    lua_pushcclosure(L, moon_host_call, 1);
  }
  lua_rawset(L, -3);
  return 0;
}

moon_status moon_template_function(
  moon_state *s, const char *module, const char *name, int32_t number, int32_t modes, moon_function code) {
  definition d = {module, name, number, modes, code};
  return moon_protected(s->L, define, &d, 0);
}

static int set_constant(lua_State *L) {   // stack: value, definition
  definition *d = lua_touserdata(L, 2);
  moon_get_module(L, d->module);
  lua_pushstring(L, d->name);
  lua_pushvalue(L, 1);
  lua_rawset(L, -3);
  return 0;
}

moon_status moon_template_constant(moon_state *s, const char *module, const char *name) {
  definition d = {module, name, 0, 0, NULL};
  lua_State *L = s->L;
  lua_pushcfunction(L, set_constant);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, &d);
  moon_guard guard;
  MOON_ENTER(s, guard);
  moon_status status = MOON_ABANDONED;
  if (_setjmp(guard.jump) == 0) status = lua_pcall(L, 2, 0, 0) == LUA_OK ? MOON_OK : MOON_ERROR;
  MOON_EXIT(s, guard);
  return status;
}

typedef struct {
  const char *module, *source, *chunk;
  size_t size;
} prelude;

static int register_context(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  moon_capsule_name(L, "context");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &moon_context_key);
  return 0;
}

typedef struct {
  char *bytes;
  size_t size, capacity;
} code;

static int append_code(lua_State *L, const void *bytes, size_t size, void *argument) {
  (void)L;
  code *c = argument;
  if (c->capacity - c->size < size) {
    size_t capacity = (c->size + size) * 2;
    char *grown = realloc(c->bytes, capacity);
    if (!grown) return 1;
    c->bytes = grown;
    c->capacity = capacity;
  }
  memcpy(c->bytes + c->size, bytes, size);
  c->size += size;
  return 0;
}

/// Compiles a prelude in a state of its own and keeps the code without its debug information: what the compiler leaves
/// behind would otherwise stay as holes in the image that every state is a copy of. Returns NULL, or the error message
/// (malloc'ed).
static char *compile_prelude(const prelude *p, code *out) {
  lua_State *C = luaL_newstate();
  if (!C) return strdup("out of memory");
  char *message = NULL;
  if (luaL_loadbufferx(C, p->source, p->size, p->chunk, "t") != LUA_OK)
    message = strdup(lua_tostring(C, -1));   // a syntax error's message is a string
  else if (lua_dump(C, append_code, out, 1) != 0)
    message = strdup("out of memory");
  lua_close(C);
  return message;
}

static int raise_text(lua_State *L) { return luaL_error(L, "%s", (const char *)lua_touserdata(L, 1)); }

typedef struct {
  const prelude *prelude;
  const code *code;
} compiled;

static int run_prelude(lua_State *L) {
  const compiled *c = lua_touserdata(L, 1);
  const prelude *p = c->prelude;
  if (luaL_loadbufferx(L, c->code->bytes, c->code->size, p->chunk, "b") != LUA_OK) return lua_error(L);
  moon_get_module(L, p->module);
  moon_get_module(L, "@host");
  lua_pushcfunction(L, register_context);
  lua_setfield(L, -2, "context");
  lua_call(L, 2, 0);
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

moon_status moon_template_prelude(
  moon_state *s, const char *module, const char *source, size_t size, const char *chunk) {
  prelude p = {module, source, chunk, size};
  code out = {0};
  char *message = compile_prelude(&p, &out);
  moon_status status;
  if (message) {
    status = moon_protected(s->L, raise_text, message, 0);
  } else {
    compiled c = {&p, &out};
    status = moon_protected(s->L, run_prelude, &c, 0);
  }
  free(message);
  free(out.bytes);
  return status;
}

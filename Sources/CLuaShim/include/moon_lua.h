// The part of the shim that other C code of this target builds on: how to run C code against a Lua state so that
// neither a Lua error nor a kill ever crosses a Swift frame.
//
// Two things can leave a C function from inside any call into liblua:
//   * a Lua error: longjmp to the innermost lua_pcall; `moon_protected` has one;
//   * an abandon (memory limit, deadline, cancel): longjmp to the innermost guard; `moon_protected` has one. The Lua
//     state
//     is garbage afterwards and is only ever dropped.
// So a function run by `moon_protected` may hold memory of its own over a call into liblua only when its caller owns it
// and can find it after the jump (a `moon_flat` the caller frees).
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifndef __clang__   // nullability is for Swift; other compilers need not know it
#define _Nonnull
#define _Nullable
#endif

typedef struct lua_State lua_State;

/// The same type as `lua_CFunction`, without needing the Lua headers.
typedef int (*moon_function)(lua_State *_Nonnull L);

/// How a protected call ended.
typedef enum {
  /// The function returned; its results are on the stack.
  MOON_OK = 0,
  /// It raised; the error value is on the stack, in the place of the results.
  MOON_ERROR = 1,
  /// The run was abandoned in the middle. The stack says nothing any more; every later call answers MOON_ABANDONED at
  /// once.
  MOON_ABANDONED = 2,
} moon_status;

/// Calls `function` on `L` under a guard and a `lua_pcall`. Its only argument (stack index 1) is `argument` as a light
/// userdata. `results` values (or LUA_MULTRET) stay on the stack. Works on a state of ours and, for stand-alone
/// programs, on any other state whose extra space holds NULL (then without the guard).
moon_status moon_protected(
  lua_State *_Nonnull L, moon_function _Nonnull function, void *_Nullable argument, int32_t results);

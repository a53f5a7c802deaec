// What Swift sees of the shim: states, workers, steps, and the transfer of values. Everything here may be called from
// Swift: no function raises, and none returns by a jump.
#pragma once
#include <stdbool.h>
#include "moon_lua.h"

/// One process-wide reservation of address space, one template image and the callbacks into the host.
typedef struct moon_runtime moon_runtime;
/// A Lua state, living at the start of a 64 KB slot, with everything that a run needs to be stopped.
typedef struct moon_state moon_state;

// ---- the host's side ------------------------------------------------------------------------------------------------

/// What a callback into the host may answer besides a number of results (>= 0).
enum {
  /// The message on top of the stack is raised, with `file:line: ` of the calling script before it.
  MOON_RAISE = -1,
  /// The value on top of the stack is raised as it is.
  MOON_RAISE_VALUE = -2,
  /// The run suspends; `moon_state_set_ticket` has said for what.
  MOON_SUSPEND = -3,
};

/// What local time is at some second.
typedef struct {
  int32_t offset;     ///< seconds east of UTC
  int32_t daylight;   ///< whether that is daylight saving time
  char name[16];      ///< of the offset: "UTC", "+02"
} moon_local_time;

/// Callbacks into the host. They return before anything is raised or yielded, so no jump passes over their frames.
typedef struct {
  /// Calls host function number `function`.
  int32_t (*_Nonnull call)(void *_Nullable owner, lua_State *_Nonnull L, int32_t function);
  /// The function was called in a mode it does not support: push the message and answer MOON_RAISE.
  int32_t (*_Nonnull refuse)(void *_Nullable owner, lua_State *_Nonnull L, int32_t function);
  /// A suspended function goes on: push what its ticket brought.
  int32_t (*_Nonnull resume)(void *_Nullable owner, lua_State *_Nonnull L, uint32_t ticket);
  /// Stack index 1 is a module's name: push its source and its chunk name and answer 2, or raise.
  int32_t (*_Nonnull require)(void *_Nullable owner, lua_State *_Nonnull L);
  /// Local time at a second since 1970 (UTC), or where `civil` is set at a second counted in local time; `daylight`
  /// says then which of the two the second is meant in (1 or 0; -1: whichever holds).
  moon_local_time (*_Nonnull local_time)(void *_Nullable owner, int64_t second, bool civil, int32_t daylight);
  /// Whether the job's script assigns the global of that name anywhere, so that reading it before is no mistake.
  bool (*_Nonnull declares)(void *_Nullable owner, const char *_Nonnull name, size_t size);
  /// The step did not end although it was told to, softly and hard. Called on the monitor thread.
  void (*_Nonnull stuck)(void *_Nullable owner);
} moon_callbacks;

/// Where a host function may be called.
enum { MOON_IN_DECLARE = 1, MOON_IN_RUN = 2 };

typedef struct {
  moon_callbacks callbacks;
  size_t region_size;   ///< bytes of address space for states
  int64_t slice;        ///< nanoseconds of CPU time
  int64_t grace;        ///< nanoseconds from the soft stop to the hard one
  size_t source_limit;  ///< bytes of source text in one chunk
  int64_t stuck_after;  ///< nanoseconds from the hard stop to `stuck`
  int64_t host_patience;   ///< the same when the run is in a function of the host
  bool all_libraries;      ///< states of jobs have the libraries of the `lua` program: only behind a boundary
  uint64_t fail_allocation;   ///< tests: the n-th allocation of each template state fails (0: none)
} moon_options;

/// NULL when the address space cannot be had.
moon_runtime *_Nullable moon_runtime_new(const moon_options *_Nonnull options);
/// Only when no state of it is left.
void moon_runtime_free(moon_runtime *_Nonnull runtime);
/// Gives memory back that states used and no state uses. Any thread.
void moon_runtime_cool(moon_runtime *_Nonnull runtime);
/// Somebody waits for a worker: from now on slices preempt.
void moon_runtime_set_others_waiting(moon_runtime *_Nonnull runtime, bool waiting);
/// Whether a long C call can be left on this processor and with this liblua.
bool moon_has_backstop(void);
/// "Lua 5.4.4"
const char *_Nonnull moon_lua_release(void);

// ---- the template ---------------------------------------------------------------------------------------------------

/// A sandboxed state to be filled with host modules. NULL when memory ran out.
moon_state *_Nullable moon_template_new(moon_runtime *_Nonnull runtime);
/// Defines a host function. `module` "" means the globals; `code` is a plain lua_CFunction or NULL for a callback.
moon_status moon_template_function(
  moon_state *_Nonnull state, const char *_Nonnull module, const char *_Nonnull name, int32_t number, int32_t modes,
  moon_function _Nullable code);
/// Sets the value on top of the main stack as `module.name` and pops it.
moon_status moon_template_constant(moon_state *_Nonnull state, const char *_Nonnull module, const char *_Nonnull name);
/// Runs trusted Lua with the module's table and that of the internal functions (module "@host") as arguments.
moon_status moon_template_prelude(
  moon_state *_Nonnull state, const char *_Nonnull module, const char *_Nonnull source, size_t size,
  const char *_Nonnull chunk);
/// Takes the image. From now on `moon_state_new` works; the template state itself is gone, whatever the answer.
moon_status moon_template_seal(moon_state *_Nonnull state);
/// Bytes of the image of a job state, or of a declaring one, and how many of its words are moved on copy.
size_t moon_template_size(const moon_runtime *_Nonnull runtime, bool declaring);
size_t moon_template_pointers(const moon_runtime *_Nonnull runtime, bool declaring);

// ---- states ---------------------------------------------------------------------------------------------------------

/// A fresh state: a copy of the template. NULL when there is no slot. O(size of the image).
moon_state *_Nullable moon_state_new(
  moon_runtime *_Nonnull runtime, void *_Nullable owner, size_t memory_limit, bool declaring);
/// Drops everything of the state and copies the template again.
void moon_state_reset(moon_state *_Nonnull state);
/// Makes a fresh state ready for a script whose functions are to be captured: notes what the host had before it. Some
/// 0.5 MB of the state's memory, which is why the template does not bring it.
moon_status moon_state_prepare_capture(moon_state *_Nonnull state);
/// Gives the slot back. O(number of overflow blocks).
void moon_state_free(moon_state *_Nonnull state);
lua_State *_Nonnull moon_state_lua(moon_state *_Nonnull state);
void moon_state_set_owner(moon_state *_Nonnull state, void *_Nullable owner);
bool moon_state_is_declaring(const moon_state *_Nonnull state);
moon_state *_Nonnull moon_state_of(lua_State *_Nonnull L);

/// Bytes in use (blocks as rounded by the allocator), the most since `moon_state_mark_peak`, and bytes taken from the
/// system.
size_t moon_state_used(const moon_state *_Nonnull state);
size_t moon_state_peak(const moon_state *_Nonnull state);
size_t moon_state_footprint(const moon_state *_Nonnull state);
void moon_state_mark_peak(moon_state *_Nonnull state);
/// Bytes that the host holds for the run outside the state: they count as in use. Only on the thread that has the
/// state; a reset sets it to 0.
void moon_state_set_aside(moon_state *_Nonnull state, size_t bytes);
/// False after an abandon: reset or free it.
bool moon_state_is_whole(const moon_state *_Nonnull state);
/// A full garbage collection.
moon_status moon_state_collect(moon_state *_Nonnull state);
/// Tests: the n-th allocation from now on fails (0: none). Fails means that the run is abandoned.
void moon_state_fail_allocation(moon_state *_Nonnull state, uint64_t nth);
/// Tests: how many allocations the state has made while a failure was counted down.
uint64_t moon_state_allocations_left(const moon_state *_Nonnull state);
/// Seeds math.random with four words.
void moon_state_seed(moon_state *_Nonnull state, const uint64_t *_Nonnull words);

/// From any thread: the run is to end. A step that is going on ends; a later one ends at once.
void moon_state_cancel(moon_state *_Nonnull state);
/// Forgets a cancel that came too late.
void moon_state_clear_cancel(moon_state *_Nonnull state);

// ---- running --------------------------------------------------------------------------------------------------------

/// Takes the value on top of the main stack as the roots (entry name -> function).
moon_status moon_state_set_roots(moon_state *_Nonnull state);
/// Takes the first result of the finished run (a table) as the roots.
moon_status moon_state_take_roots(moon_state *_Nonnull state);
/// 1 if there is a function under that key, 0 if not, -1 abandoned.
int32_t moon_state_has_entry(moon_state *_Nonnull state, const char *_Nonnull name, size_t size);

/// Where the arguments of a run come from.
enum { MOON_ARGUMENT_NONE = 0, MOON_ARGUMENT_CONTEXT = 1, MOON_ARGUMENT_VALUES = 2 };
/// Makes the run's coroutine ready to call an entry. `argument` and then `extra` (both may be empty: encoded values, in
/// sequence) are its arguments. MOON_ERROR: no such entry.
moon_status moon_state_start(
  moon_state *_Nonnull state, const char *_Nonnull entry, size_t entry_size, int32_t argument,
  const uint8_t *_Nullable values, size_t size);
/// Makes the run's coroutine ready to compile and run a chunk of source text. Both happen within the steps, under their
/// deadline.
moon_status moon_state_load(
  moon_state *_Nonnull state, const char *_Nonnull source, size_t size, const char *_Nonnull chunk);
/// The same, to compile the chunk and do nothing with it.
moon_status moon_state_compile(
  moon_state *_Nonnull state, const char *_Nonnull source, size_t size, const char *_Nonnull chunk);
/// Makes the run's coroutine ready to call the function at a registry slot.
moon_status moon_state_call_reference(
  moon_state *_Nonnull state, int32_t slot, const uint8_t *_Nullable values, size_t size);

/// How a step ended.
typedef enum {
  MOON_FINISHED = 0,
  MOON_FAILED = 1,     ///< `moon_state_error` tells
  MOON_SUSPENDED = 2,
  MOON_SLICED = 3,
  MOON_STOPPED = 4,    ///< `moon_state_stop` tells
} moon_outcome;

/// Why a run was stopped.
typedef enum {
  MOON_STOP_NONE = 0,
  MOON_STOP_DEADLINE = 1,
  MOON_STOP_CANCELLED = 2,
  MOON_STOP_MEMORY = 3,
} moon_stop_reason;

/// Runs until it is done, suspended, sliced or stopped. `deadline`: CLOCK_MONOTONIC nanoseconds, INT64_MAX for none.
/// Attaches the calling thread when it is not yet (`moon_worker_attach`).
moon_outcome moon_step(moon_state *_Nonnull state, int64_t deadline);

/// What is known of the last stop. `file` has room for 60 bytes.
typedef struct {
  moon_stop_reason reason;
  bool forced;    ///< left a C call in the middle
  int32_t line;   ///< 0: unknown
  char file[64];
} moon_stop;
moon_stop moon_state_stop(const moon_state *_Nonnull state);
/// Of a run that was stopped for its memory: it was more than this many calls deep (a power of two), or 0 for a few.
size_t moon_state_stop_depth(const moon_state *_Nonnull state);

/// Prepares the calling thread for steps (signal timer, registration). False when the kernel has no timer left.
bool moon_worker_attach(void);
/// What the calling thread is as a worker, or NULL. Valid until it is detached.
typedef struct moon_worker moon_worker;
moon_worker *_Nullable moon_worker_here(void);
/// From any thread: ends the slice of the step that is going on there. False: there is none.
bool moon_worker_preempt(moon_worker *_Nonnull worker);

/// The calling thread begins something of its own, in which steps may be: from half a slice of processor time on, and
/// within a whole one, its timer takes it out of real time (`linux_leave_real_time`), whatever it does. False when the
/// timer does not run yet, before the thread's first step.
bool moon_worker_begin(void);
/// Undoes it. A thread that ends does it by itself.
void moon_worker_detach(void);
/// Whether the run on this thread is being stopped.
bool moon_is_stopping(lua_State *_Nonnull L);
/// The same for the step on the calling thread, for code that was not given `L`. False on a thread that is no worker.
bool moon_is_stopping_here(void);
/// Sleeps until `until` (CLOCK_MONOTONIC nanoseconds) with the worker held. False: the run is being stopped.
bool moon_block(lua_State *_Nonnull L, int64_t until);
int64_t moon_now(void);

// ---- from inside host functions -------------------------------------------------------------------------------------

bool moon_can_suspend(lua_State *_Nonnull L);
void moon_state_set_ticket(moon_state *_Nonnull state, uint32_t ticket);
/// The ticket that a step which ended in MOON_SUSPENDED waits for.
uint32_t moon_state_ticket(const moon_state *_Nonnull state);
/// Where the innermost script code on the stack of `L` is. Line 0 when there is none.
typedef struct { int32_t line; char file[64]; } moon_place;
moon_place moon_caller(lua_State *_Nonnull L);

moon_status moon_push_bytes(lua_State *_Nonnull L, const void *_Nullable bytes, size_t size);
/// Whether that many bytes more fit under the state's limit, after a collection if they do not before. If not, the run
/// is abandoned as out of memory.
moon_status moon_claim(lua_State *_Nonnull L, size_t bytes);
/// Pushes the value of a JSON text, which a zero byte ends at `text[size]`; `null` is nil, `{}` a plain table.
/// MOON_ERROR: the text is not JSON, and the message is on the stack.
moon_status moon_push_json(lua_State *_Nonnull L, const char *_Nonnull text, size_t size);
/// Makes one table of the `count` values on top of the stack. `names`: their keys, each with a zero byte behind it.
moon_status moon_push_record(lua_State *_Nonnull L, const char *_Nonnull names, int32_t count);
/// At least `slots` more values fit on the stack. MOON_ERROR: they do not.
moon_status moon_reserve(lua_State *_Nonnull L, int32_t slots);
/// The number of the host object that the value stands for, or -1 when it is something else.
int64_t moon_object_handle(lua_State *_Nonnull L, int32_t index);

/// Memory that survives an abandon, because its owner frees it.
typedef struct {
  uint8_t *_Nullable bytes;
  size_t size;
  size_t capacity;
} moon_flat;
void moon_flat_free(moon_flat *_Nonnull buffer);

/// Of a declaring state whose script has ended: for each global that the chunks loaded so far (the script, its modules)
/// assign, and for each that a script reads and that is not there: a byte (1: assigns), the line (4 bytes), the chunk's
/// name and the global's, each with its size (4 bytes) before it.
moon_status moon_state_globals(moon_state *_Nonnull state, moon_flat *_Nonnull out);
/// What to use instead of a stock global that is not here, or NULL.
const char *_Nullable moon_instead_of(const char *_Nonnull name);

typedef struct {
  uint32_t depth;    ///< tables in tables
  uint32_t nodes;    ///< values in all
  size_t bytes;      ///< bytes of the encoded form
  bool functions;    ///< functions become references (registry slots); otherwise they are an error
  bool lenient;      ///< what cannot be copied becomes a word in angle brackets; only what is too large is an error
} moon_limits;

/// Writes the value at `index` in the flat form of `encoding.h` into `out`. MOON_ERROR: the message is on the stack.
moon_status moon_read_value(
  lua_State *_Nonnull L, int32_t index, const moon_limits *_Nonnull limits, const char *_Nonnull root,
  moon_flat *_Nonnull out);
/// Pushes values given in that form, in sequence. `*count` is how many.
moon_status moon_push_values(
  lua_State *_Nonnull L, const uint8_t *_Nullable bytes, size_t size, int32_t *_Nullable count);
/// Keeps the function at `index` in the registry. Its slot, or 0 (abandoned or not a function).
int32_t moon_reference(lua_State *_Nonnull L, int32_t index);
/// Where the function at a registry slot was defined. Line 0 for a C function.
moon_place moon_reference_place(lua_State *_Nonnull L, int32_t slot);

// ---- results and errors ---------------------------------------------------------------------------------------------

/// How many results the finished run left, and the thread whose stack has them at 1…n.
int32_t moon_state_results(moon_state *_Nonnull state, lua_State *_Nonnull *_Nullable thread);

/// The error of the last MOON_FAILED: text (bounded), traceback, position. Valid until the next start or reset.
typedef struct {
  const char *_Nullable message;
  size_t message_size;
  const char *_Nullable traceback;
  size_t traceback_size;
  moon_place place; ///< where a table was thrown; line 0: unknown
  bool has_value;   ///< the error value is a table: `moon_state_error_value` reads it
  bool is_memory;
  bool is_syntax;   ///< the chunk did not compile
} moon_error;
moon_error moon_state_error(const moon_state *_Nonnull state);
moon_status moon_state_error_value(
  moon_state *_Nonnull state, const moon_limits *_Nonnull limits, moon_flat *_Nonnull out);

/// Optimal string alignment distance, at most `limit` + 1. Names are cut at 64 bytes.
uint32_t moon_edit_distance(
  const char *_Nonnull a, size_t a_size, const char *_Nonnull b, size_t b_size, uint32_t limit);

// ---- reads that neither raise nor allocate --------------------------------------------------------------------------

int32_t moon_top(lua_State *_Nonnull L);
int32_t moon_type(lua_State *_Nonnull L, int32_t index);   ///< a LUA_T… value, -1 for none
bool moon_bool(lua_State *_Nonnull L, int32_t index);
bool moon_integer(lua_State *_Nonnull L, int32_t index, int64_t *_Nonnull value);   ///< numbers only, no strings
bool moon_number(lua_State *_Nonnull L, int32_t index, double *_Nonnull value);
/// strings only, no numbers
const char *_Nullable moon_string(lua_State *_Nonnull L, int32_t index, size_t *_Nonnull size);
void moon_pop(lua_State *_Nonnull L, int32_t count);

// Pushes that need a free slot and nothing else. A host function has 16 of them from the start; `moon_reserve` gets
// more.
void moon_push_nil(lua_State *_Nonnull L);
void moon_push_bool(lua_State *_Nonnull L, bool value);
void moon_push_integer(lua_State *_Nonnull L, int64_t value);
void moon_push_number(lua_State *_Nonnull L, double value);
void moon_push_copy(lua_State *_Nonnull L, int32_t index);
/// The state's memory limit in bytes. Set it between runs only.
size_t moon_state_limit(const moon_state *_Nonnull state);
void moon_state_set_limit(moon_state *_Nonnull state, size_t bytes);

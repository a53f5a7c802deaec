// What the C files of this target share. Nothing here is seen by Swift.
#pragma once
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include "include/moon_lua.h"
#include "include/moon_state.h"

#define MOON_LIKELY(x) __builtin_expect(!!(x), 1)
#define MOON_UNLIKELY(x) __builtin_expect(!!(x), 0)

// ---- region.c: 64 KB chunks from one reservation --------------------------------------------------------------------

/// The unit of everything that small blocks live in. A power of two, so that a block finds its span by masking its
/// address.
enum { MOON_CHUNK = 1 << 16 };

typedef struct moon_region {
  char *base, *end;      // aligned to MOON_CHUNK
  char *fresh;           // chunks from here on were never used; guarded by `lock`
  char *populated;       // chunks before it have their first pages; guarded by `lock`
  size_t first_bytes;    // that a state writes to at once; set when the template is sealed
  void **warm;           // stack of free chunks whose pages are kept; guarded by `lock`
  uint32_t warm_count;
  char **cold;           // stack of free chunks whose pages went back to the system; guarded by `lock`
  size_t cold_count, cold_capacity;
  void *mapping;
  size_t mapping_size;
  pthread_mutex_t lock;
} moon_region;

bool moon_region_open(moon_region *region, size_t size);
void moon_region_close(moon_region *region);
/// NULL when the reservation is used up.
void *moon_chunk_take(moon_region *region);
void moon_chunk_give(moon_region *region, void *chunk);
/// Gives the memory of chunks back that wait for reuse, but for a few.
void moon_region_cool(moon_region *region);

// ---- arena.c: the allocator of one state ----------------------------------------------------------------------------

enum { MOON_CLASSES = 64, MOON_SMALL_MAX = 8192 };

typedef struct moon_span moon_span;
typedef struct moon_large moon_large;

/// Part of the image: copied and moved with it. All of its pointers are NULL or point into the slot when the image is
/// taken.
typedef struct {
  char *bump;                          // free tail of the zone (the slot behind the header)
  size_t used;                         // bytes of live blocks, rounded as allocated
  size_t peak;
  size_t overflow;                     // bytes of spans and large blocks
  moon_span *spans;                    // all spans; to drop them
  moon_large *large;                   // all large blocks; to drop them
  void *zone_free[MOON_CLASSES];       // free blocks inside the zone, by class
  moon_span *partial[MOON_CLASSES];    // spans of that class with room
} moon_arena;

void *moon_allocate(void *state, void *block, size_t old_size, size_t new_size);   // a lua_Alloc
void moon_arena_init(moon_state *s);
/// Gives back the spans in which no block is left.
void moon_arena_trim(moon_state *s);
/// Gives back all that lies outside the slot.
void moon_arena_drop(moon_state *s);

// ---- guard.c --------------------------------------------------------------------------------------------------------

/// A place to which an abandoned run returns. Guards nest: a step's, and inside it those of the wrappers that host
/// functions call.
typedef struct moon_guard {
  jmp_buf jump;
  struct moon_guard *outer;
  int32_t foreign;   // of the state, when the guard was set
} moon_guard;

/// Leaves the run: jumps to the innermost guard. `why` is kept for the outcome.
_Noreturn void moon_leave(moon_state *s, moon_stop_reason why);
/// The same for the reason that a signal has noted, with the position of the script.
_Noreturn void moon_leave_polled(moon_state *s, lua_State *L);

/// Calls in each other from which on it is worth telling how many there were.
enum { MOON_DEEP = 1 << 13 };
/// Notes how deep the calls were nested in a run that ends for want of memory: endless recursion is the usual reason.
void moon_record_depth(moon_state *s);

#define MOON_ENTER(s, g)          \
  do {                            \
    (g).outer = (s)->guard;       \
    (g).foreign = (s)->foreign;   \
    (s)->foreign = 0;             \
    (s)->guard = &(g);            \
  } while (0)
#define MOON_EXIT(s, g)           \
  do {                            \
    (s)->guard = (g).outer;       \
    (s)->foreign = (g).foreign;   \
  } while (0)

// ---- the state ------------------------------------------------------------------------------------------------------

enum { MOON_PENDING_STOP = 1, MOON_PENDING_SLICE = 2, MOON_PENDING_COLLECT = 4 };
enum { MOON_YIELD_NONE = 0, MOON_YIELD_SLICE = 1, MOON_YIELD_HOST = 2 };

/// Globals that the host's modules may define; more belong into tables.
enum { MOON_GLOBALS_MAX = 256 };

struct moon_state {
  // Identity: survives a reset.
  moon_runtime *runtime;
  void *owner;               // the Swift object, not retained: it owns this state
  void *pristine;            // a copy of its image with this slot's addresses, once the slot has been reused
  size_t limit;              // bytes; over it the run ends
  size_t aside;              // bytes that the host holds for the run, counted with those in use
  bool declaring;
  _Atomic bool cancelled;    // written by any thread

  // The step that is going on. Read and written by the signal handler of the thread that runs it.
  moon_guard *guard;
  lua_State *volatile current;        // the coroutine whose code runs
  volatile sig_atomic_t pending;      // MOON_PENDING_*
  volatile sig_atomic_t why;          // a moon_stop_reason: with MOON_PENDING_STOP
  volatile sig_atomic_t allocating;   // inside moon_allocate: no jump, its tables are being changed
  volatile sig_atomic_t foreign;      // host frames above the innermost guard: no jump
  volatile sig_atomic_t no_jump;      // C code that may hold a lock of libc
  _Atomic int hosting;                // calls into the host that have not returned; the monitor reads it
  char *stack_limit;                  // below it no new C recursion is begun

  int32_t yield;             // MOON_YIELD_* of the yield on its way up
  uint32_t ticket;           // of the host suspension on its way up
  int32_t blocked;           // resumes below us that cannot yield
  int32_t closing;           // nested coroutine.close
  moon_stop stop;            // why and where the run was left; reason != NONE: the Lua state is garbage
  size_t stop_depth;         // calls in each other at that moment, at least
  uint64_t fail_in;          // tests: countdown to a failing allocation
  int32_t arguments;         // of the entry that the next step calls
  int32_t results;           // of the finished run
  char *error_text, *error_trace;     // malloc: of the failed run
  size_t error_text_size, error_trace_size;
  moon_place error_place;    // where a table was thrown
  bool error_has_value, error_is_memory, error_is_syntax;
  struct moon_scan *scan;    // malloc: of a look at the script's globals that is going on
  size_t source_limit;       // bytes of source text that `load` takes

  // The image: from here to arena.bump.
  moon_arena arena;
  lua_State *L;              // main thread: for the host's own pushes
  lua_State *run;            // the coroutine that runs entries; anchored in the registry
  uint64_t *random;          // the four words of math.random
  int64_t serial;            // last number given out by tostring
  uint64_t taken[MOON_GLOBALS_MAX / 64];   // globals of the catalogue that are not to be made any more
};

#define MOON_IMAGE_START offsetof(moon_state, arena)
#define MOON_ZONE_START ((sizeof(moon_state) + 63) & ~(size_t)63)

static inline moon_state *state_of(lua_State *L) { return *(moon_state **)lua_getextraspace(L); }
static inline char *zone_end(moon_state *s) { return (char *)s + MOON_CHUNK; }

typedef struct moon_catalogue moon_catalogue;   // catalogue.h

/// A saved template.
typedef struct {
  char *bytes;               // from MOON_IMAGE_START on
  char *base;                // the address of the state that it was taken from
  size_t size;
  uint16_t *pointers;        // word offsets in it that hold addresses of the slot
  size_t pointer_count;
} moon_image;

enum { MOON_HOT = 64 };
enum { MOON_IMAGE_JOB = 0, MOON_IMAGE_DECLARE = 1, MOON_IMAGES };

struct moon_runtime {
  moon_options options;
  moon_region region;
  _Atomic bool others_waiting;
  // Immutable once the template is sealed.
  moon_image images[MOON_IMAGES];   // of the states of jobs, and of declaring states
  moon_catalogue *catalogue; // NULL until then
  pthread_mutex_t lock;      // guards what follows
  // Slots that were used before, header and pristine copy intact, by the image that they had.
  moon_state *hot[MOON_IMAGES][MOON_HOT];
  uint32_t hot_count[MOON_IMAGES];
};

/// Puts the libraries of the `lua` program in place of the sandbox's: files, programs, native code, finalizers. May
/// raise. (all_libraries.c)
void moon_open_all(lua_State *L);

/// Leaves the run when it is to end. For our own C code that may run long: neither the hook nor the jump reaches it.
/// Call it where everything that is held belongs to the Lua state.
static inline void moon_poll(lua_State *L) {
  moon_state *s = state_of(L);
  if (MOON_UNLIKELY(s && (s->pending & MOON_PENDING_STOP) && s->guard)) moon_leave_polled(s, L);
}

// ---- hook.c, worker.c, monitor.c ------------------------------------------------------------------------------------

/// Makes the hook run at the next VM instruction of `L`. Async-signal-safe on the thread that runs it.
void moon_arm(lua_State *L);
/// True when the interrupted code may be left: it is liblua's, or a leaf function that liblua called. (backstop.c)
bool moon_in_liblua(const void *context);

struct moon_worker {
  moon_state *_Atomic running;
  _Atomic uint64_t epoch;        // odd during a step
  _Atomic int64_t deadline;      // of the step
  _Atomic uint64_t stop_epoch;   // the monitor: this step is to end
  _Atomic uint64_t hard_epoch;   // the monitor: by all means
  _Atomic uint64_t slice_epoch;  // this step's slice is over
  _Atomic bool signalled;        // a signal was sent and its handler has not begun
  _Atomic uint32_t hard_misses;  // hard signals of this stop whose handler could not leave
  uint64_t tick_epoch;           // handler: the step that the last timer tick met
  volatile sig_atomic_t ticks;   // handler: of the timer, since moon_worker_begin
  int64_t told_at;               // handler: the thread's processor time when the step was first told to end
  int64_t stop_since;            // monitor's own
  bool told_stuck;               // monitor's own
  int64_t grace, stuck_after, host_patience, slice;
  pthread_t thread;
  timer_t timer;
  char *stack_limit;
  struct moon_worker *next;      // guarded by the monitor's lock
};

/// Sends the worker's thread the signal, unless one is on its way. Set what the handler is to see before calling.
void moon_worker_signal(moon_worker *w);

void moon_monitor_add(moon_worker *w);
void moon_monitor_remove(moon_worker *w);
/// Call after publishing a deadline or a cancel.
void moon_monitor_poke(void);
int64_t moon_monitor_wake_time(void);
void moon_monitor_lock(void);
void moon_monitor_unlock(void);
enum { MOON_SIGNAL_OFFSET = 4 };
#define MOON_SIGNAL (SIGRTMIN + MOON_SIGNAL_OFFSET)

// ---- libraries ------------------------------------------------------------------------------------------------------

/// The C function of a stock library that one of ours stands before. The same in every state of the process: whoever
/// opens a sandbox writes the same address again.
typedef _Atomic(lua_CFunction) moon_stock;
/// Goes on as the stock function, in the frame of the caller: its arguments are those on the stack, its upvalues the
/// closure's. So what it raises has the name, the file and the line that it has in stock Lua.
static inline int moon_call_stock(moon_stock *stock, lua_State *L) {
  return atomic_load_explicit(stock, memory_order_relaxed)(L);
}
/// Puts `function` into the place of `name` in the table on top of the stack, with the upvalues of the function that it
/// takes the place of, and notes that one. (sandbox.c)
void moon_replace_stock(lua_State *L, const char *name, lua_CFunction function, moon_stock *stock);

void moon_open_sandbox(lua_State *L);     // sandbox.c
void moon_open_strings(lua_State *L);     // text.c: tostring, string.format
void moon_open_coroutines(lua_State *L);  // coroutine.c
void moon_open_os(lua_State *L);          // clock.c
int moon_require(lua_State *L);           // require.c
/// Compiles text: a byte order mark and a first line that begins with '#' are passed over, as stock Lua does with
/// files.
int moon_load_text(lua_State *L, const char *source, size_t size, const char *chunk);   // require.c
void moon_open_globals(lua_State *L);     // globals.c: the strict global table, and its lazy content
void moon_open_libraries(lua_State *L);   // library.c
/// The harmless library of that name (io, package, debug), pushed. (library.c)
void moon_push_library(lua_State *L, const char *name);
/// Pushes the stock library of that name as scripts have it; false, and nothing is pushed, when there is none.
/// (library.c)
bool moon_push_stock(lua_State *L, const char *name);
/// Pushes the function that a module put into `package.preload` for the name at that index, if any. (library.c)
bool moon_push_preload(lua_State *L, int name);
/// Pushes what reading the global with the key at that index gives although it is not there. False, and nothing is
/// pushed: it is an error. (undeclared.c)
bool moon_push_undeclared(lua_State *L, int key);
/// Whether the innermost code that stands in a file stands below lib/. (undeclared.c)
bool moon_reader_is_library(lua_State *L);
typedef struct moon_scan moon_scan;
void moon_scan_free(moon_state *s);
/// In a declaring state: the chunk on top of the stack is the script's or one of its modules. (undeclared.c)
void moon_note_chunk(lua_State *L);
void moon_open_raw(lua_State *L);         // globals.c: next, pairs, rawget, rawset
/// Takes the key on top of the stack for the raw value of that global, which is made if it has to be. (globals.c)
void moon_globals_get(lua_State *L);
/// Sets a global without metamethods; pops key and value. (globals.c)
void moon_globals_set(lua_State *L);
/// The strings' `__index` in the state of a job until the string library is made. (globals.c)
int moon_string_index(lua_State *L);
/// Pushes the table of `moon_capsule_name`. (capsule_hosts.c)
void moon_capsule_push_named(lua_State *L);
/// The same in any state: that of a job makes the table when it is first asked for. (capsule_hosts.c)
void moon_capsule_push_made(lua_State *L);
void moon_get_module(lua_State *L, const char *name);   // template.c
/// Like luaL_tolstring, with numbers in the place of addresses.
const char *moon_tolstring(lua_State *L, int index, size_t *size);
/// `file:line: ` of the innermost script code, pushed.
void moon_push_where(lua_State *L);
int moon_host_call(lua_State *L);         // trampoline.c
int moon_branch(lua_State *L);            // coroutine.c
/// Decodes one value and pushes it; NULL is never returned: malformed bytes are a programming error and raise.
const uint8_t *moon_decode(lua_State *L, const uint8_t *p, const uint8_t *end);
/// Calls a C function that takes the value at `index` (0: none) and `argument`, under a guard and a pcall.
/// (reference.c)
moon_status moon_with_value(lua_State *L, int index, lua_CFunction function, void *argument, int results);
/// Pushes an opaque value that stands for object number `handle` of the state's owner. `name` is its type's name in
/// error messages, `description` what tostring gives. (reference.c)
void moon_push_object(
  lua_State *L, uint32_t handle, const char *name, size_t name_size, const char *description, size_t size);
void moon_flat_put(lua_State *L, moon_flat *b, const void *bytes, size_t size);
void moon_record_place(moon_state *s, lua_State *L, int first_level);
void moon_error_record(moon_state *s, lua_State *co, int status);
void moon_error_clear(moon_state *s);
/// These are the words of math.random from now on; they are seeded. (state.c)
void moon_state_set_random(moon_state *s, uint64_t *words);
/// A state outside every image, set up by a function. NULL: memory is over. (image.c)
moon_state *moon_template_bare(moon_runtime *runtime, moon_function set_up);

// Registry keys: addresses of these.
extern const char moon_roots_key, moon_context_key, moon_run_key, moon_host_key, moon_object_key, moon_serials_key;

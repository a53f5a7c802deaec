/// Capsules: what a job's functions can reach, captured in the state that declared them and built in any other one.
///
/// A *capsule* holds the closure graph of a table of root functions (`run`, `on_error`, …): function prototypes (as
/// `lua_dump` gives them, interned by content and shared by the whole process), captured locals with their sharing,
/// tables with cycles and metatables, host objects by name, and the user globals and modules that the code can name. It
/// is immutable, position-independent and reference-counted, so it may be used from any thread and sent to another
/// process. docs/capsules.md describes the format and the laws.
///
/// Life of a capsule:
///
///     moon_capsule_prepare(D);                       // in a state that is to declare, before the script
///     moon_capture *c = moon_capture_new();          // in the declaring state, after its top level has ended
///     moon_capture_add(L, c, index of {run = f});    // once per job; raises when something cannot be kept
///     moon_capture_finish(c);                        // splits the graph into a shared part and one part per job
///     moon_capsule *k = moon_capture_take(c, 0);
///     moon_capture_free(c);
///     moon_capsule_build(J, k);                      // in a job's state: pushes {run = f'}
///
/// Words used below: *raises* means `lua_error`, so the caller needs a protected call; *abandon* means that the
/// caller's guard may leave by `longjmp` at any allocation of the state. Neither leaks: everything malloc'ed belongs to
/// the `moon_capture`, which the caller frees.
#ifndef MOON_CAPSULE_H
#define MOON_CAPSULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <lua.h>
#include "moon_lua.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The most bytes that one job's own part may have (1 MB). Prototypes do not count: they are shared.
#define MOON_CAPSULE_JOB_LIMIT ((size_t)1 << 20)
/// The most bytes that the part shared by a script's jobs may have (16 MB): its globals, modules and shared locals.
#define MOON_CAPSULE_SCRIPT_LIMIT ((size_t)16 << 20)
/// Bytes of a capsule's hash (SHA-256).
#define MOON_CAPSULE_HASH 32

/// An immutable captured closure graph. Reference-counted; every function that takes a `const moon_capsule *` may be
/// called from any thread.
typedef struct moon_capsule moon_capsule;

/// A capture under way: the graph of one script as found so far. Owned by one thread at a time.
typedef struct moon_capture moon_capture;

// ---- Host objects ---------------------------------------------------------------------------------------------------

/// Names the value on top of the stack for capsules and pops it: for host objects that no global leads to, such as the
/// metatable of a value that a host function returns. Call it on the template of all sandbox states. Raises.
void moon_capsule_name(lua_State *L, const char *name);

/// Makes a state ready to declare: call it after every host module is in place and before any script runs. Finds all
/// host objects (tables, functions, userdata reachable from the globals and from values named by `moon_capsule_name`)
/// with the way that leads to them, and remembers what host tables contain, so that a capture can refer to the former
/// and notice changes of the latter. Only declaring states need it: a job's state follows the ways. Its one table, in
/// the registry, is an array of arrays, so an image of the state can be copied to other addresses. Raises.
void moon_capsule_prepare(lua_State *L);

/// Pushes the state's table of loaded modules (name → value), made on first use. The host's `require` reads and writes
/// it; capsules carry it. Raises.
void moon_capsule_loaded(lua_State *L);

// ---- Capture --------------------------------------------------------------------------------------------------------

/// A new, empty capture, or NULL without memory. Never raises.
moon_capture *moon_capture_new(void);

/// Frees a capture in whatever state it is: unfinished, failed, abandoned. NULL is allowed. Never raises.
void moon_capture_free(moon_capture *c);

/// Adds one job: the table at `roots` (string keys → functions). Must be called on the declaring state, with nothing of
/// the script running between the first call and `moon_capture_finish`. Raises with a sentence that names the path
/// (`upvalue 'conn' of run: cannot keep a coroutine`) when something reachable cannot be kept; the capture is then only
/// good for `moon_capture_free`. Iterative: any depth of data takes the same C stack. Time: linear in what is newly
/// reached.
void moon_capture_add(lua_State *L, moon_capture *c, int roots);

/// `moon_capture_add` as a `lua_CFunction` for protected calls: (light userdata capture, roots table) → nothing.
int moon_capture_add_c(lua_State *L);

/// Adds `jobs` jobs whose functions are in the registry, in one protected call of its own (see `moon_protected`). Job i
/// has `counts[i]` entries; `names` has the names of all entries, each terminated, one after the other, and `slots` the
/// registry slots of their functions. With MOON_ERROR the message is on the stack, and `moon_capture_failed_job` says
/// which job it is about.
moon_status moon_capture_add_references(lua_State *L, moon_capture *c, size_t jobs, const size_t *counts,
    const char *names,
                                        const int32_t *slots);

/// Splits the graph into one part shared by the jobs and a part per job. Pure C: neither raises nor can be abandoned.
/// Returns true, or false after which `moon_capture_error` has the sentence.
bool moon_capture_finish(moon_capture *c);

/// Why `moon_capture_finish` failed; valid until the capture is freed.
const char *moon_capture_error(const moon_capture *c);

/// Which job an error was about, or SIZE_MAX when it is about the script as a whole (a changed host table, a limit).
size_t moon_capture_failed_job(const moon_capture *c);

/// How many jobs were added.
size_t moon_capture_count(const moon_capture *c);

/// The capsule of the `job`-th added job, retained for the caller. Only after a finish that returned true.
moon_capsule *moon_capture_take(const moon_capture *c, size_t job);

/// Whether two jobs have the same capsule, as neighbours have whose functions reach the same.
bool moon_capture_is_same(const moon_capture *c, size_t job, size_t other);

/// A captured local that two jobs assign: each job will have a copy of its own, which is seldom what the author meant.
typedef struct moon_capture_conflict {
  /// The local's name; valid until the capture is freed.
  const char *name;
  /// The first two jobs (in the order of `moon_capture_add`) whose functions assign it.
  size_t first_job, second_job;
} moon_capture_conflict;

/// How many captured locals are assigned by functions of more than one job. Only after a successful finish.
size_t moon_capture_conflict_count(const moon_capture *c);

/// The `i`-th of them.
moon_capture_conflict moon_capture_conflict_at(const moon_capture *c, size_t i);

// ---- Capsules -------------------------------------------------------------------------------------------------------

/// One more owner. Returns its argument.
moon_capsule *moon_capsule_retain(moon_capsule *k);

/// One owner less; the last one frees it. NULL is allowed.
void moon_capsule_release(moon_capsule *k);

/// Bytes that the job's own part holds in memory, without prototypes and without the shared part.
size_t moon_capsule_size(const moon_capsule *k);

/// Bytes of the part that this capsule shares with the other jobs of its script (0: it shares none).
size_t moon_capsule_shared_size(const moon_capsule *k);

/// Whether the graph has a table with keys that have no order (tables, functions), so that equal code need not give
/// equal bytes. Such a capsule counts as different from every other one.
bool moon_capsule_never_equal(const moon_capsule *k);

/// How many root entries there are.
size_t moon_capsule_entry_count(const moon_capsule *k);

/// The name of the `i`-th root entry (bytes, not terminated), in the order of bytes; valid as long as the capsule.
const char *moon_capsule_entry(const moon_capsule *k, size_t i, size_t *length);

/// Two hashes of what the job can reach: of everything, and of everything but line information (lines, chunk names and
/// names of locals), so that `full` different and `code` equal means that lines have only moved. The same in every
/// process. Linear in what the job reaches (above 16 KB of shared objects: the shared part's hash stands for them).
/// False without memory.
bool moon_capsule_hashes(const moon_capsule *k, uint8_t full[MOON_CAPSULE_HASH], uint8_t code[MOON_CAPSULE_HASH]);

/// The canonical bytes of everything the job can reach, self-contained, for another process. Equal
/// code gives equal bytes in every process. NULL without memory. Free them with `moon_capsule_free`.
uint8_t *moon_capsule_encode(const moon_capsule *k, size_t *length);

/// Frees encoded bytes.
void moon_capsule_free(uint8_t *bytes);

/// A capsule from `moon_capsule_encode`'s bytes, or NULL with a static sentence in `*error`. The bytes are checked
/// against their hash and every length in them, but they contain bytecode: decode only what a trusted process encoded.
moon_capsule *moon_capsule_decode(const uint8_t *bytes, size_t length, const char **error);

// ---- Build ----------------------------------------------------------------------------------------------------------

/// Builds the capsule in a state copied from a prepared template and pushes the table of roots. Sets the globals and
/// loaded modules that the job's code can name, and no others. Iterative; only what the roots reach is made; holds
/// nothing outside the state, so it may be abandoned at any allocation. Raises (no memory, a host function that this
/// state does not have).
void moon_capsule_build(lua_State *L, const moon_capsule *k);

/// Builds the capsule and makes its roots those of the state, in a protected call of its own (see `moon_protected`);
/// with MOON_ERROR the message is on the stack.
moon_status moon_capsule_install(lua_State *L, const moon_capsule *k);

// ---- Prototypes -----------------------------------------------------------------------------------------------------

/// How many different function prototypes the process holds at the moment, and their bytes.
size_t moon_proto_count(size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif

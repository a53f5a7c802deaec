/// Function prototypes, interned by content for the whole process, and what their bytecode says about their upvalues.
#ifndef MOON_CAPSULE_PROTO_H
#define MOON_CAPSULE_PROTO_H

#include <stdatomic.h>
#include "capsule_buffer.h"

/// What the functions of a prototype (it and those nested in it) do with an upvalue of the outermost one.
enum {
  /// Some of them assign the local (`SETUPVAL`).
  MOON_UPVALUE_ASSIGNED = 1,
  /// Some of them read it as a value (`GETUPVAL`), rather than index it with a constant name.
  MOON_UPVALUE_READ = 2,
};

/// The most upvalues a Lua function can have.
#define MOON_MAX_UPVALUES 255

/// An interned prototype. Immutable but for its count; shared by every capsule whose code is the same.
typedef struct moon_proto {
  struct moon_proto *next;
  /// Owners. Only the store takes it to 0, under its lock.
  atomic_size_t owners;
  uint64_t key;
  /// SHA-256 of the dump, and of the dump without line information and names of locals.
  uint8_t full[32], code[32];
  /// `upvalue_count` flags, see above.
  const uint8_t *flags;
  /// Names by which upvalues are indexed, as (byte upvalue, number length, bytes) one after the other: with an upvalue
  /// that holds the globals, these are the globals that the code can name.
  const uint8_t *names, *names_end;
  /// The result of `lua_dump` with line information.
  const uint8_t *dump;
  uint32_t dump_length;
  uint8_t upvalue_count;
} moon_proto;

/// What reading a dump finds. The buffers belong to the caller; `names` is only appended to.
typedef struct moon_bytecode {
  uint8_t upvalue_count;
  uint8_t flags[MOON_MAX_UPVALUES];
  moon_buffer names;
  uint8_t code[32];
} moon_bytecode;

/// Checks once per process, on a private state, that the analysis understands this Lua's bytecode. `moon_capture_new`
/// calls it so that it does not first happen under a guard or the store's lock. Never raises.
void moon_bytecode_probe(void);

/// Reads a dump of this process's Lua. False when it is not one, or without memory (`*memory` says which).
bool moon_bytecode_read(const uint8_t *dump, size_t length, moon_bytecode *out, bool *memory);

/// A use of a global by its name.
typedef struct moon_global_use {
  const char *source;              // the chunk's name
  const char *name;                // not terminated
  uint64_t length;
  uint32_t line;
  bool assigned;                   // else read
} moon_global_use;

/// Appends each use of a global by the functions of a dumped main chunk: byte (1: assigned), number line, number
/// length, bytes. A function with so many constants that it cannot name globals directly counts as assigning all of its
/// texts. False when the bytes are not understood, or without memory.
bool moon_bytecode_globals(const uint8_t *dump, size_t length, moon_buffer *out);

/// The interned prototype with this dump, retained; NULL without memory or when the bytes are not a dump.
moon_proto *moon_proto_intern(const uint8_t *dump, size_t length);

/// A quick key of a dump's content, for tables of one's own before asking the store.
uint64_t moon_proto_key(const uint8_t *dump, size_t length);

moon_proto *moon_proto_retain(moon_proto *p);
void moon_proto_release(moon_proto *p);

#endif

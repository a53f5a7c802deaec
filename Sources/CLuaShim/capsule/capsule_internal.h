/// What the capsule files share: the record format, the graph that a capture collects, and the capsule itself.
///
/// A captured graph is a list of *nodes* (table, function, upvalue cell, global, module). Each node has a *record*,
/// bytes in which other nodes are *references*. There are three numberings of the same format: a capture's own
/// (reference = 2 × node), the parts of a capsule (2 × index, + 1 for a node of the shared part), and the canonical one
/// of hashes and encoded bytes. `moon_transcribe` (capsule_record.c) rewrites records from one to another;
/// docs/capsules.md has the grammar.
#ifndef MOON_CAPSULE_INTERNAL_H
#define MOON_CAPSULE_INTERNAL_H

#include "capsule_buffer.h"
#include "capsule_proto.h"
#include "moon_capsule.h"

/// First byte of a value.
enum {
  MOON_NIL, MOON_FALSE, MOON_TRUE,
  MOON_INTEGER,                    // zigzag number
  MOON_FLOAT,                      // 8 bytes; every NaN is the same one
  MOON_STRING,                     // length, bytes
  MOON_REFERENCE,                  // reference to a table or function
  MOON_HOST,                       // length, way (see capsule_hosts.c)
  MOON_GLOBALS,                    // the table of globals of the state
  MOON_ALL_GLOBALS,                // the same, where code can use any name with it: reference to the ALL node
  MOON_CELL,                       // reference to a cell; only as an upvalue
  MOON_REACHING_HOST,              // reference to the ALL node, then a MOON_HOST value: `load` or `require`
  MOON_HOST_CELL,                  // length, way of a host function, its upvalue (byte); only as an upvalue
};

/// First byte of a record.
enum {
  MOON_NODE_TABLE = 'T',     // flags, metatable value, count n, n values of keys 1…n, count m, m × (key value, value)
  MOON_NODE_FUNCTION = 'F',  // prototype, count, upvalues, count, references to the globals that it can name
  MOON_NODE_CELL = 'C',      // value
  MOON_NODE_GLOBAL = 'G',    // key value, value
  MOON_NODE_MODULE = 'M',    // name value, value
  MOON_NODE_ALL = 'A',       // count, references to every global and module
};

/// A table record's flag: it has keys without an order.
enum { MOON_TABLE_UNORDERED = 1 };

/// A cell's value is written into the functions that use it, instead of being a node, when no function assigns it and
/// the value takes at most this many bytes: nobody can tell then how many cells there are.
enum { MOON_INLINE_LIMIT = 40 };

// ---- Records --------------------------------------------------------------------------------------------------------

/// Rewrites records. The functions answer for the numbering that is read, `place` for the one that is written; `out`
/// may be NULL to only visit references.
typedef struct moon_transcriber {
  moon_buffer *out;
  /// The record of a node.
  moon_reader (*record)(struct moon_transcriber *t, uint32_t reference);
  /// The number to write for a node.
  bool (*place)(struct moon_transcriber *t, uint32_t reference, uint32_t *placed);
  /// The number to write for the prototype that a record of node `owner` calls `index`.
  bool (*prototype)(struct moon_transcriber *t, uint32_t owner, uint32_t index, uint32_t *placed);
  /// Whether a cell may be written into its functions when it is small.
  bool (*constant)(struct moon_transcriber *t, uint32_t cell);
} moon_transcriber;

/// Writes the record of `node`. False when a callback failed, without memory, or when the record is malformed.
bool moon_transcribe(moon_transcriber *t, uint32_t node);

/// Skips a value; false (and `bad`) when malformed.
bool moon_skip_value(moon_reader *r);

// ---- Host objects ---------------------------------------------------------------------------------------------------

/// Keys of the registry: their addresses count.
extern const char moon_hosts_key, moon_named_key, moon_loaded_key;

/// The array that `moon_capsule_prepare` keeps has this many fields per host object.
enum { MOON_HOST_OBJECT = 1, MOON_HOST_WAY = 2, MOON_HOST_CONTENT = 3, MOON_HOST_FIELDS = 3 };

/// Pushes the object that a way leads to in this state; raises when there is none.
void moon_host_push(lua_State *L, const uint8_t *way, size_t length);

/// Appends a way in words: `string.format`.
bool moon_host_describe(moon_buffer *out, const uint8_t *way, size_t length);

// ---- A capture ------------------------------------------------------------------------------------------------------

enum { MOON_NONE = UINT32_MAX };

/// A node's flags in a capture.
enum {
  MOON_ASSIGNED = 1,               // a cell that some reached function assigns
  MOON_SHARED = 2,                 // belongs to the part shared by the jobs
  MOON_KEEP = 4,                   // reached from a global or module, hence shared whoever uses it
};

typedef struct moon_node {
  /// Where its record is in `raw`; length 0 until it is written.
  uint32_t start, length;
  /// The node whose record mentioned it first, for paths in errors; MOON_NONE for roots and globals.
  uint32_t parent;
  /// Of a cell: which upvalue of `parent` it is.
  uint8_t upvalue;
  uint8_t kind, flags;
  /// The first two jobs that reach it.
  uint32_t first_job, second_job;
  /// Its number in the part it belongs to.
  uint32_t placed;
  /// Of a cell that is assigned: where the local's name is in `names`.
  uint32_t name;
} moon_node;

/// A cell and the first two jobs whose functions assign it.
typedef struct moon_assignment {
  uint32_t cell, first, second;
} moon_assignment;

struct moon_capture {
  moon_buffer raw;                 // records, references are 2 × node
  moon_buffer nodes;               // moon_node
  moon_buffer protos;              // moon_proto *, each owned
  moon_buffer roots;               // uint32_t node of each job
  moon_buffer hosts;               // ways of host objects, one after the other
  moon_buffer host_index;          // per host object: uint32_t start, length in `hosts`
  moon_buffer scratch, text;
  moon_buffer names;               // of cells that are assigned, terminated
  moon_buffer modules;             // uint32_t nodes that belong to modules, where a job reaches much
  moon_buffer conflicts;           // moon_assignment, after finish
  moon_buffer parts;               // moon_capsule * of each job, after finish
  moon_capsule *shared;
  moon_map objects;                // address of an object or cell → node, or MOON_IS_HOST + host object
  moon_map proto_index;            // moon_proto_key → index into `protos`
  uint32_t all;                    // the ALL node, or MOON_NONE
  uint32_t load, require;          // these host objects, or MOON_NONE
  bool started, entered, finished, collected;
  const char *error;
  size_t failed_job;
};

/// Marks a value in `objects` as the index of a host object, or of a host function's cell (index × 256 + upvalue).
enum { MOON_IS_HOST = 1u << 31, MOON_IS_HOST_CELL = 1u << 30 };

static inline moon_node *moon_nodes(const moon_capture *c) { return (moon_node *)(void *)c->nodes.bytes; }
static inline uint32_t moon_node_count(const moon_capture *c) {
  return (uint32_t)(c->nodes.length / sizeof(moon_node));
}

/// Raises "PATH: what", where the path leads from a root to the value on top of the stack, which the record of `parent`
/// holds.
_Noreturn void moon_capture_raise(lua_State *L, moon_capture *c, int work, uint32_t parent, const char *what);

/// Checks every host table against what it contained before the script and indexes host objects by address. Raises.
void moon_capture_start(lua_State *L, moon_capture *c);

/// The first canonical order of a table's keys other than 1…n, in capsule_order.c.
typedef struct moon_key {
  uint8_t rank;                    // 1 boolean, 2 number, 3 string
  bool is_integer, boolean;
  lua_Integer integer;
  lua_Number number;
  const char *string;
  size_t length;
} moon_key;

/// The key at `index`, or rank 0 when it is a reference.
moon_key moon_key_at(lua_State *L, int index);
void moon_key_push(lua_State *L, const moon_key *key);
void moon_keys_sort(moon_key *keys, size_t count);
/// The order of two `moon_key`s, as for qsort.
int moon_keys_compare(const void *a, const void *b);

// ---- A capsule ------------------------------------------------------------------------------------------------------

/// One block of memory: this, then prototypes, then record offsets, then records. Node 0 of a job's part is its root
/// table.
struct moon_capsule {
  atomic_size_t owners;
  /// The part shared with other jobs of the script, owned; NULL in that part itself and in a decoded capsule.
  moon_capsule *shared;
  uint32_t proto_count, node_count, byte_count;
  bool unordered;
  moon_proto **protos;
  /// `node_count` + 1 offsets into `bytes`.
  const uint32_t *offsets;
  const uint8_t *bytes;
  /// Of a decoded capsule: its two hashes, as they were where it was made; else NULL.
  const uint8_t *hashes;
};

/// What a capsule is made of. Everything is copied; the prototypes and the shared part are retained.
typedef struct moon_parts {
  moon_capsule *shared;
  moon_proto *const *protos;
  size_t proto_count;
  /// Where each record starts in `bytes`.
  const uint32_t *offsets;
  size_t node_count;
  const uint8_t *bytes;
  size_t byte_count;
  bool unordered;
  /// 2 × MOON_CAPSULE_HASH bytes, or NULL.
  const uint8_t *hashes;
} moon_parts;

/// Makes a capsule. NULL without memory.
moon_capsule *moon_capsule_make(const moon_parts *parts);

/// The part that a reference of a job's part points into, and the node's number there.
static inline const moon_capsule *moon_part(const moon_capsule *k, uint32_t reference) {
  return reference & 1 ? k->shared : k;
}

static inline moon_reader moon_record(const moon_capsule *part, uint32_t index) {
  return (moon_reader){.at = part->bytes + part->offsets[index], .end = part->bytes + part->offsets[index + 1]};
}

#endif

/// JSON for scripts: `json.encode`, `json.decode`, `json.array`, `json.object` and `json.null`.
///
/// Text is RFC 8259, strictly, both ways. Tables map so:
///
/// - keys 1…n and nothing else, or no key at all: an array; `json.object {}` is an empty object;
/// - string keys only: an object, keys sorted by their bytes, so that equal tables give equal text;
/// - a metatable with `__jsontype = "array"` or `"object"` decides otherwise; `json.array` and `json.object` set one,
///   and decoding `{}` gives such a table, so that it is written as `{}` again. In an array so marked, holes are
///   `null`;
/// - `json.null` is `null`, both ways. Integers and floats stay what they are (`1`, `1.0`).
///
/// Metamethods are not called. All memory is the state's, so an error or an abandon at any point leaks nothing.
#ifndef MOON_JSON_H
#define MOON_JSON_H

#include <lua.h>
#include "moon_lua.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Tables in tables, both ways; the C stack is used in proportion.
#define MOON_JSON_DEPTH 100
/// The largest text in bytes, both ways: 64 MB.
#define MOON_JSON_LIMIT ((size_t)64 << 20)

/// The address that `json.null` is, as a light userdata.
void *_Nonnull moon_json_null(void);

/// `json.encode(value, { pretty = true, sort = false })` → text. `pretty` may be the number of spaces (true: 2); `sort
/// = false` writes keys in the table's own order, which is faster and not the same each time. Raises, with the path,
/// for what JSON cannot say: a function, NaN, mixed keys, text that is not UTF-8, a cycle. O(n log k) for k keys per
/// table.
int moon_json_encode(lua_State *_Nonnull L);

/// `json.decode(text)` → value, or nil and an error with line and column. Of equal keys the last one counts; an integer
/// beyond 64 bits becomes a float. O(n).
int moon_json_decode(lua_State *_Nonnull L);

/// `json.array(t)`: marks a table (a new one without an argument) as an array and returns it.
int moon_json_array(lua_State *_Nonnull L);

/// `json.object(t)`: the same for an object.
int moon_json_object(lua_State *_Nonnull L);

/// `json.null` as a function: returns the light userdata; for the prelude of the module.
int moon_json_push_null(lua_State *_Nonnull L);

#ifdef __cplusplus
}
#endif

#endif

// The flat form in which values cross the border between Swift and Lua: one call, one guard, whatever the size of the
// tree. Little is said per value: a tag byte and its payload, integers in the machine's own order (it never leaves the
// process).
#pragma once

enum {
  MOON_TAG_NIL = 0,
  MOON_TAG_FALSE = 1,
  MOON_TAG_TRUE = 2,
  MOON_TAG_INTEGER = 3,   // 8 bytes
  MOON_TAG_NUMBER = 4,    // 8 bytes
  MOON_TAG_STRING = 5,    // 4 bytes size, then the bytes
  MOON_TAG_TABLE = 6,     // 4 bytes n; n values for keys 1…n; then key, value, … up to MOON_TAG_END
  MOON_TAG_END = 7,
  MOON_TAG_FUNCTION = 8,  // 4 bytes registry slot; from Lua: then 4 bytes line, 4 bytes size and the file's name
  MOON_TAG_OBJECT = 9,    // 4 bytes handle; to Lua: then 4 bytes each for the sizes of name and description, and both
};

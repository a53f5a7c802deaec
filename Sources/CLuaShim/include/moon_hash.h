/// The functions of the module `hash`, as `lua_CFunction`s. They raise on an argument that is no string, count what
/// they make as the state's memory, and look every 64 KB whether the run is to end.
#pragma once
#include <lua.h>

int moon_hash_sha256(lua_State *_Nonnull L);
int moon_hash_sha512(lua_State *_Nonnull L);
int moon_hash_md5(lua_State *_Nonnull L);
int moon_hash_crc32(lua_State *_Nonnull L);
int moon_hash_equal(lua_State *_Nonnull L);
int moon_hash_hmac(lua_State *_Nonnull L);
int moon_hash_hex(lua_State *_Nonnull L);
int moon_hash_unhex(lua_State *_Nonnull L);
int moon_hash_base64(lua_State *_Nonnull L);
int moon_hash_unbase64(lua_State *_Nonnull L);

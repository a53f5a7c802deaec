#pragma once
#include <stddef.h>
#include <stdint.h>

// FIPS 180-4, fed in pieces. The only one of the project: capsules are hashed with it, and FileWatching's SHA256 is it.

/// A message on its way. A value: a copy forks the computation. Nothing of it needs to be freed.
typedef struct moon_sha256 {
  uint32_t state[8];
  uint64_t length;
  uint8_t block[64];
} moon_sha256;

void moon_sha256_start(moon_sha256 *s);
void moon_sha256_add(moon_sha256 *s, const void *bytes, size_t count);
/// Writes the 32 bytes of the hash; the message is spent.
void moon_sha256_end(moon_sha256 *s, uint8_t *hash);

/// SHA-512, as above.
typedef struct moon_sha512 {
  uint64_t state[8];
  uint64_t length;
  uint8_t block[128];
} moon_sha512;

void moon_sha512_start(moon_sha512 *s);
void moon_sha512_add(moon_sha512 *s, const void *bytes, size_t count);
/// Writes the 64 bytes of the hash; the message is spent.
void moon_sha512_end(moon_sha512 *s, uint8_t *hash);

/// MD5 (RFC 1321), as above. Against accidents and for old protocols only: two messages of one hash are quickly made.
typedef struct moon_md5 {
  uint32_t state[4];
  uint64_t length;
  uint8_t block[64];
} moon_md5;

void moon_md5_start(moon_md5 *s);
void moon_md5_add(moon_md5 *s, const void *bytes, size_t count);
/// Writes the 16 bytes of the hash; the message is spent.
void moon_md5_end(moon_md5 *s, uint8_t *hash);

/// CRC-32 of what had the sum `crc` (0 at the beginning) and `count` more bytes.
uint32_t moon_crc32(uint32_t crc, const void *bytes, size_t count);

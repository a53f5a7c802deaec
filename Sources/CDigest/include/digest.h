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

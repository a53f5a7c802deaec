// MD5 (RFC 1321) and CRC-32 (ISO 3309, as gzip and PNG have it): for old protocols and checks against accidents, not against
// people.
#include <string.h>
#include "digest.h"

static const uint32_t T[64] = {
  0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
  0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
  0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
  0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
  0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
  0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
  0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
  0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint8_t shifts[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};

static inline uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void compress(uint32_t state[4], const uint8_t *block) {
  uint32_t w[16];
  for (int i = 0; i < 16; i++, block += 4)
    w[i] = block[0] | (uint32_t)block[1] << 8 | (uint32_t)block[2] << 16 | (uint32_t)block[3] << 24;
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  for (int i = 0; i < 64; i++) {
    uint32_t f;
    int place;
    switch (i / 16) {
      case 0: f = (b & c) | (~b & d); place = i; break;
      case 1: f = (d & b) | (~d & c); place = (5 * i + 1) % 16; break;
      case 2: f = b ^ c ^ d; place = (3 * i + 5) % 16; break;
      default: f = c ^ (b | ~d); place = 7 * i % 16; break;
    }
    uint32_t sum = a + f + T[i] + w[place];
    a = d;
    d = c;
    c = b;
    b += rotate(sum, shifts[i / 16 * 4 + i % 4]);
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

void moon_md5_start(moon_md5 *s) {
  *s = (moon_md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void moon_md5_add(moon_md5 *s, const void *data, size_t count) {
  const uint8_t *bytes = data;
  if (count == 0) return;
  size_t used = s->length % 64;
  s->length += count;
  if (used > 0) {
    size_t room = 64 - used < count ? 64 - used : count;
    memcpy(s->block + used, bytes, room);
    bytes += room;
    count -= room;
    if (used + room < 64) return;
    compress(s->state, s->block);
  }
  for (; count >= 64; count -= 64, bytes += 64) compress(s->state, bytes);
  if (count > 0) memcpy(s->block, bytes, count);
}

void moon_md5_end(moon_md5 *s, uint8_t *hash) {
  uint64_t bits = s->length * 8;
  static const uint8_t padding[64] = {0x80};
  moon_md5_add(s, padding, 1 + (119 - s->length % 64) % 64);
  uint8_t tail[8];
  for (int i = 0; i < 8; i++) tail[i] = (uint8_t)(bits >> (8 * i));
  moon_md5_add(s, tail, 8);
  for (int i = 0; i < 16; i++) hash[i] = (uint8_t)(s->state[i / 4] >> (8 * (i % 4)));
}

uint32_t moon_crc32(uint32_t crc, const void *data, size_t count) {
  // Four bits at a time: sixteen entries are nothing to look after.
  static const uint32_t table[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
  };
  const uint8_t *bytes = data;
  crc = ~crc;
  for (size_t i = 0; i < count; i++) {
    crc = crc >> 4 ^ table[(crc ^ bytes[i]) & 15];
    crc = crc >> 4 ^ table[(crc ^ bytes[i] >> 4) & 15];
  }
  return ~crc;
}

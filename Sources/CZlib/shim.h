#ifndef MOONDIAL_CZLIB_H
#define MOONDIAL_CZLIB_H

#include <zlib.h>

/* inflateInit2 is a macro, which Swift does not see. */
static inline int moon_inflate_start(z_stream *stream, int window_bits) { return inflateInit2(stream, window_bits); }

#endif

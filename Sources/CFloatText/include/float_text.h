/// Numbers as text and back, by the C++ library of the system: the shortest digits that read back as the same number
/// (Ulf Adams, "Ryū: fast float-to-string conversion", PLDI 2018) and reading without a loss (Daniel Lemire, "Number
/// parsing at a gigabyte per second", 2021). Neither asks the locale, holds a lock or allocates memory.
#ifndef MOON_FLOAT_TEXT_H
#define MOON_FLOAT_TEXT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MOON_FLOAT_TEXT = 32 };

/// Writes a finite number as `d.ddde±dd`, with as few digits as read back as it, and at least two of the exponent.
/// Returns how many bytes were written, at most MOON_FLOAT_TEXT; there is no 0 at the end.
size_t moon_float_digits(double number, char *text);

/// The number nearest to the decimal text from `text` to `end`, which has the form of one in JSON; infinity for what is
/// too large. At `end` or behind it something must end the number.
double moon_float_parse(const char *text, const char *end);

#ifdef __cplusplus
}
#endif

#endif

#include "float_text.h"
#include <charconv>
#include <cstdlib>

extern "C" size_t moon_float_digits(double number, char *text) {
  return static_cast<size_t>(
    std::to_chars(text, text + MOON_FLOAT_TEXT, number, std::chars_format::scientific).ptr - text);
}

extern "C" double moon_float_parse(const char *text, const char *end) {
  double number = 0;
  if (std::from_chars(text, end, number).ec == std::errc()) return number;
  // Too large, or too small for anything but 0: the C library tells which.
  return std::strtod(text, nullptr);
}

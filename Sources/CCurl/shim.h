#ifndef MOONDIAL_CCURL_H
#define MOONDIAL_CCURL_H

#include <curl/curl.h>

/* The functions of libcurl that set and get options take a variable argument, which Swift cannot call: one function for
   each kind of value (libcurl's manual, curl_easy_setopt(3), curl_easy_getinfo(3), curl_multi_setopt(3)). */

static inline CURLcode moon_curl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode moon_curl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode moon_curl_set_string(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode moon_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}
/* For CURLOPT_WRITEFUNCTION, CURLOPT_HEADERFUNCTION and CURLOPT_READFUNCTION. */
typedef size_t (*moon_curl_transfer)(char *bytes, size_t size, size_t count, void *context);
static inline CURLcode moon_curl_set_transfer(CURL *handle, CURLoption option, moon_curl_transfer function) {
  return curl_easy_setopt(handle, option, function);
}
static inline CURLcode moon_curl_get_long(CURL *handle, CURLINFO info, long *value) {
  return curl_easy_getinfo(handle, info, value);
}
static inline CURLcode moon_curl_get_size(CURL *handle, CURLINFO info, curl_off_t *value) {
  return curl_easy_getinfo(handle, info, value);
}
static inline CURLcode moon_curl_get_string(CURL *handle, CURLINFO info, char **value) {
  return curl_easy_getinfo(handle, info, value);
}
static inline CURLcode moon_curl_get_pointer(CURL *handle, CURLINFO info, void **value) {
  return curl_easy_getinfo(handle, info, value);
}
static inline CURLMcode moon_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

#endif

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
/* For CURLOPT_OPENSOCKETFUNCTION. */
typedef curl_socket_t (*moon_curl_opener)(void *context, curlsocktype purpose, struct curl_sockaddr *address);
static inline CURLcode moon_curl_set_opener(CURL *handle, CURLoption option, moon_curl_opener function) {
  return curl_easy_setopt(handle, option, function);
}
/* For CURLOPT_PREREQFUNCTION. */
typedef int (*moon_curl_ready)(void *context, char *remote, char *local, int remote_port, int local_port);
static inline CURLcode moon_curl_set_ready(CURL *handle, CURLoption option, moon_curl_ready function) {
  return curl_easy_setopt(handle, option, function);
}
/* For CURLOPT_XFERINFOFUNCTION. */
typedef int (*moon_curl_progress)(
  void *context, curl_off_t to_receive, curl_off_t received, curl_off_t to_send, curl_off_t sent);
static inline CURLcode moon_curl_set_progress(CURL *handle, CURLoption option, moon_curl_progress function) {
  return curl_easy_setopt(handle, option, function);
}
/* For CURLOPT_SEEKFUNCTION. */
typedef int (*moon_curl_seeker)(void *context, curl_off_t offset, int origin);
static inline CURLcode moon_curl_set_seeker(CURL *handle, CURLoption option, moon_curl_seeker function) {
  return curl_easy_setopt(handle, option, function);
}
/* libcurl copies the bytes. */
static inline CURLcode moon_curl_set_blob(CURL *handle, CURLoption option, const void *bytes, size_t size) {
  struct curl_blob blob = { (void *)bytes, size, CURL_BLOB_COPY };
  return curl_easy_setopt(handle, option, &blob);
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

/* A message has a union in it. */
static inline CURLcode moon_curl_result(const CURLMsg *message) { return message->data.result; }

#endif

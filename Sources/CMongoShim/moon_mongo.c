#include "moon_mongo.h"

#include <dlfcn.h>
// The way to libbson's headers is known by its package; libmongoc's lie beside them.
#if __has_include(<mongoc/mongoc.h>)
#include <mongoc/mongoc.h>
#else
#include </usr/include/libmongoc-1.0/mongoc/mongoc.h>
#endif
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// libmongoc is loaded when the first address is opened, and not linked: with the ten libraries that it needs it would
// cost each command of a host without a MongoDB store 6 ms of processor time at its start, and a machine without it all
// of them.
#define FUNCTIONS(X) \
  X(mongoc_client_command_with_opts) \
  X(mongoc_client_pool_destroy) \
  X(mongoc_client_pool_max_size) \
  X(mongoc_client_pool_new_with_error) \
  X(mongoc_client_pool_pop) \
  X(mongoc_client_pool_push) \
  X(mongoc_client_pool_set_appname) \
  X(mongoc_client_pool_set_error_api) \
  X(mongoc_client_session_abort_transaction) \
  X(mongoc_client_session_append) \
  X(mongoc_client_session_commit_transaction) \
  X(mongoc_client_session_destroy) \
  X(mongoc_client_session_in_transaction) \
  X(mongoc_client_session_start_transaction) \
  X(mongoc_client_start_session) \
  X(mongoc_init) \
  X(mongoc_log_set_handler) \
  X(mongoc_read_concern_destroy) \
  X(mongoc_read_concern_new) \
  X(mongoc_read_concern_set_level) \
  X(mongoc_transaction_opts_destroy) \
  X(mongoc_transaction_opts_new) \
  X(mongoc_transaction_opts_set_read_concern) \
  X(mongoc_transaction_opts_set_write_concern) \
  X(mongoc_uri_destroy) \
  X(mongoc_uri_get_database) \
  X(mongoc_uri_has_option) \
  X(mongoc_uri_new_with_error) \
  X(mongoc_uri_set_option_as_bool) \
  X(mongoc_uri_set_option_as_int32) \
  X(mongoc_write_concern_destroy) \
  X(mongoc_write_concern_new) \
  X(mongoc_write_concern_set_journal) \
  X(mongoc_write_concern_set_wmajority)

static struct {
#define DECLARE(name) __typeof__(name) *name;
  FUNCTIONS(DECLARE)
#undef DECLARE
  bool is_there;
} mongo;

static void load_library(void) {
  void *library = dlopen("libmongoc-1.0.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) { return; }
#define FIND(name) \
  mongo.name = (__typeof__(mongo.name))dlsym(library, #name); \
  if (mongo.name == NULL) { return; }
  FUNCTIONS(FIND)
#undef FIND
  mongo.is_there = true;
}

struct moon_mongo_pool {
  mongoc_client_pool_t *pool;
  char *database;
};

static void set_error(moon_mongo_error *to, const bson_error_t *from) {
  to->domain = from->domain;
  to->code = from->code != 0 ? from->code : 1;
  strncpy(to->text, from->message, sizeof to->text - 1);
  to->text[sizeof to->text - 1] = 0;
}

static void set_text(moon_mongo_error *to, const char *text) {
  bson_error_t error = { 0 };
  bson_set_error(&error, 0, 1, "%s", text);
  set_error(to, &error);
}

static void begin_library(void) {
  load_library();
  if (!mongo.is_there) { return; }
  // It would write to standard error by itself, also while it begins.
  mongo.mongoc_log_set_handler(NULL, NULL);
  mongo.mongoc_init();
}

static void set_default(mongoc_uri_t *uri, const char *option, int32_t value) {
  if (!mongo.mongoc_uri_has_option(uri, option)) { mongo.mongoc_uri_set_option_as_int32(uri, option, value); }
}

moon_mongo_pool *moon_mongo_open(
  const char *address, const char *name, int32_t selection_ms, int32_t connect_ms, int32_t answer_ms,
  moon_mongo_error *error) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin_library);
  if (!mongo.is_there) {
    set_text(error, "libmongoc is not installed (Debian: apt-get install libmongoc-1.0-0)");
    error->domain = MOON_MONGO_ABSENT;
    return NULL;
  }
  bson_error_t cause;
  mongoc_uri_t *uri = mongo.mongoc_uri_new_with_error(address, &cause);
  if (uri == NULL) {
    set_error(error, &cause);
    return NULL;
  }
  set_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, selection_ms);
  set_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, connect_ms);
  set_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, answer_ms);
  // Moondial tries again by itself, and knows what has happened.
  mongo.mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
  mongo.mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
  moon_mongo_pool *made = calloc(1, sizeof *made);
  mongoc_client_pool_t *pool = made == NULL ? NULL : mongo.mongoc_client_pool_new_with_error(uri, &cause);
  const char *database = mongo.mongoc_uri_get_database(uri);
  if (pool != NULL) {
    mongo.mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
    mongo.mongoc_client_pool_set_appname(pool, name);
    mongo.mongoc_client_pool_max_size(pool, 8);
    made->pool = pool;
    made->database = database == NULL ? NULL : strdup(database);
  } else if (made == NULL) {
    set_text(error, "there is no memory");
  } else {
    set_error(error, &cause);
    free(made);
    made = NULL;
  }
  mongo.mongoc_uri_destroy(uri);
  return made;
}

void moon_mongo_close(moon_mongo_pool *pool) {
  mongo.mongoc_client_pool_destroy(pool->pool);
  free(pool->database);
  free(pool);
}

const char *moon_mongo_database(const moon_mongo_pool *pool) { return pool->database; }

moon_mongo_client *moon_mongo_take(moon_mongo_pool *pool) {
  return (moon_mongo_client *)mongo.mongoc_client_pool_pop(pool->pool);
}

void moon_mongo_give_back(moon_mongo_pool *pool, moon_mongo_client *client) {
  mongo.mongoc_client_pool_push(pool->pool, (mongoc_client_t *)client);
}

uint8_t *moon_mongo_run(
  moon_mongo_client *client, const char *database, const uint8_t *command, size_t size,
  moon_mongo_transaction *transaction, size_t *answer_size, moon_mongo_error *error) {
  bson_t body, reply;
  bson_t options = BSON_INITIALIZER;
  bson_error_t cause = { 0 };
  bool went_well = bson_init_static(&body, command, size);
  if (!went_well) {
    bson_set_error(&cause, 0, 1, "a command that is no BSON");
    bson_init(&reply);
  } else if (
    transaction != NULL
    && !mongo.mongoc_client_session_append((mongoc_client_session_t *)transaction, &options, &cause)) {
    went_well = false;
    bson_init(&reply);
  } else {
    went_well = mongo.mongoc_client_command_with_opts(
      (mongoc_client_t *)client, database, &body, NULL, &options, &reply, &cause);
  }
  if (!went_well) { set_error(error, &cause); }
  uint8_t *answer = malloc(reply.len);
  if (answer != NULL) { memcpy(answer, bson_get_data(&reply), reply.len); }
  *answer_size = reply.len;
  bson_destroy(&reply);
  bson_destroy(&options);
  return answer;
}

moon_mongo_transaction *moon_mongo_converse(moon_mongo_client *client, moon_mongo_error *error) {
  bson_error_t cause = { 0 };
  mongoc_client_session_t *session = mongo.mongoc_client_start_session((mongoc_client_t *)client, NULL, &cause);
  if (session == NULL) { set_error(error, &cause); }
  return (moon_mongo_transaction *)session;
}

moon_mongo_transaction *moon_mongo_begin(moon_mongo_client *client, moon_mongo_error *error) {
  bson_error_t cause = { 0 };
  mongoc_client_session_t *session = mongo.mongoc_client_start_session((mongoc_client_t *)client, NULL, &cause);
  if (session == NULL) {
    set_error(error, &cause);
    return NULL;
  }
  mongoc_transaction_opt_t *options = mongo.mongoc_transaction_opts_new();
  mongoc_write_concern_t *majority = mongo.mongoc_write_concern_new();
  mongo.mongoc_write_concern_set_wmajority(majority, 30000);
  // Whatever the replica set means by a majority (writeConcernMajorityJournalDefault).
  mongo.mongoc_write_concern_set_journal(majority, true);
  mongo.mongoc_transaction_opts_set_write_concern(options, majority);
  mongoc_read_concern_t *snapshot = mongo.mongoc_read_concern_new();
  mongo.mongoc_read_concern_set_level(snapshot, MONGOC_READ_CONCERN_LEVEL_SNAPSHOT);
  mongo.mongoc_transaction_opts_set_read_concern(options, snapshot);
  bool has_begun = mongo.mongoc_client_session_start_transaction(session, options, &cause);
  mongo.mongoc_read_concern_destroy(snapshot);
  mongo.mongoc_write_concern_destroy(majority);
  mongo.mongoc_transaction_opts_destroy(options);
  if (!has_begun) {
    set_error(error, &cause);
    mongo.mongoc_client_session_destroy(session);
    return NULL;
  }
  return (moon_mongo_transaction *)session;
}

bool moon_mongo_commit(moon_mongo_transaction *transaction, moon_mongo_error *error) {
  bson_error_t cause = { 0 };
  bson_t reply;
  bool went_well =
    mongo.mongoc_client_session_commit_transaction((mongoc_client_session_t *)transaction, &reply, &cause);
  bson_destroy(&reply);
  if (!went_well) { set_error(error, &cause); }
  return went_well;
}

void moon_mongo_end(moon_mongo_transaction *transaction) {
  mongoc_client_session_t *session = (mongoc_client_session_t *)transaction;
  if (mongo.mongoc_client_session_in_transaction(session)) {
    mongo.mongoc_client_session_abort_transaction(session, NULL);
  }
  mongo.mongoc_client_session_destroy(session);
}

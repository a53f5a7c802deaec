#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// libmongoc as commands: BSON in, BSON out, as bytes. Everything that MongoDB can do is a command, and the bytes are
// made and read in Swift; so nothing of libmongoc's own types is seen here.

/// What went wrong: `domain` and `code` as libmongoc says them (mongoc_error_domain_t), 0 when nothing did.
typedef struct moon_mongo_error {
  uint32_t domain;
  uint32_t code;
  char text[512];
} moon_mongo_error;

/// The domain of the error that libmongoc is not there.
#define MOON_MONGO_ABSENT 9999u

/// Connections to one server or replica set, for any thread. Watches it on a thread of its own.
typedef struct moon_mongo_pool moon_mongo_pool;
/// One of them, for one thread at a time (mongoc_client_t).
typedef struct moon_mongo_client moon_mongo_client;
/// A session, mostly with a transaction that is under way (mongoc_client_session_t).
typedef struct moon_mongo_transaction moon_mongo_transaction;

/// NULL: the address is not one, or libmongoc is not installed, as `error` says.
///
/// Sets how long to look for a server, to wait for a connection and for an answer where the address does not; `name` is
/// what the server knows the connections by.
moon_mongo_pool *moon_mongo_open(
  const char *address, const char *name, int32_t selection_ms, int32_t connect_ms, int32_t answer_ms,
  moon_mongo_error *error);
/// All clients have been given back.
void moon_mongo_close(moon_mongo_pool *pool);
/// The database that the address names; NULL: none.
const char *moon_mongo_database(const moon_mongo_pool *pool);

/// Waits for a client when too many are in use.
moon_mongo_client *moon_mongo_take(moon_mongo_pool *pool);
void moon_mongo_give_back(moon_mongo_pool *pool, moon_mongo_client *client);

/// Runs a command, and waits for its answer.
///
/// @param transaction that it is part of, or NULL.
/// @return the answer, to be freed; also when `error` says that it failed. NULL: there is no memory.
uint8_t *moon_mongo_run(
  moon_mongo_client *client, const char *database, const uint8_t *command, size_t size,
  moon_mongo_transaction *transaction, size_t *answer_size, moon_mongo_error *error);

/// A session without a transaction: of commands that belong together, as those of one cursor. NULL: there is none, as
/// `error` says.
moon_mongo_transaction *moon_mongo_converse(moon_mongo_client *client, moon_mongo_error *error);
/// NULL: it could not be begun, as `error` says. Its commit waits for the disks of a majority.
moon_mongo_transaction *moon_mongo_begin(moon_mongo_client *client, moon_mongo_error *error);
/// Whether it is committed; if not, `error` says why, and it may be all the same.
bool moon_mongo_commit(moon_mongo_transaction *transaction, moon_mongo_error *error);
/// Undoes it if it is not committed, and frees it.
void moon_mongo_end(moon_mongo_transaction *transaction);

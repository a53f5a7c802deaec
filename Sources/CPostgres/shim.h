#ifndef MOONDIAL_CPOSTGRES_H
#define MOONDIAL_CPOSTGRES_H

#include <libpq-fe.h>

/* The five characters of SQLSTATE of a failed result; NULL when the server did not say (a connection that broke). */
static inline const char *moon_pg_state(const PGresult *result) { return PQresultErrorField(result, PG_DIAG_SQLSTATE); }
static inline const char *moon_pg_message(const PGresult *result) {
  return PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
}

/* What a server has to say besides its answers would go to standard error, in the middle of the host's log. */
static inline void moon_pg_ignore(void *context, const PGresult *result) {
  (void)context;
  (void)result;
}
static inline void moon_pg_silence(PGconn *connection) { PQsetNoticeReceiver(connection, moon_pg_ignore, NULL); }

#endif

#ifndef MOONDIAL_CPOSTGRES_H
#define MOONDIAL_CPOSTGRES_H

#include <libpq-fe.h>

/* The five characters of SQLSTATE of a failed result; NULL when the server did not say (a connection that broke). */
static inline const char *moon_pg_state(const PGresult *result) { return PQresultErrorField(result, PG_DIAG_SQLSTATE); }
static inline const char *moon_pg_message(const PGresult *result) {
  return PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
}

#endif

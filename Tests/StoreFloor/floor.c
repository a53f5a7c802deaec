/* What SQLite itself can do on this machine: the statements of the store's hot path, at the same batch sizes, from
 * C, with nothing around them. The store's own benchmark is read against this figure, taken in the same sitting.
 *
 *   cc -O2 floor.c -lsqlite3 -lpthread -o floor
 *   ./floor FILE [full|normal] [BATCH] [JOBS] [SECONDS] [HISTORY] [alone|handed]
 *
 * A fire is: its schedule moved on and a claim inserted (one commit per BATCH of them), then the claim removed and a
 * finished run inserted (another). Finished runs get their index entries in sorted strokes of 16,384, a slice with
 * each commit, and the log is checkpointed each 2,000 pages, as the store does. FILE is overwritten. Prints one line
 * of key=value pairs.
 *
 * `alone` (the default) writes on the thread that makes the batches. `handed` gives each batch to a writer thread
 * and waits until it says that it is written: what a caller pays who has one batch under way at a time, and what
 * nobody pays who has two.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STROKE = 16384, CHECKPOINT_PAGES = 2000 };

static sqlite3 *db;
static int wal_pages;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
  exit(1);
}

static void run_sql(const char *sql) {
  if (sqlite3_exec(db, sql, 0, 0, 0)) fail(sql);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, 0)) fail(sql);
  return statement;
}

static void step(sqlite3_stmt *statement) {
  if (sqlite3_step(statement) != SQLITE_DONE) fail(sqlite3_sql(statement));
  sqlite3_reset(statement);
}

static int committed(void *context, sqlite3 *connection, const char *name, int pages) {
  (void)context, (void)connection, (void)name;
  wal_pages = pages;
  return SQLITE_OK;
}

typedef struct { long long job, run; } Entry;

static int by_job(const void *a, const void *b) {
  const Entry *x = a, *y = b;
  if (x->job != y->job) return x->job < y->job ? -1 : 1;
  return x->run < y->run ? -1 : x->run > y->run;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* The median time of writing 4 KiB and waiting for the disk, in milliseconds. */
static double fsync_p50(const char *path) {
  char name[4096], block[4096];
  double times[201];
  snprintf(name, sizeof name, "%s.fsync", path);
  memset(block, 7, sizeof block);
  int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file < 0) fail(name);
  for (int i = 0; i < 201; i++) {
    double start = now();
    if (pwrite(file, block, sizeof block, (long)i * 4096) != sizeof block || fdatasync(file)) fail(name);
    times[i] = now() - start;
  }
  close(file);
  unlink(name);
  qsort(times, 201, sizeof *times, by_value);
  return times[100] * 1000;
}

#define RUN_COLUMNS \
  "(id INTEGER PRIMARY KEY, job INTEGER NOT NULL, cause INTEGER NOT NULL, scheduled_at INTEGER NOT NULL," \
  "clock_epoch INTEGER NOT NULL, missed INTEGER NOT NULL, claimed_at INTEGER, started_at INTEGER, finished_at INTEGER," \
  "attempts INTEGER NOT NULL, outcome INTEGER, memory_peak INTEGER NOT NULL, duration INTEGER NOT NULL," \
  "error TEXT, error_file TEXT, error_line INTEGER, traceback TEXT, error_data TEXT," \
  "result TEXT, params TEXT, event TEXT, recovers INTEGER) STRICT;"

/* One piece of work at a time, done by the thread that made it or by a writer thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static void (*work)(void);
static int is_handed;

static void *writer(void *context) {
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!work) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    work();
    pthread_mutex_lock(&lock);
    work = 0;
    pthread_cond_broadcast(&changed);
  }
  return context;
}

static void perform(void (*body)(void)) {
  if (!is_handed) {
    body();
    return;
  }
  pthread_mutex_lock(&lock);
  work = body;
  pthread_cond_broadcast(&changed);
  while (work) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}

/* What the two commits of a batch work on. */
static sqlite3_stmt *begin, *commit, *fire, *claim, *close_run, *finish, *file_entry;
static const long long epoch = 1767225600000000000LL;
static long long id;
static int batch, *job_of, pages_at_last;
static Entry *pending, *stroke;
static long pending_count, stroke_count, stroke_position;

#define BIND_RUN(statement, number, of_job) \
  sqlite3_bind_int64(statement, 1, number), sqlite3_bind_int64(statement, 2, of_job), \
    sqlite3_bind_int64(statement, 3, 0), \
    sqlite3_bind_int64(statement, 4, epoch + (number) * 1000), sqlite3_bind_int64(statement, 5, 0), \
    sqlite3_bind_int64(statement, 6, 0), sqlite3_bind_int64(statement, 7, epoch + (number) * 1000 + 500)
#define BIND_END(statement, number) \
  sqlite3_bind_int64(statement, 8, epoch + (number) * 1000 + 600), \
    sqlite3_bind_int64(statement, 9, epoch + (number) * 1000 + 900), \
    sqlite3_bind_int64(statement, 10, 1), sqlite3_bind_int64(statement, 11, 0), \
    sqlite3_bind_int64(statement, 12, 65536), \
    sqlite3_bind_int64(statement, 13, 300)

static void write_claims(void) {
  step(begin);
  for (int i = 0; i < batch; i++) {
    sqlite3_bind_int64(fire, 1, job_of[i]), sqlite3_bind_int64(fire, 2, epoch + id);
    sqlite3_bind_int64(fire, 3, epoch + id);
    sqlite3_bind_int64(fire, 4, id), step(fire);
  }
  for (int i = 0; i < batch; i++) BIND_RUN(claim, id + 1 + i, job_of[i]), step(claim);
  step(commit);
}

static void write_ends(void) {
  step(begin);
  for (int i = 0; i < batch; i++) {
    long long run = id + 1 + i;
    sqlite3_bind_int64(close_run, 1, run), step(close_run);
    BIND_RUN(finish, run, job_of[i]), BIND_END(finish, run), step(finish);
    pending[pending_count++] = (Entry){job_of[i], run};
  }
  if (stroke_position == stroke_count && pending_count >= STROKE) {
    memcpy(stroke, pending, sizeof(Entry) * pending_count);
    qsort(stroke, pending_count, sizeof(Entry), by_job);
    stroke_count = pending_count, stroke_position = pending_count = 0;
  }
  long slice = 2 * batch > 512 ? 2 * batch : 512;
  for (long i = 0; i < slice && stroke_position < stroke_count; i++, stroke_position++) {
    sqlite3_bind_int64(file_entry, 1, stroke[stroke_position].job);
    sqlite3_bind_int64(file_entry, 2, stroke[stroke_position].run), step(file_entry);
  }
  step(commit);
  if (wal_pages < pages_at_last) pages_at_last = 0;
  if (wal_pages - pages_at_last >= CHECKPOINT_PAGES) {
    pages_at_last = wal_pages;
    sqlite3_wal_checkpoint_v2(db, 0, SQLITE_CHECKPOINT_PASSIVE, 0, 0);
  }
}

int main(int count, char **arguments) {
  if (count < 2) {
    fprintf(stderr, "usage: floor FILE [full|normal] [BATCH] [JOBS] [SECONDS] [HISTORY] [alone|handed]\n");
    return 2;
  }
  const char *path = arguments[1], *sync = count > 2 ? arguments[2] : "full";
  int jobs = count > 4 ? atoi(arguments[4]) : 1000;
  batch = count > 3 ? atoi(arguments[3]) : 256;
  double seconds = count > 5 ? atof(arguments[5]) : 5;
  long long history = count > 6 ? atoll(arguments[6]) : 0;
  is_handed = count > 7 && !strcmp(arguments[7], "handed");
  char text[4200];
  unlink(path);
  snprintf(text, sizeof text, "%s-wal", path), unlink(text);
  snprintf(text, sizeof text, "%s-shm", path), unlink(text);
  double fsync_ms = fsync_p50(path);

  if (sqlite3_open(path, &db)) fail(path);
  run_sql("PRAGMA journal_mode = WAL");
  snprintf(text, sizeof text, "PRAGMA synchronous = %s", sync), run_sql(text);
  run_sql("PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = OFF");
  sqlite3_wal_hook(db, committed, 0);
  run_sql(
    "CREATE TABLE schedules(job INTEGER PRIMARY KEY, trigger TEXT, next_fire INTEGER, anchor INTEGER, last_fire INTEGER,"
    "fire_count INTEGER NOT NULL, registered_at INTEGER NOT NULL, clock_epoch INTEGER NOT NULL, paused INTEGER NOT NULL,"
    "orphaned_at INTEGER) STRICT;"
    "CREATE TABLE open_runs" RUN_COLUMNS "CREATE TABLE runs" RUN_COLUMNS
    "CREATE INDEX runs_unsuccessful ON runs(outcome) WHERE outcome > 0;"
    "CREATE INDEX runs_unsuccessful_of_job ON runs(job, outcome) WHERE outcome > 0;"
    "CREATE TABLE job_runs(job INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY(job, run)) STRICT, WITHOUT ROWID;");

  begin = prepare("BEGIN IMMEDIATE"), commit = prepare("COMMIT");
  fire = prepare("UPDATE schedules SET next_fire = ?2, last_fire = ?3, fire_count = ?4 WHERE job = ?1");
  claim = prepare("INSERT OR REPLACE INTO open_runs(id, job, cause, scheduled_at, clock_epoch, missed, claimed_at, attempts, memory_peak, duration) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0)");
  close_run = prepare("DELETE FROM open_runs WHERE id = ?1");
  finish = prepare("INSERT OR REPLACE INTO runs(id, job, cause, scheduled_at, clock_epoch, missed, claimed_at, started_at, finished_at, attempts, outcome, memory_peak, duration) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
  file_entry = prepare("INSERT OR IGNORE INTO job_runs(job, run) VALUES(?1, ?2)");

  run_sql("BEGIN");
  sqlite3_stmt *add = prepare("INSERT INTO schedules VALUES(?1, 'every 60s', 1767225600000000000, NULL, NULL, 0, 1767225600000000000, 0, 0, NULL)");
  for (int job = 1; job <= jobs; job++) sqlite3_bind_int64(add, 1, job), step(add);
  for (long long i = 0; i < history; i++) {
    id++;
    BIND_RUN(finish, id, 1 + id % jobs), BIND_END(finish, id), step(finish);
  }
  run_sql("INSERT INTO job_runs SELECT job, id FROM runs ORDER BY job, id; COMMIT");
  sqlite3_wal_checkpoint_v2(db, 0, SQLITE_CHECKPOINT_TRUNCATE, 0, 0);

  pending = malloc(sizeof(Entry) * (2 * STROKE + 2 * batch)), stroke = malloc(sizeof(Entry) * (2 * STROKE + 2 * batch));
  job_of = malloc(sizeof(int) * batch);
  pthread_t thread;
  if (is_handed && pthread_create(&thread, 0, writer, 0)) fail("no thread");
  long fires = 0;
  unsigned random = 1;
  double start = now(), end = start, cpu = cpu_time();
  while ((end = now()) - start < seconds) {
    for (int i = 0; i < batch; i++) {
      random = random * 1664525u + 1013904223u;
      job_of[i] = 1 + (random >> 8) % jobs;
    }
    perform(write_claims);
    perform(write_ends);
    id += batch, fires += batch;
  }
  printf("program=floor-c sqlite=%s synchronous=%s batch=%d jobs=%d history=%lld writer=%s fires_per_second=%.0f cpu_us=%.2f fsync_p50_ms=%.3f\n",
    sqlite3_libversion(), sync, batch, jobs, history, is_handed ? "handed" : "alone", fires / (end - start),
    (cpu_time() - cpu) * 1e6 / fires, fsync_ms);
  return 0;
}

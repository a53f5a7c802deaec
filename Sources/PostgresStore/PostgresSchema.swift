/// The tables of a store, and how those of any earlier version become those of this one.
///
/// They are in a schema of their own. `versions` says which migrations were applied; each is one transaction together
/// with its row there, and an advisory lock lets one host at a time migrate.
///
/// Why these shapes:
/// - Words, not numbers, for outcomes, causes and reasons: whoever looks with psql can read them, and they are no
///   longer than a bigint.
/// - Names of jobs are in the rows. Interned they would be shorter, and a name would have to be looked up before each
///   batch, or its number be kept in step with what was rolled back.
/// - A run is a row of `open_runs` until it ends and a row of `runs` from then on: finding what has not ended takes no
///   index over history, and history is only ever added to.
/// - Every table that changes with each fire leaves room in its pages (`fillfactor`), so that an update stays on its
///   page and touches no index (PostgreSQL's HOT updates).
/// - What depends on rows that are there (who leads, whether a range continues the newest one, compare and swap) is a
///   function in the server: a transaction is one way there and back, whatever is in it.
enum PostgresSchema {
  static let name = "moondial"
  /// What a transaction of a host that does not lead any more fails with.
  static let fencedState = "MD001"
  /// Told when leadership is given back: whoever stands by tries at once.
  static let channel = "moondial_leader"
  /// Told when something was asked of a member: they look at once.
  static let memberChannel = "moondial_members"

  /// One entry per version, in order; entries are never edited once released.
  static let migrations: [String] = [
    tables + runTables + functions, steps + provenCommits + manyValues + transactions, members,
    placements,
  ]
  static var currentVersion: Int { migrations.count }

  private static let tables = """
    CREATE TABLE leadership(
      one boolean PRIMARY KEY DEFAULT true CHECK(one),
      epoch bigint NOT NULL DEFAULT 0, node text NOT NULL DEFAULT '', process bigint NOT NULL DEFAULT 0,
      backend bigint NOT NULL DEFAULT 0,
      taken_at timestamptz, expires_at timestamptz NOT NULL DEFAULT '-infinity',
      highest_run bigint NOT NULL DEFAULT 0, decision_number bigint NOT NULL DEFAULT 0,
      clock_epoch bigint NOT NULL DEFAULT 0) WITH (fillfactor = 10);
    INSERT INTO leadership DEFAULT VALUES;

    CREATE TABLE schedules(
      job text COLLATE "C" PRIMARY KEY, trigger text, next_fire bigint, anchor bigint, last_fire bigint,
      fire_count bigint NOT NULL, registered_at bigint NOT NULL, clock_epoch bigint NOT NULL, paused boolean NOT NULL,
      orphaned_at bigint, arrivals text, pause_reason text, paused_by text, paused_at bigint) WITH (fillfactor = 50);

    CREATE TABLE dynamic_schedules(
      id text COLLATE "C" PRIMARY KEY, job text COLLATE "C" NOT NULL, trigger text, next_fire bigint, anchor bigint,
      last_fire bigint, fire_count bigint NOT NULL, registered_at bigint NOT NULL, clock_epoch bigint NOT NULL,
      paused boolean NOT NULL, orphaned_at bigint, params text, jitter bigint, time_zone text, misfire_grace bigint,
      "coalesce" text, max_instances bigint, priority bigint) WITH (fillfactor = 50);
    CREATE INDEX dynamic_schedules_of_job ON dynamic_schedules(job);

    CREATE TABLE run_log(
      run bigint NOT NULL, line bigint NOT NULL, at bigint NOT NULL, level text NOT NULL, message text NOT NULL,
      fields text, PRIMARY KEY(run, line));
    CREATE TABLE log_sizes(run bigint PRIMARY KEY, job text COLLATE "C" NOT NULL, bytes bigint NOT NULL);
    CREATE INDEX log_sizes_of_job ON log_sizes(job, run);

    CREATE TABLE decisions(
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job text COLLATE "C" NOT NULL, schedule text COLLATE "C",
      kind text NOT NULL, reason text, first bigint NOT NULL, last bigint NOT NULL, count bigint NOT NULL,
      at_least boolean NOT NULL, clock_epoch bigint NOT NULL, decided_at bigint NOT NULL, run bigint)
      WITH (fillfactor = 70);
    CREATE INDEX decisions_of_job ON decisions(job, id);
    CREATE INDEX decisions_own ON decisions(job, id) WHERE schedule IS NULL;
    CREATE INDEX decisions_dynamic ON decisions(schedule, id) WHERE schedule IS NOT NULL;

    CREATE TABLE watched_files(
      job text COLLATE "C" NOT NULL, path_key bytea NOT NULL, path text NOT NULL, device bigint NOT NULL,
      inode bigint NOT NULL, size bigint NOT NULL, modified bigint NOT NULL, outcome text, run bigint,
      marked_at bigint NOT NULL, PRIMARY KEY(job, path_key));

    CREATE TABLE kv_spaces(
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name_key bytea NOT NULL UNIQUE, name text NOT NULL,
      bytes bigint NOT NULL) WITH (fillfactor = 50);
    CREATE TABLE kv(
      space bigint NOT NULL, key bytea NOT NULL, value text NOT NULL, version bigint NOT NULL, expires_at bigint,
      PRIMARY KEY(space, key));
    CREATE INDEX kv_expiring ON kv(expires_at) WHERE expires_at IS NOT NULL;
    CREATE SEQUENCE kv_versions;

    CREATE TABLE host_pause(
      one boolean PRIMARY KEY DEFAULT true CHECK(one), reason text, paused_by text NOT NULL, paused_at bigint NOT NULL);
    CREATE TABLE audit(
      id bigint PRIMARY KEY, at bigint NOT NULL, by text NOT NULL, door text NOT NULL, action text NOT NULL,
      subject text, details text);

    """

  private static let runTables = """
    CREATE TABLE open_runs(\(runColumns)) WITH (fillfactor = 50);
    CREATE TABLE runs(\(runColumns));
    CREATE INDEX runs_of_job ON runs(job, id);
    CREATE INDEX runs_unsuccessful ON runs(outcome, id) WHERE outcome <> 'succeeded';
    CREATE INDEX runs_unsuccessful_of_job ON runs(job, outcome, id) WHERE outcome <> 'succeeded';
    CREATE INDEX runs_by_time ON runs USING brin(scheduled_at, finished_at) WITH (pages_per_range = 16);

    CREATE VIEW history AS
      SELECT id, job, schedule, outcome, to_timestamp(scheduled_at / 1e9) AS scheduled_at,
        to_timestamp(started_at / 1e9) AS started_at, duration / 1e9 AS seconds, attempts, error FROM runs;

    """

  private static let runColumns = """
    id bigint PRIMARY KEY, job text COLLATE "C" NOT NULL, cause text NOT NULL, scheduled_at bigint NOT NULL,
    clock_epoch bigint NOT NULL, missed bigint NOT NULL, claimed_at bigint, started_at bigint, finished_at bigint,
    attempts bigint NOT NULL, outcome text, memory_peak bigint NOT NULL, duration bigint NOT NULL,
    error text, error_file text, error_line bigint, traceback text, error_data text,
    result text, params text, event text, recovers bigint, schedule text COLLATE "C", retried_at bigint,
    resumes_at bigint
    """

  private static let functions = """
    -- The proof, in each transaction of a leader, that nobody has taken its place. The row stays locked until the end of
    -- the transaction, so that who takes over does so before it or after it.
    CREATE FUNCTION prove(own_epoch bigint, highest bigint, decision bigint, lease_ms bigint) RETURNS void
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
      UPDATE leadership SET highest_run = greatest(highest_run, highest),
        decision_number = greatest(decision_number, decision),
        expires_at = clock_timestamp() + lease_ms * interval '1 ms'
      WHERE epoch = own_epoch;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'another host leads' USING ERRCODE = '\(fencedState)';
      END IF;
    END $$;

    -- Adds decision ranges in their order; one that continues the newest of its schedule makes that one longer.
    CREATE FUNCTION decide(
      jobs text[], schedules text[], kinds text[], reasons text[], firsts bigint[], lasts bigint[], counts bigint[],
      at_leasts boolean[], epochs bigint[], decided bigint[], runs bigint[], continued bigint[]) RETURNS void
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      newest decisions;
    BEGIN
      FOR i IN 1..coalesce(cardinality(jobs), 0) LOOP
        newest := NULL;
        IF continued[i] IS NOT NULL THEN
          IF schedules[i] IS NULL THEN
            SELECT * INTO newest FROM decisions d WHERE d.job = jobs[i] AND d.schedule IS NULL
              ORDER BY d.id DESC LIMIT 1;
          ELSE
            SELECT * INTO newest FROM decisions d WHERE d.schedule = schedules[i] ORDER BY d.id DESC LIMIT 1;
          END IF;
        END IF;
        IF newest.id IS NOT NULL AND newest.job = jobs[i] AND newest.kind = kinds[i]
          AND newest.reason IS NOT DISTINCT FROM reasons[i] AND newest.clock_epoch = epochs[i]
          AND newest.run IS NOT DISTINCT FROM runs[i] AND firsts[i] > newest.last AND continued[i] = newest.last THEN
          UPDATE decisions d SET last = lasts[i], count = d.count + counts[i], at_least = d.at_least OR at_leasts[i],
            decided_at = greatest(d.decided_at, decided[i]) WHERE d.id = newest.id;
        ELSE
          INSERT INTO decisions(
            job, schedule, kind, reason, first, last, count, at_least, clock_epoch, decided_at, run)
          VALUES(
            jobs[i], schedules[i], kinds[i], reasons[i], firsts[i], lasts[i], counts[i], at_leasts[i], epochs[i],
            decided[i], runs[i]);
        END IF;
      END LOOP;
    END $$;

    -- Changes a value of a script. Answers 1: done, 0: not what was expected, 2: refused for its size; with the bytes
    -- that the space and the key had.
    CREATE FUNCTION change_value(
      space_name text, new_key bytea, new_value text, expecting bigint, expires bigint, at bigint, quota bigint,
      OUT status bigint, OUT before bigint, OUT own bigint)
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      home kv_spaces;
      old kv;
      size bigint := octet_length(new_key) + octet_length(new_value);
    BEGIN
      -- Locks the space, whoever else changes it, until the end of the transaction.
      INSERT INTO kv_spaces AS s(name_key, name, bytes) VALUES(sha256(convert_to(space_name, 'UTF8')), space_name, 0)
        ON CONFLICT (name_key) DO UPDATE SET bytes = s.bytes RETURNING * INTO home;
      SELECT * INTO old FROM kv k WHERE k.space = home.id AND k.key = new_key;
      before := home.bytes;
      own := coalesce(octet_length(old.key) + octet_length(old.value), 0);
      status := 0;
      -- In brackets: the first THEN outside of any ends the condition.
      IF expecting IS NOT NULL AND expecting <>
        (CASE WHEN old.version IS NULL OR old.expires_at <= at THEN 0 ELSE old.version END) THEN
        RETURN;
      END IF;
      status := 1;
      IF new_value IS NULL THEN
        DELETE FROM kv k WHERE k.space = home.id AND k.key = new_key;
        UPDATE kv_spaces s SET bytes = s.bytes - own WHERE s.id = home.id;
        RETURN;
      END IF;
      IF quota IS NOT NULL AND size > own AND before - own + size > quota THEN
        status := 2;
        RETURN;
      END IF;
      INSERT INTO kv(space, key, value, version, expires_at)
        VALUES(home.id, new_key, new_value, nextval('kv_versions'), expires)
        ON CONFLICT (space, key) DO UPDATE
        SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at;
      UPDATE kv_spaces s SET bytes = s.bytes - own + size WHERE s.id = home.id;
    END $$;

    -- An id for a run of a process alongside the host: one that hosts leave out, or, with no host up, the next.
    CREATE FUNCTION take_external_run(stride bigint) RETURNS bigint
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      taken bigint;
    BEGIN
      UPDATE leadership SET highest_run = CASE WHEN expires_at > clock_timestamp()
        THEN (highest_run / stride + 1) * stride ELSE highest_run + 1 END RETURNING highest_run INTO taken;
      RETURN taken;
    END $$;
    """
}

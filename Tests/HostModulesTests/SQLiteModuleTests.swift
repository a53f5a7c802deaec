import Basics
import Executors
import Foundation
import JobModel
import Lua
import ScriptFixtures
import TestSupport
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptRuntime

@Suite("sqlite", .onBothExecutors)
struct SQLiteModuleTests {
  private let directory: TemporaryDirectory
  private let fixture: PoolFixture

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("own/x", "")
    try directory.write("outside/x", "")
    try directory.link("own/out.db", to: "../outside/out.db")
    let table = try GrantTable(["test.lua": ["fs": ["own:rw", "seen:r"]]], baseDirectory: directory.path)
    fixture = try PoolFixture(grants: table.grants(for: ScriptPath("test.lua")), base: directory.path)
  }

  private func run(_ body: String, fields: String = "") throws -> String {
    let report = try fixture.run(body, fields: fields)
    if report.outcome != .succeeded, report.outcome != .failed { return report.outcome.rawValue }
    return report.result ?? report.error?.message ?? ""
  }

  private static let open =
    "local db = assert(sqlite.open('own/a.db')) assert(db:run('CREATE TABLE IF NOT EXISTS t (a, b)')) "

  @Test("values go in and come out as what they are")
  func values() throws {
    #expect(
      try run(
        Self.open + #"""
          local r = db:run("INSERT INTO t VALUES (?, ?)", { 1, "x'); DROP TABLE t; --" })
          db:run("INSERT INTO t VALUES (:a, :b)", { a = 2.5 })
          db:run("INSERT INTO t VALUES (@a, $b)", { a = true, b = { blob = "\0\xff" } })
          db:run("INSERT INTO t VALUES (?, ?)", { json.null, "\xff\xfe" })
          local rows = db:query("SELECT a, b, typeof(a) AS ta, typeof(b) AS tb FROM t ORDER BY rowid")
          return { r.changes, r.last_id, rows[1], rows[2], rows[3].a, #rows[3].b, rows[3].tb, rows[4].a == nil, rows[4].tb,
            db:first("SELECT count(*) AS n FROM t").n, db:first("SELECT 1 WHERE 0") == nil, math.type(rows[1].a) }
          """#)
        == #"[1,1,{"a":1,"b":"x'); DROP TABLE t; --","ta":"integer","tb":"text"},{"a":2.5,"ta":"real","tb":"null"},1,2,"blob",true,"blob",4,true,"integer"]"#
    )
  }

  @Test("a transaction lands as a whole or not at all")
  func transactions() throws {
    #expect(
      try run(
        Self.open + #"""
          local function count() return db:first("SELECT count(*) AS n FROM t").n end
          local a = db:transaction(function(tx) tx:run("INSERT INTO t VALUES (1, 1)") return "done" end)
          local b, why = db:transaction(function(tx) tx:run("INSERT INTO t VALUES (2, 2)") return nil, "no" end)
          local ok, err = pcall(db.transaction, db, function(tx) tx:run("INSERT INTO t VALUES (3, 3)") error("broken", 0) end)
          return { a, why, ok, err, count() }
          """#) == #"["done","no",false,"broken",1]"#)
    // A run that is killed in the middle has written nothing, and locks nobody out.
    #expect(
      try run(
        Self.open + "db:transaction(function(tx) tx:run('DELETE FROM t') sleep('1h') end)", fields: "timeout = '300ms',"
      ) == "timed_out")
    #expect(
      try run(Self.open + "db:run('INSERT INTO t VALUES (4, 4)') return db:first('SELECT count(*) AS n FROM t').n")
        == "2")
  }

  @Test("what fails is nil and an error with a kind")
  func kinds() throws {
    let rows: [(String, String)] = [
      ("db:run('INSERT INTO u VALUES (NULL)')", "constraint"), ("db:query('SELEC 1')", "sql"), ("db:query('')", "sql"),
      ("db:query('SELECT 1; SELECT 2')", "sql"), ("db:query('SELECT ?')", "type"),
      ("db:query('SELECT ?', { 1, 2 })", "type"),
      ("db:query('SELECT :a', { a = 1, c = 2 })", "type"), ("db:query('SELECT ?', { a = 1 })", "type"),
      ("db:query('SELECT * FROM u, u AS v', nil, { max = 10 })", "fine"),
      ("db:query('SELECT zeroblob(100000)', nil, { max = 1000 })", "too_large"),
      ("sqlite.open('own/none.db', { create = false })", "file"),
      ("sqlite.open('own/none.db', { read_only = true })", "file"),
      ("sqlite.open('own')", "file"),
      (
        "(function() fs.write('own/no.db', ('no'):rep(1000)) return sqlite.open('own/no.db'):query('SELECT * FROM sqlite_schema') end)()",
        "corrupt"
      ),
      ("sqlite.open('own/a.db', { read_only = true }):run('DELETE FROM t')", "read_only"),
    ]
    for (call, kind) in rows {
      #expect(
        try run(
          Self.open
            + "db:run('CREATE TABLE IF NOT EXISTS u (a NOT NULL)') local r, e = \(call) return r and 'fine' or e.kind")
          == "\"\(kind)\"", "\(call)")
    }
    // Somebody else writes.
    #expect(
      try run(
        Self.open + """
          local other = sqlite.open('own/a.db', { busy_timeout = '10ms' })
          db:run('BEGIN IMMEDIATE')
          local r, e = other:run('INSERT INTO t VALUES (1, 1)')
          db:run('COMMIT')
          return { e.kind, tostring(e):match('locked'), other:run('INSERT INTO t VALUES (1, 1)').changes }
          """) == #"["busy","locked",1]"#)
  }

  @Test(
    "SQL reaches no other file",
    arguments: [
      "ATTACH DATABASE 'outside/x' AS o", "ATTACH DATABASE ':memory:' AS o", "VACUUM INTO 'own/copy.db'",
      "SELECT load_extension('x')", "SELECT writefile('outside/w', 'x')", "PRAGMA temp_store_directory = '/tmp'",
      "PRAGMA cache_size = 100000000", "PRAGMA mmap_size = 100000000000", "PRAGMA writable_schema = ON",
      "PRAGMA hard_heap_limit = 1",
    ])
  func fenced(sql: String) throws {
    let result = try run(Self.open + "local r, e = db:query(\"\(sql)\") return r and 'done' or e.kind")
    #expect(["\"denied\"", "\"sql\""].contains(result), "\(sql): \(result)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path + "/outside") == ["x"])
  }

  @Test("paths stay within the grants")
  func grants() throws {
    for call in [
      "sqlite.open('outside/a.db')", "sqlite.open('seen/a.db')", "sqlite.open('own/../a.db')",
      "sqlite.open('/tmp/a.db')",
    ] {
      #expect(try run(call).contains("has no grant for"), "\(call)")
    }
    #expect(try run("sqlite.open('own/out.db')").contains("leads out of what was granted"))
  }

  @Test("a statement that takes long ends with its run, and others of the database go on")
  func killed() throws {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    #expect(try run(Self.open + "db:query('\(endless)')", fields: "timeout = '300ms',") == "timed_out")
    let job = try fixture.job(Self.open + "log.info('asks') db:query('\(endless)')")
    let token = fixture.submit(job)
    fixture.log.wait(for: "asks")
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    #expect(try run(Self.open + "return db:run('INSERT INTO t VALUES (9, 9)').changes") == "1")
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
    }
    fixture.finish()
    #expect(descriptors.filter { $0.hasPrefix(directory.path) && $0.hasSuffix("-wal") } == [])
    #expect(fixture.host.answerBytes.now == 0)
  }

  @Test("many rows are counted before they are handed over, and what never fits ends the run")
  func large() throws {
    let fill =
      Self.open
      + "db:run(\"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) INSERT INTO t SELECT i, printf('%0100d', i) FROM n\") "
    #expect(try run(fill + "return #db:query('SELECT * FROM t')", fields: "memory = '64MB',") == "20000")
    #expect(
      try run(
        Self.open + "local r, e = db:query('SELECT * FROM t') return r and 'all' or e.kind", fields: "memory = '2MB',")
        == "out_of_memory")
    #expect(
      try run(
        Self.open
          + "local out = all({ 1, 2, 3, 4, 5, 6, 7, 8 }, function() return #db:query('SELECT * FROM t LIMIT 500') end) local n = 0 for _, r in ipairs(out) do n = n + r.value end return n"
      ) == "4000")
  }

  @Test("every argument of a wrong type is an error with the script's line")
  func misuse() throws {
    for call in [
      "sqlite.open()", "sqlite.open(1)", "sqlite.open('own/a.db', 1)", "sqlite.open('own/a.db', { readonly = true })",
      "sqlite.open('own/a.db', { busy_timeout = 'x' })", "db:query()", "db:query(1)", "db:query('SELECT 1', 1)",
      "db:query('SELECT 1', { print })", "db:query('SELECT 1', nil, 1)", "db:query('SELECT 1', nil, { max = -1 })",
      "db:query('SELECT ?', { { 1 } })", "db.query('SELECT 1')", "db:transaction(1)", "db:close() db:query('SELECT 1')",
      "db:query('SELECT 1', { 1, a = 2 })", "db:query('a\\0b')",
    ] {
      let report = try fixture.run(Self.open + "\n\(call)")
      #expect(report.error?.line == 3 || report.error?.line == 2, "\(call): \(report.error?.message ?? "fine")")
      #expect(
        report.error.map { $0.message.contains("sqlite.") || $0.message.contains("db:") } == true,
        "\(call): \(report.error?.message ?? "fine")")
    }
  }
}

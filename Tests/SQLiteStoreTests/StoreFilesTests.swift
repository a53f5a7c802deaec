import GRDB
import Glibc
import JobModel
import MoondialTesting
import Testing
import TestSupport

@testable import SQLiteStore

@Suite("The files of a store")
struct StoreFilesTests {
  private func mode(_ path: String) -> mode_t {
    var status = stat()
    // Safe: writes that one struct.
    return unsafe stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
  }

  @Test("database, log, index, lock and backup are for their owner only, new ones and old ones")
  func arePrivate() throws {
    let directory = try TemporaryDirectory()
    // Safe here and below: paths are passed as C strings for the length of a call.
    _ = unsafe chmod(directory.path(""), 0o777)
    let path = directory.path("moondial.db")
    for _ in 1...2 {
      let store = try SQLiteStore(path, options: options())
      try store.commit(batch { $0.finished = [finished(1, "a")] })
      let files = [path, path + "-wal", path + "-shm", path + ".lock"]
      for file in files { #expect(mode(file) == 0o600, "\(file)") }
      let backup = directory.path("backup.db")
      _ = unsafe unlink(backup)
      try store.backup(to: backup)
      #expect(mode(backup) == 0o600)
      #expect(store.notes == [])
      store.close()
      // As an earlier version left them.
      for file in files { _ = unsafe chmod(file, 0o644) }
    }
    let external = try SQLiteStore(path, mode: .alongside, options: options())
    defer { external.close() }
    for file in [path, path + "-wal", path + "-shm", path + ".lock"] { #expect(mode(file) == 0o600, "\(file)") }
  }

  @Test("the log stays short when somebody was reading at a checkpoint")
  func shortLog() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options { $0.checkpointPages = 400 })
    defer { store.close() }
    /// Pages of 4,096 bytes with their headers of 24, behind the log's own.
    func pages() throws -> Int { (try bytes(of: path + "-wal").count - 32) / (4_096 + 24) }
    var number: Int64 = 0
    func commit() throws {
      number += 1
      try store.commit(batch { $0.finished = [finished(number, "a")] })
    }
    let reader = try DatabaseQueue(path: path)
    try reader.read { database in
      _ = try Int.fetchOne(database, sql: "SELECT count(*) FROM runs")
      while try pages() < 405 { try commit() }
    }
    try reader.close()
    for _ in 0..<1_000 { try commit() }
    #expect(try pages() < 450)
    #expect(try store.runs(RunQuery(job: "a", limit: 1)).first?.id == RunID(number))
  }

  @Test("after a clean stop the database file alone is the store")
  func cleanStop() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options())
    for number in 1...300 { try store.commit(batch { $0.finished = [finished(Int64(number), "a")] }) }
    // A question that was asked leaves a reader's connection behind.
    #expect(try store.runs(RunQuery(job: "a", limit: 1)).count == 1)
    store.close()
    let copy = directory.path("copy.db")
    try write(bytes(of: path), to: copy)
    let reader = try SQLiteStore(copy, mode: .reader, options: options())
    defer { reader.close() }
    #expect(try reader.runs(RunQuery(job: "a", limit: 1_000)).count == 300)
    #expect(try reader.doctor().isSound)
  }
}

@Suite("A store that is taken away under its host")
struct LostStoreTests {
  private let directory: TemporaryDirectory
  private let path: String
  private let store: SQLiteStore

  init() throws {
    directory = try TemporaryDirectory()
    path = directory.path("moondial.db")
    // It looks into the file at each commit, not at one of a second.
    store = try SQLiteStore(path, options: options { $0.lookIntoFileEvery = 0 })
    try store.commit(batch { $0.claims = [claim(1, "a")] })
  }

  /// Brings everything into the database file.
  private func checkpoint() throws { try tamper(path, "PRAGMA wal_checkpoint(TRUNCATE)") }

  private func expectLost(_ part: String, _ place: Testing.SourceLocation = #_sourceLocation) {
    let error = #expect(throws: StoreError.self, sourceLocation: place) {
      try store.commit(batch { $0.finished = [finished(1, "a")] })
    }
    #expect(error?.code == .lost, sourceLocation: place)
    #expect(error?.message.contains(part) == true, "\(error?.message ?? "")", sourceLocation: place)
  }

  @Test("renamed: it says so, writes nothing, and goes on when the file is back")
  func renamed() throws {
    defer { store.close() }
    let elsewhere = directory.path("elsewhere.db")
    #expect(unsafe rename(path, elsewhere) == 0)
    expectLost("the database was removed or renamed")
    expectLost("put it back")
    #expect(unsafe rename(elsewhere, path) == 0)
    try store.commit(batch { $0.finished = [finished(1, "a")] })
    #expect(try store.runs(RunQuery(job: "a")).count == 1)
  }

  @Test("removed, with its log or without")
  func removed() throws {
    defer { store.close() }
    #expect(unsafe unlink(path + "-shm") == 0)
    expectLost("the index of its write-ahead log was removed")
    #expect(unsafe unlink(path + "-wal") == 0)
    expectLost("its write-ahead log was removed")
    #expect(unsafe unlink(path) == 0)
    expectLost("the database was removed")
  }

  @Test("replaced by a copy of itself, as a restore does")
  func replaced() throws {
    defer { store.close() }
    let copy = directory.path("copy.db")
    try store.backup(to: copy)
    #expect(unsafe rename(copy, path) == 0)
    expectLost("another file was put in the place of the database")
  }

  @Test("cut off: nothing is written into what is left of it")
  func truncated() throws {
    defer { store.close() }
    try checkpoint()
    try store.commit(batch { $0.claims = [claim(2, "a")] })
    #expect(unsafe truncate(path, 8_192) == 0)
    expectLost("the database was cut off from ")
    var status = stat()
    #expect(unsafe stat(path, &status) == 0 && status.st_size == 8_192)
  }

  @Test("overwritten in place by another database: seen by what is in it")
  func overwritten() throws {
    defer { store.close() }
    try checkpoint()
    let other = directory.path("other.db")
    try tamper(other, "CREATE TABLE stranger(a); INSERT INTO stranger VALUES(zeroblob(1000000))")
    let content = try bytes(of: other)
    let descriptor = unsafe open(path, O_WRONLY)
    #expect(unsafe pwrite(descriptor, content, content.count, 0) == content.count)
    close(descriptor)
    expectLost("written into it")
  }

  @Test("a vacuum of somebody else's makes it smaller and whole")
  func vacuumed() throws {
    defer { store.close() }
    try store.commit(batch { $0.finished = (2...3_000).map { finished($0, "a") } })
    try checkpoint()
    try tamper(path, "PRAGMA busy_timeout = 30000; DELETE FROM runs; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
    try store.commit(batch { $0.finished = [finished(1, "a")] })
  }

  @Test("a host that is fenced leaves the store alone when it ends, and the one that took it goes on")
  func fenced() throws {
    #expect(unsafe unlink(path + ".lock") == 0)
    let second = try SQLiteStore(path, options: options())
    defer { second.close() }
    expectLost("another host (process \(getpid()) on ")
    store.close()
    try second.commit(batch { $0.finished = [finished(1, "a")] })
    #expect(try second.doctor().isSound)
  }

  @Test("a run beside the host proves nothing, and its kv works")
  func beside() throws {
    defer { store.close() }
    let external = try SQLiteStore(path, mode: .alongside, options: options())
    defer { external.close() }
    let id = try external.externalRunID()
    try external.commit(batch { $0.claims = [claim(id.number, "b")] })
    try store.commit(batch { $0.finished = [finished(1, "a")] })
    try external.commit(batch { $0.finished = [finished(id.number, "b")] })
    #expect(try store.runs(RunQuery(job: "b")).count == 1)
  }
}

import Glibc
import JobModel
import MoondialTesting
import SQLiteStore
import Testing
import TestSupport

@Suite("A store that cannot be used says what to do")
struct SQLiteFaultTests {
  private func error(_ path: String, _ mode: StoreAccess = .scheduler) -> StoreError? {
    do {
      try SQLiteStore(path, mode: mode, options: options()).close()
      return nil
    } catch {
      return error
    }
  }

  @Test("a file that is no database")
  func notADatabase() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    try write(Array("job 'a' { this is a script, not a database }\n".utf8), to: path)
    let error = error(path)
    #expect(error?.code == .corrupt)
    #expect(
      error?.message
        == "\(path): this is not a SQLite database: name another file, or move this one away to start empty")
    #expect(try bytes(of: path).starts(with: Array("job 'a'".utf8)), "the file is as it was")
  }

  @Test("a database of somebody else, which stays as it was")
  func foreign() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("contacts.db")
    try tamper(path, "CREATE TABLE contacts(name TEXT)")
    let before = try bytes(of: path)
    for mode in [StoreAccess.scheduler, .alongside, .reader] {
      #expect(error(path, mode)?.message.contains("not a store of moondial's") == true)
    }
    #expect(try bytes(of: path) == before)
  }

  @Test("a store of a newer version")
  func newer() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    try SQLiteStore(path, options: options()).close()
    try tamper(path, "PRAGMA user_version = 99")
    for mode in [StoreAccess.scheduler, .alongside, .reader] {
      #expect(error(path, mode)?.code == .version)
      #expect(error(path, mode)?.message.contains("newer moondial") == true)
    }
  }

  @Test("a word of a newer version in a row is an error, not a guess")
  func newerWord() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options())
    defer { store.close() }
    try store.commit(batch { $0.finished = [finished(1, "a")] })
    try tamper(path, "UPDATE runs SET outcome = 77")
    #expect(throws: StoreError.self) { try store.runs(RunQuery()) }
  }

  @Test("a missing directory, a directory in place of the file, a missing file to read")
  func noSuchPlace() throws {
    let directory = try TemporaryDirectory()
    #expect(error(directory.path("none/moondial.db"))?.message.contains("create it, or name another place") == true)
    #expect(error(directory.path(""))?.code == .io)
    #expect(error(directory.path("moondial.db"), .reader)?.message.contains("there is no such file") == true)
    #expect(unsafe access(directory.path("moondial.db"), F_OK) != 0, "reading makes no file")
  }

  @Test("pages of garbage are reported, by the store and by doctor", arguments: 1...4)
  func damaged(seed: UInt64) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options())
    try store.commit(batch { $0.finished = (1...5_000).map { finished($0, "job\($0 % 50)") } })
    store.close()
    var numbers = SeededGenerator(seed)
    var content = try bytes(of: path)
    for page in 2..<content.count / 4096 {
      for index in 0..<4096 { content[page * 4096 + index] = UInt8.random(in: 0...255, using: &numbers) }
    }
    try write(content, to: path)
    let damaged: SQLiteStore
    do {
      damaged = try SQLiteStore(path, mode: .reader, options: options())
    } catch {
      #expect(error.code == .corrupt)
      return
    }
    defer { damaged.close() }
    #expect(throws: StoreError.self) { try damaged.runs(RunQuery()) }
    let report = try? damaged.doctor()
    #expect(report?.isSound != true)
  }

  @Test("no space: the batch fails as a whole, says so, and the next one goes through when there is space")
  func full() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    try await #require(processExitsWith: .success) { [path = path as String] in
      let store = try SQLiteStore(path, options: options { $0.retention.standard.runs = nil })
      try store.commit(batch { $0.finished = [finished(1, "a")] })
      // A limit on the size of a file stands for a full disk: the same write fails at the same place.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit()
      unsafe getrlimit(__rlimit_resource_t(1), &limit)
      let unlimited = limit
      limit.rlim_cur = 300_000
      unsafe setrlimit(__rlimit_resource_t(1), &limit)
      let large = batch { $0.finished = (2...20_000).map { finished($0, "a") } }
      let error = #expect(throws: StoreError.self) { try store.commit(large) }
      #expect(error?.code == .full)
      #expect(error?.message.contains("no space is left") == true)
      #expect(try store.runs(RunQuery()).count == 1)
      limit = unlimited
      unsafe setrlimit(__rlimit_resource_t(1), &limit)
      try store.commit(large)
      #expect(try store.runs(RunQuery(limit: 100_000)).count == 20_000)
      #expect(try store.doctor().isSound)
      store.close()
    }
  }

  @Test(
    "a directory or file that cannot be written; reading it still works",
    .enabled(if: geteuid() == 0, "becoming somebody else needs root"))
  func readOnly() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options())
    try store.commit(batch { $0.finished = [finished(1, "a")] })
    store.close()
    unsafe chmod(directory.path, 0o755)
    // Its owner let others read it.
    for suffix in ["", "-wal", "-shm", ".lock"] { unsafe chmod(path + suffix, 0o644) }
    try await #require(processExitsWith: .success) { [path = path as String] in
      try #require(seteuid(65_534) == 0)
      for mode in [StoreAccess.scheduler, .alongside] {
        let error = #expect(throws: StoreError.self) { try SQLiteStore(path, mode: mode, options: options()) }
        #expect(error?.code == .readOnly)
        #expect(error?.message.contains("cannot be written by user 65534") == true)
      }
      let reader = try SQLiteStore(path, mode: .reader, options: options())
      #expect(try reader.runs(RunQuery()).count == 1)
      #expect(try reader.doctor().isSound)
      reader.close()
    }
  }

  @Test("a process that writes for too long: locked, and fine again afterwards")
  func busy() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options { $0.busySeconds = 0.02 })
    defer { store.close() }
    try holdingWriteLock(path) {
      let error = #expect(throws: StoreError.self) { try store.commit(batch { $0.claims = [claim(1, "a")] }) }
      #expect(error?.code == .locked)
    }
    try store.commit(batch { $0.claims = [claim(1, "a")] })
    #expect(try store.load().unfinished.count == 1)
  }

  @Test("a reader changes nothing, and says so when asked to")
  func reader() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    try SQLiteStore(path, options: options()).close()
    let reader = try SQLiteStore(path, mode: .reader, options: options())
    defer { reader.close() }
    #expect(throws: StoreError.self) { try reader.commit(batch { $0.claims = [claim(1, "a")] }) }
    #expect(throws: StoreError.self) {
      try reader.keyValues.change(KeyValueChange(space: "s", key: "k", value: JSONText("1")), at: start)
    }
  }
}

import Glibc
import JobModel
@testable import JobStores
import MoondialTesting
import Testing

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
    let visitor = try SQLiteStore(path, mode: .beside, options: options())
    defer { visitor.close() }
    for file in [path, path + "-wal", path + "-shm", path + ".lock"] { #expect(mode(file) == 0o600, "\(file)") }
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

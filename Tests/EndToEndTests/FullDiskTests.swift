import Foundation
import Glibc
import LoopbackHTTP
import Testing

/// A file system of 1 MB stands for a full disk. Only the superuser may mount one.
@Suite("A disk that is full", .serialized, .enabled(if: FullDisk.canMount))
struct FullDiskTests {
  @Test("each function that writes says so and for which file, leaves nothing half-written, and the host goes on")
  func scripts() throws {
    let place = try Place()
    let disk = try FullDisk(place.path + "/data")
    defer { disk.unmount() }
    let server = try LoopbackServer { $1.answer(200, String(repeating: "x", count: 2_000_000)) }
    try """
    return { grants = { ["*"] = { fs = { "data:rw" }, http = { "127.0.0.1" } } } }
    """.write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save(
      "a.lua",
      """
      job "fills" { run_at_start = true, run = function()
        local big = ("x"):rep(900 * 1024)
        print("first", fs.write("data/first", big))
        print("write", fs.write("data/second", big))
        print("copy", fs.copy("data/first", "data/third"))
        print("save", select(2, http.get("\(server.url("/"))", { save_to = "data/saved" })))
        local db = sqlite.open("data/a.db")
        print("sqlite", select(2, db:run("CREATE TABLE t AS SELECT zeroblob(500000) AS a")))
        db:close()
        print("append", fs.append("data/log", big))
        kv.set("written", true)
        print("kept", kv.get("written"))
      end }
      """)
    let host = try place.host()
    let said = [
      "first\\ttrue", "write\\tnil\\tdata/second: No space left on device",
      "copy\\tnil\\tdata/third: No space left on device",
      "the content cannot be written: No space left on device", "sqlite\\tsqlite: database or disk is full",
      "append\\tnil\\tdata/log: No space left on device", "kept\\ttrue",
    ]
    for text in said { try host.awaitLine(containing: text) }
    let left = try FileManager.default.contentsOfDirectory(atPath: place.path + "/data").sorted()
    #expect(left == ["a.db", "first", "log"], "what is appended stays as far as it came")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }
}

/// A file system of 1 MB.
struct FullDisk {
  private let path: String

  /// Whether this process may mount.
  static let canMount: Bool = {
    guard geteuid() == 0, let place = try? Place(), let disk = try? FullDisk(place.path + "/probe") else {
      return false
    }
    disk.unmount()
    return true
  }()

  init(_ path: String) throws {
    self.path = path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard unsafe mount("none", path, "tmpfs", 0, "size=1m") == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EPERM)
    }
  }

  func unmount() { unsafe _ = umount2(path, Int32(MNT_DETACH)) }
}

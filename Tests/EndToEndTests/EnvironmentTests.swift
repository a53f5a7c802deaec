import Foundation
import Glibc
import Testing

@Suite("The environment of a host, end to end", .serialized, .timeLimit(.minutes(5)))
struct EnvironmentTests {
  /// Waits until a file has as many lines, by the notices of its directory.
  private func awaitLines(_ count: Int, in file: String, of place: Place) throws {
    let watch = try DirectoryNotices(place.path)
    let deadline = Date(timeIntervalSinceNow: HostProcess.patience)
    while place.text(file).split(separator: "\n").count < count, watch.awaitNext(before: deadline) {}
    #expect(place.text(file).split(separator: "\n").count >= count)
  }

  @Test("nobody reads the log: jobs go on, one SIGTERM ends the host, and what was dropped is said where it was")
  func stalledReader() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "noisy" { every = "20ms", run = function() for _ = 1, 40 do print(("x"):rep(20000)) end end }
      job "tick" { every = "20ms", run = function() fs.append("\(place.path)/ticks", "x\\n") end }
      job "watcher" {
        every = "1h", run_at_start = true,
        run = function() fs.append("\(place.path)/started", "x\\n") end,
      }
      """)
    let host = try HostProcess(
      ["run", "scripts", "--allow-all", "--grace", "5s"], in: place.path, readsErrors: false)
    defer { host.signal(SIGKILL) }
    // 40 MB and more of log by then, with 8 MB of room.
    try awaitLines(150, in: "ticks", of: place)
    host.signal(SIGTERM)
    #expect(host.processEnds(within: 30))
    host.readErrors()
    #expect(try host.awaitExit() == 0)
    #expect(place.text("started") == "x\n")
  }

  @Test("a reader that comes back is told how many lines it missed")
  func readerComesBack() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "noisy" { every = "20ms", run = function() for _ = 1, 40 do print(("x"):rep(20000)) end
        fs.append("\(place.path)/ticks", "x\\n") end }
      """)
    let host = try HostProcess(["run", "scripts", "--allow-all"], in: place.path, readsErrors: false)
    defer { host.signal(SIGKILL) }
    try awaitLines(40, in: "ticks", of: place)
    host.readErrors()
    try host.awaitLine { $0.contains(" warn  ") && $0.contains("log lines dropped here") }
    try host.awaitLine(containing: "noisy #")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test(
    "started without descriptors 0 to 2, no log line lands in a file of the store",
    arguments: [[0, 1, 2], [2], [0, 2]])
  func closedDescriptors(closed: [Int32]) throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "tick" { every = "20ms", run = function() print("A LOG LINE") fs.append("\(place.path)/ticks", "x\\n") end }
      """)
    let host = try HostProcess(["run", "scripts", "--allow-all"], in: place.path, closed: closed)
    defer { host.signal(SIGKILL) }
    try awaitLines(3, in: "ticks", of: place)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(place.text(".moondial/moondial.db.lock").split(separator: "\n").count == 3)
    #expect(!host.text.contains("A LOG LINE"))
    #expect(try place.run("doctor").status == 0)
  }

  @Test("after a clean stop the database alone is the store, and all state is its owner's")
  func cleanStop() throws {
    let place = try Place()
    try place.save("a.lua", "job 'tick' { every = '20ms', run = function() kv.set('last', 'x') end }\n")
    let host = try place.host("-v")
    for _ in 1...3 { try host.awaitLine(containing: "succeeded in") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let files = FileManager.default
    try files.createDirectory(atPath: place.path + "/other", withIntermediateDirectories: true)
    try files.copyItem(atPath: place.store, toPath: place.path + "/other/moondial.db")
    let history = try place.run("history", "--state", "other", "--json")
    #expect(history.output.joined().contains("succeeded"))
    for name in try files.subpathsOfDirectory(atPath: place.path + "/.moondial") {
      let attributes = try files.attributesOfItem(atPath: place.path + "/.moondial/" + name)
      let isDirectory = attributes[.type] as? FileAttributeType == .typeDirectory
      #expect(attributes[.posixPermissions] as? Int == (isDirectory ? 0o700 : 0o600), "\(name)")
    }
  }

  @Test("a second host that got past the lock takes over; the first one starts nothing more and says why")
  func takeOver() throws {
    let place = try Place()
    try place.save(
      "a.lua", "job 'tick' { every = '20ms', run = function(ctx) print('run of ' .. ctx.id) end }\n")
    let first = try place.host()
    try first.awaitLine(containing: "run of ")
    try FileManager.default.removeItem(atPath: place.store + ".lock")
    let second = try place.host()
    try second.awaitLine(containing: "run of ")
    try first.awaitLine {
      $0.contains("another host (process \(second.pid) on ") && $0.contains("taken this store over")
    }
    // An `exec` beside the one that has it works.
    #expect(try place.run("exec", "tick").status == 0)
    for _ in 1...3 { try second.awaitLine(containing: "run of ") }
    first.signal(SIGTERM)
    #expect(try first.awaitExit(within: 20) == 0)
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    // No run has the id of another, and none started at the first host after it was told.
    let runs = (first.lines + second.lines).map(\.text).filter { $0.contains("run of ") }
    let ids = runs.compactMap { $0.components(separatedBy: "run of ").last }
    #expect(Set(ids).count == ids.count)
    let told = first.lines.firstIndex { $0.text.contains("taken this store over") } ?? 0
    #expect(!first.lines[told...].contains { $0.text.contains("run of ") })
  }

  @Test("the store is removed under the host: it says so and what to do, and jobs of another store go on")
  func removedStore() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "lost" { every = "20ms", run = function() print("LOST") end }
      job "kept" { every = "20ms", store = "other", run = function() print("KEPT") end }
      """)
    let host = try place.host("--set", "stores.other=memory:")
    try host.awaitLine(containing: "LOST")
    for suffix in ["", "-wal", "-shm"] { try FileManager.default.removeItem(atPath: place.store + suffix) }
    try host.awaitLine { $0.contains(" error ") && $0.contains("was removed") && $0.contains("start it again") }
    for _ in 1...3 { try host.awaitLine(containing: "KEPT") }
    let told = host.lines.firstIndex { $0.text.contains("was removed") } ?? 0
    // What had its claim written may still begin.
    #expect(host.lines[told...].count { $0.text.contains("LOST") } <= 1)
    host.signal(SIGTERM)
    #expect(try host.awaitExit(within: 30) == 0)
  }
}

/// The kernel's notices of changes to the files of a directory (inotify). One thread.
private final class DirectoryNotices {
  private let descriptor: Int32

  init(_ path: String) throws {
    descriptor = inotify_init1(Int32(IN_CLOEXEC))
    try #require(descriptor >= 0)
    // Safe: the path is passed as a C string for the length of the call.
    try #require(unsafe inotify_add_watch(descriptor, path, UInt32(IN_MODIFY | IN_CREATE | IN_MOVED_TO)) >= 0)
  }

  deinit { close(descriptor) }

  /// Blocks until there is one, and takes it with all that are there; false when none comes.
  func awaitNext(before deadline: Date) -> Bool {
    var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let milliseconds = Int32(max(0, deadline.timeIntervalSinceNow * 1_000))
    // Safe: one struct that lives across the call.
    guard unsafe poll(&wanted, 1, milliseconds) == 1 else { return false }
    var bytes = [UInt8](repeating: 0, count: 64 * 1024)
    // Safe: reads at most as much as the array has.
    return unsafe read(descriptor, &bytes, bytes.count) > 0
  }
}

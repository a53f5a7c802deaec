import Foundation
import Glibc
import Testing

@Suite("A host over thousands of files, end to end", .serialized, .timeLimit(.minutes(3)))
struct HugeDirectoryTests {
  private static let tick = "job 'tick' { every = '50ms', run = function() print('tick') end }\n"
  private static let endless = "while true do end\n"

  private func save(_ count: Int, in directory: String) throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    for number in 0..<count {
      let text = "job 'j\(number)' { every = '1h', run = function() end }\n"
      try text.write(toFile: "\(directory)/\(number).lua", atomically: false, encoding: .utf8)
    }
  }

  @Test("SIGINT ends it while it reads and loads them for the first time")
  func start() throws {
    let place = try Place()
    try save(3_000, in: place.path + "/scripts")
    try place.save("!.lua", Self.endless)
    let host = try place.host()
    try host.awaitLine(containing: "!.lua: it has been loading for 2000 ms")
    host.signal(SIGINT)
    #expect(try host.awaitExit(within: 15) == 0)
    #expect(host.text.contains("stopped"))
  }

  @Test("and while thousands that came together are loaded beside what runs")
  func rescan() throws {
    let place = try Place()
    try place.save("a.lua", Self.tick)
    let host = try place.host()
    try host.awaitLine(containing: "tick")
    // It is the first to be loaded, and the others still are when the log speaks of it.
    try save(3_000, in: place.path + "/more")
    try Self.endless.write(toFile: place.path + "/more/!.lua", atomically: false, encoding: .utf8)
    try FileManager.default.moveItem(atPath: place.path + "/more", toPath: place.path + "/scripts/more")
    try host.awaitLine(containing: "more/!.lua: it has been loading for 2000 ms")
    host.signal(SIGINT)
    #expect(try host.awaitExit(within: 15) == 0)
    #expect(host.text.contains("stopped"))
  }

  @Test("a disk that does not take what is kept for a restart holds up neither the start, nor edits, nor the end")
  func standingDisk() throws {
    let place = try Place()
    let scripts = place.path + "/scripts"
    try save(150, in: scripts)
    try place.save("a.lua", Self.tick)
    // Whoever opens a pipe that nobody reads waits.
    let kept = place.path + "/.moondial/scripts"
    try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: true)
    // Safe here and below: the path is passed as a C string for the call.
    _ = unsafe chmod(place.path + "/.moondial", 0o700)
    let names = try FileManager.default.contentsOfDirectory(atPath: scripts)
    let sums = try HostProcess.run(["-b"] + names, in: scripts, program: ["/usr/bin/sha256sum"])
    #expect(sums.status == 0 && sums.output.count == 151)
    for line in sums.output {
      let hash = try #require(line.split(separator: " ").first)
      let isMade = unsafe mkfifo("\(kept)/\(hash).new", 0o600) == 0
      #expect(isMade)
    }
    let host = try place.host()
    try host.awaitLine(containing: "151 jobs from 151 scripts")
    try host.awaitLine(containing: "tick")
    for word in ["tock", "tack", "tuck"] {
      try place.save("b.lua", Self.tick.replacing("tick", with: word))
      try host.awaitLine(containing: word)
    }
    host.signal(SIGTERM)
    #expect(try host.awaitExit(within: 15) == 0)
    #expect(host.text.contains("stopped"))
  }
}

extension HostProcess {
  /// Until the process has used a third of a second of a processor: then it is past its own start.
  func awaitBusy() throws {
    let deadline = Date(timeIntervalSinceNow: HostProcess.patience)
    while Date() < deadline {
      let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
      let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
      if fields.count > 12, let used = Int(fields[11]), used > 33 { return }
      sched_yield()
    }
    throw HostProcess.Failure(description: "the host does nothing")
  }
}

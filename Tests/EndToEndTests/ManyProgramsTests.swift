import Foundation
import ScriptFixtures
import Testing

@Suite("Many programs at once, through the real host", .serialized)
struct ManyProgramsTests {
  /// Threads of a host in which so many runs wait for a program each.
  private func threads(programs: Int) throws -> Int {
    let place = try Place()
    try "return { grants = { ['*'] = { exec = { 'sh' } } } }"
      .write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save(
      "a.lua",
      """
      for i = 1, \(programs) do
        job("waits" .. i) { run_at_start = true, run = function()
          exec({ "sh", "-c", "echo up; exec sleep 600" }, { on_stdout = "info" })
        end }
      end
      """)
    let host = try place.host("--grace", "0s")
    for _ in 1...programs { try host.awaitLine(containing: ": up") }
    let count = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.pid)/task").count
    #expect(ProcessList().children(of: host.pid).count >= programs)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    return count
  }

  @Test("two hundred need no more threads than ten, and end with their host")
  func threads() throws {
    let few = try threads(programs: 10)
    let many = try threads(programs: 200)
    // Threads of the pool for blocking work come and go.
    #expect(many <= few + 8, "\(few) and \(many)")
  }
}

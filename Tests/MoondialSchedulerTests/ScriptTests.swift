import Foundation
import MoondialScheduler
import Testing

@Suite("Lua beside Swift", .timeLimit(.minutes(1)))
struct ScriptTests {
  @Test("scripts run beside closures, and each may cause the other")
  func both() async throws {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)")
    let scripts = place.appendingPathComponent("scripts")
    try FileManager.default.createDirectory(at: scripts, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: place) }
    try """
    job "lua" { on = "go", run = function(ctx) log.info("lua", { word = env.get("WORD") }) emit("done", ctx.event.data) end }
    """.write(to: scripts.appendingPathComponent("a.lua"), atomically: true, encoding: .utf8)
    let notes = Notes()
    let done = Signal()
    var configuration = Configuration()
    configuration.scripts = Configuration.Scripts(
      scripts.path, grants: ["*": Configuration.Grant(env: ["WORD"])], environment: ["WORD": "moon"])
    configuration.log = .custom(.info) { line in
      if line.job == "lua" { notes.add("\(line.message) \(line.fields?.text ?? "")") }
    }
    let scheduler = Scheduler(configuration)
    try await scheduler.add("swift", nil, JobOptions(on: ["done"])) { run in
      notes.add(run.event?.text ?? "")
      done.fire()
    }
    try await scheduler.start()
    #expect(Set(await scheduler.jobs().map(\.name)) == ["lua", "swift"])
    let taken = await #expect(throws: SchedulerError.self) { try await scheduler.add("lua") { _ in } }
    #expect(taken?.code == .duplicate)
    try await scheduler.emit("go", "1")
    await done.wait()
    await scheduler.stop()
    #expect(notes.all == [#"lua {"word":"moon"}"#, #"{"name":"done","data":1}"#])
  }

  @Test("a directory that is not there is refused by the start")
  func missing() async {
    let scheduler = quietScheduler { $0.scripts = Configuration.Scripts("/nowhere/scripts") }
    let error = await #expect(throws: SchedulerError.self) { try await scheduler.start() }
    #expect(error?.code == .invalid)
  }

  /// A scripts directory with one script; gone with the test.
  private func place(_ script: String) throws -> URL {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)")
    let scripts = place.appendingPathComponent("scripts")
    try FileManager.default.createDirectory(at: scripts, withIntermediateDirectories: true)
    try save(script, in: place)
    return place
  }

  private func save(_ script: String, in place: URL) throws {
    try Data(script.utf8).write(to: place.appendingPathComponent("scripts/a.lua"), options: .atomic)
  }

  @Test(
    "a script runs after a job of the program, whether that is declared before the start or later",
    arguments: [true, false])
  func afterSwift(isEarly: Bool) async throws {
    let place = try place(
      "job 'lua' { after = 'swift', run = function(ctx) log.info('after ' .. ctx.event.job) end }\n")
    defer { try? FileManager.default.removeItem(at: place) }
    let ran = Signal()
    var configuration = Configuration()
    configuration.scripts = Configuration.Scripts(place.appendingPathComponent("scripts").path)
    configuration.log = .custom(.info) { line in if line.message == "after swift" { ran.fire() } }
    let scheduler = Scheduler(configuration)
    if isEarly { try await scheduler.add("swift") { _ in } }
    try await scheduler.start()
    if !isEarly { try await scheduler.add("swift") { _ in } }
    try await scheduler.runNow("swift")
    await ran.wait()
    await scheduler.stop()
  }

  @Test("a script that breaks and is mended is told, at the start and later; the scheduler runs on")
  func problems() async throws {
    let place = try place("job 'lua' { run = function() en }\n")
    defer { try? FileManager.default.removeItem(at: place) }
    let scheduler = quietScheduler {
      $0.scripts = Configuration.Scripts(place.appendingPathComponent("scripts").path)
    }
    let events = scheduler.events()
    try await scheduler.start()
    var seen: [String] = []
    for await event in events {
      switch event {
      case .scriptFailed(let script, let problems):
        seen.append("\(script) failed")
        #expect(problems.count == 1 && problems[0].hasPrefix("a.lua:1: "))
        if seen.count == 1 {
          try save("job 'lua' { run = function() end }\n", in: place)
        } else {
          await scheduler.stop()
        }
      case .scriptRepaired(let script):
        seen.append("\(script) repaired")
        try save("job 'lua' { run = 7 }\n", in: place)
      default: continue
      }
    }
    #expect(seen == ["a.lua failed", "a.lua repaired", "a.lua failed"])
  }
}

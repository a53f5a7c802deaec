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
}

import Hosting
import JobModel
import MoondialTesting
import TestSupport
import Testing

@Suite("Pauses through a host's control", .timeLimit(.minutes(2)))
struct PauseTests {
  private static let scripts = [
    "a.lua": """
    job "often" { every = "20ms", run = function() end }
    job "asked" { run = function(ctx) return ctx.params end }
    """
  ]

  @Test("a pause is told with its reason, who and when, and is there after a new start")
  func durable() async throws {
    let directory = try TemporaryDirectory()
    var host = try ControlledHost(Self.scripts, in: directory)
    let answer = try await host.control.pause(
      PauseRequest(jobs: ["often"], reason: "the disk is full"), by: ControlledHost.ann)
    #expect(answer == PauseAnswer(isPaused: true, changed: ["often"], unchanged: [], everything: false))
    let before = try await host.control.job("often")
    #expect(before.isPaused)
    #expect(before.pause?.reason == "the disk is full")
    #expect(before.pause?.by == "ann")
    host.stop()
    host = try ControlledHost(Self.scripts, in: directory)
    #expect(try await host.control.job("often").pause == before.pause)
    let again = try await host.control.resume(PauseRequest(jobs: ["often"]), by: ControlledHost.ann)
    #expect(again.changed == ["often"])
    #expect(try await host.control.job("often").isPaused == false)
    let audit = try await host.control.audit(AuditQuery()).items
    #expect(audit.map(\.action) == ["resume", "pause"])
    #expect(audit.map(\.subject) == ["often", "often"])
    #expect(audit.last?.details?.text == #"{"reason":"the disk is full"}"#)
    #expect(audit.last?.door == "socket")
  }

  @Test("status counts who is paused, anew after each change, however often it was asked before")
  func counted() async throws {
    let host = try ControlledHost(Self.scripts)
    func paused() async throws -> Int {
      let first = try await host.control.status().jobs
      #expect(first.total == 2)
      #expect(try await host.control.status().jobs.paused == first.paused)
      return first.paused
    }
    #expect(try await paused() == 0)
    _ = try await host.control.pause(PauseRequest(jobs: ["often"]), by: ControlledHost.ann)
    #expect(try await paused() == 1)
    _ = try await host.control.pause(PauseRequest(jobs: ["asked"]), by: ControlledHost.ann)
    #expect(try await paused() == 2)
    _ = try await host.control.resume(PauseRequest(jobs: ["often"]), by: ControlledHost.ann)
    #expect(try await paused() == 1)
  }

  @Test("a job is skipped while it is paused, and a second pause keeps the newer note")
  func skips() async throws {
    let host = try ControlledHost(Self.scripts)
    let events = host.listen()
    _ = try await host.control.pause(PauseRequest(jobs: ["often"], reason: "one"), by: ControlledHost.ann)
    let second = try await host.control.pause(PauseRequest(jobs: ["often"], reason: "two"), by: Caller("bob", .http))
    #expect(second.unchanged == ["often"])
    let range = try await events.next { event in
      if case .decided(let range, _) = event, range.reason == .paused { range } else { nil }
    }
    #expect(range.job == "often")
    #expect(try await host.control.job("often").pause?.by == "bob")
  }

  @Test("a pause of everything skips every job, runs what is asked for, and survives a start")
  func everything() async throws {
    let directory = try TemporaryDirectory()
    var host = try ControlledHost(Self.scripts, in: directory)
    let events = host.listen()
    _ = try await host.control.pause(PauseRequest(jobs: nil, reason: "moving"), by: ControlledHost.ann)
    var status = try await host.control.status()
    #expect(status.state == .paused)
    #expect(status.pause?.reason == "moving")
    #expect(status.jobs.paused == 0)
    _ = try await events.next { event in
      if case .decided(let range, _) = event, range.reason == .paused { range } else { nil }
    }
    let run = try await host.control.runNow(
      RunRequest(job: "asked", params: JSONDocument(#"{"n":1}"#)), by: ControlledHost.ann)
    #expect(try await events.end(of: run.id).outcome == .succeeded)
    host.stop()
    host = try ControlledHost(Self.scripts, in: directory)
    status = try await host.control.status()
    #expect(status.pause?.by == "ann")
    _ = try await host.control.resume(PauseRequest(jobs: nil), by: ControlledHost.ann)
    #expect(try await host.control.status().state == .running)
    #expect(try await host.control.audit(AuditQuery()).items.map(\.action) == ["resume_all", "run", "pause_all"])
  }

  @Test("one name that is not there pauses nothing, and is told with the nearest one")
  func unknown() async throws {
    let host = try ControlledHost(Self.scripts)
    let error = await #expect(throws: ControlError.self) {
      try await host.control.pause(PauseRequest(jobs: ["often", "oftn"]), by: ControlledHost.ann)
    }
    #expect(error?.code == .notFound)
    #expect(error?.message.contains("\"oftn\"") == true)
    #expect(try await host.control.job("often").isPaused == false)
    let job = await #expect(throws: ControlError.self) { try await host.control.job("oftn") }
    #expect(job?.message == "no job is named \"oftn\"; did you mean \"often\"?")
  }

  @Test("a script's pause keeps its reason and says which script it was")
  func script() async throws {
    let host = try ControlledHost([
      "a.lua": """
      job "often" { every = "1h", run = function() end }
      job "stopper" { run = function() return { jobs.pause("often", "no more room") } end }
      """
    ])
    let events = host.listen()
    let run = try await host.control.runNow(RunRequest(job: "stopper"), by: ControlledHost.ann)
    #expect(try await events.end(of: run.id).outcome == .succeeded)
    let pause = try await host.control.job("often").pause
    #expect(pause?.reason == "no more room")
    #expect(pause?.by == "a.lua (run \(run.id))")
    #expect(try await host.control.audit(AuditQuery()).items.contains { $0.door == "script" && $0.action == "pause" })
  }

  @Test(
    "what cannot be meant is refused with one sentence",
    arguments: [
      PauseRequest(jobs: []), PauseRequest(jobs: ["often"], reason: String(repeating: "x", count: 1_025)),
      PauseRequest(jobs: Array(repeating: "often", count: 10_001)),
    ])
  func invalid(request: PauseRequest) async throws {
    let host = try ControlledHost(Self.scripts)
    let error = await #expect(throws: ControlError.self) {
      try await host.control.pause(request, by: ControlledHost.ann)
    }
    #expect(error?.code == .invalid)
  }
}

import Basics
import Chronology
import Foundation
import JobModel
import ProcessExecutor
import ScriptFixtures
import ScriptRuntime
import TestSupport
import Testing

/// Workers that are no workers: a program that says what none says.
@Suite("Workers that lie", .serialized, .timeLimit(.minutes(3)))
struct LyingWorkerTests {
  private static let lies: [(mode: String, words: String)] = [
    ("unbegun", "ended a run that it had not begun"), ("other", "spoke of a run that it has not"),
    ("huge", "a frame of 4294967295 bytes"), ("half", "ended by itself"), ("again", "began a run twice"),
    ("json", "asked for what nobody can ask for"), ("repeats", "asked for what nobody can ask for"),
    ("subscribes", "asked for what nobody can ask for"), ("lists", "asked for what nobody can ask for"),
    ("steps", "asked for what nobody can ask for"), ("parks", "parked a run where none can be parked"),
    ("deaf", "closed its connection"), ("mute", "closed its connection"),
  ]

  /// Two runs behind one another: how the second one ended.
  private func run(_ mode: String, fields: String = "", _ fixture: PoolFixture? = nil) throws -> RunReport {
    let fixture = try fixture ?? PoolFixture(processes: nil)
    let executor = try Liar.executor(mode, fixture)
    let reports = ReportCollector()
    executor.start(reportingTo: reports)
    defer { executor.stop() }
    let job = try fixture.job("return 1", fields: fields)
    var last: RunReport?
    // The second run has the worker of the first one, or one that took its place.
    for number in 1...2 {
      let order = Liar.order(number, job)
      executor.submit([order])
      last = reports.ending(of: order.token)
    }
    #expect(reports.all.count { $0.kind == .ended } == 2, "each run ends once")
    return try #require(last)
  }

  @Test("cost the run that they have", arguments: lies)
  func lying(_ mode: String, _ words: String) throws {
    let fixture = try PoolFixture(processes: nil)
    let report = try run(mode, fixture)
    #expect(report.outcome == .crashed)
    #expect(report.error?.message.contains(words) == true, "\(String(describing: report.error))")
    #expect(fixture.scheduler.subscriptions == 0, "nothing is left of what it waited for")
  }

  @Test("an answer counts once: what comes after it costs the worker, and no run")
  func twice() throws {
    #expect(try run("twice").outcome == .succeeded)
    #expect(try run("honest").outcome == .succeeded)
  }

  @Test("one that goes on about a run that is over is killed without costing another one")
  func strays() throws { #expect(try run("stray").outcome == .succeeded) }

  @Test("one that talks much is heard to its end")
  func talks() throws { #expect(try run("talks").outcome == .succeeded) }

  @Test("one that never answers is killed at the run's deadline")
  func never() throws {
    let report = try run("never", fields: "timeout = '200ms',")
    #expect(report.outcome == .timedOut)
  }

  @Test("one that calls its run stuck is replaced: for the host it took too long")
  func stuck() throws { #expect(try run("stuck").outcome == .timedOut) }

  @Test("a cancel that comes before the run has begun holds, whatever begins after it", arguments: ["patient", "dies"])
  func cancelled(mode: String) throws {
    let fixture = try PoolFixture(processes: nil)
    let executor = try Liar.executor(mode, fixture)
    let reports = ReportCollector()
    executor.start(reportingTo: reports)
    defer { executor.stop() }
    let order = Liar.order(1, try fixture.job("return 1"))
    executor.submit([order])
    // Its worker has it, and has not begun it.
    fixture.log.wait(for: "here")
    executor.cancel(order.token)
    #expect(reports.ending(of: order.token).outcome == .cancelled)
  }

  @Test(
    "what one writes without a run is bounded, and has no values of secrets",
    arguments: ["chatty", "notes", "bound"])
  func masked(mode: String) throws {
    let fixture = try PoolFixture(processes: nil)
    fixture.host.services.secrets.mask.add(Array("hunter22".utf8), of: "password")
    let notes = Monitor<[String]>([])
    let executor = try Liar.executor(mode, fixture) { event in
      guard case .note(let text) = event else { return }
      notes.withLock { $0.append(text) }
      notes.broadcast()
    }
    let reports = ReportCollector()
    executor.start(reportingTo: reports)
    defer { executor.stop() }
    let order = Liar.order(1, try fixture.job("return 1"))
    executor.submit([order])
    #expect(reports.ending(of: order.token).outcome == (mode == "bound" ? .failed : .succeeded))
    executor.stop()
    let said = notes.withLock { $0 }
    #expect(said.count <= 20 && !said.contains { $0.contains("hunter22") }, "\(said)")
    #expect(!fixture.log.messages.contains { $0.contains("hunter22") })
    #expect(mode == "bound" || (said + fixture.log.messages).contains { $0.contains("the password is ***") })
  }

  @Test("what one says may be anything: each run ends once, and the executor goes on", arguments: 0..<8)
  func absurd(part: Int) throws {
    let rounds = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1" ? 2_000 : 25
    let fixture = try PoolFixture(processes: nil)
    let place = try TemporaryDirectory()
    let job = try fixture.job("return 1", fields: "timeout = '2s',")
    for round in 0..<rounds {
      var frames = AbsurdFrames(seed: UInt64(part * 100_000 + round), run: 1)
      let path = place.path + "/frames"
      try Data(frames.bytes(8)).write(to: URL(fileURLWithPath: path))
      let executor = try Liar.executor("replay:" + path, fixture)
      let reports = ReportCollector()
      executor.start(reportingTo: reports)
      let order = Liar.order(1, job)
      executor.submit([order])
      _ = reports.ending(of: order.token)
      executor.stop()
      #expect(reports.all.count { $0.kind == .ended } == 1, "seed \(part * 100_000 + round)")
    }
    #expect(try run("honest", fixture).outcome == .succeeded)
    #expect(fixture.scheduler.subscriptions == 0)
  }
}

import JobModel
import Scheduling
import Testing

/// Runs that other hosts have when this one takes over, and whose job it does not have.
@Suite("Runs on other hosts whose job nobody has declared")
struct ElsewhereTests {
  /// The second host, which has no job, and the run that the first one has placed.
  private func takenOver() throws -> (host: Fixture, run: RunID) {
    var first = Fixture([definition("a")])
    first.advance(to: 10)
    first.startRun()
    let run = try #require(first.orders.first).id
    return (first.restarted([], at: 15, isTakeover: true, placed: [run]), run)
  }

  private func report(_ outcome: Outcome, details: AttemptDetails? = nil) -> RunReport {
    RunReport(
      token: RunToken(slot: 0, use: 0), kind: .ended, outcome: outcome, startedAt: t(10), duration: 7 * second,
      memoryPeakBytes: 5, details: details)
  }

  @Test(
    "their rows wait for their ends, and say what those hosts say",
    arguments: [Outcome.succeeded, .failed, .cancelled])
  func ends(outcome: Outcome) throws {
    var (host, run) = try takenOver()
    #expect(host.rows[run]?.outcome == nil)
    host.advance(to: 17)
    let details = AttemptDetails(
      error: outcome == .failed ? RunError(message: "no") : nil, result: outcome == .succeeded ? JSONText("1") : nil)
    host.core.endElsewhere(run, report(outcome, details: details), at: host.now, into: &host.actions)
    host.settle()
    let row = try #require(host.rows[run])
    #expect(row.outcome == outcome && row.startedAt == t(10) && row.finishedAt == t(17) && row.attempts == 1)
    #expect(row.duration == 7 * second && row.memoryPeakBytes == 5 && row.result == details.result)
    switch outcome {
    case .failed: #expect(row.error?.message == "no")
    case .cancelled: #expect(row.error?.message == "no script declares its job, so that it was told to end")
    default: #expect(row.error == nil)
    }
    // Twice is once.
    host.core.endElsewhere(run, nil, at: host.now, into: &host.actions)
    host.settle()
    #expect(host.rows[run]?.outcome == outcome)
  }

  @Test("one whose host has gone, that would park, or whose outbox nobody commits is interrupted")
  func interrupted() throws {
    let step = RunStep(run: RunID(1), position: 1, kind: .sleep, name: "", attempt: 1, startedAt: t(11))
    let outbox = RunOutbox(keyValues: [], operations: [.emit("x", data: nil)], encoded: nil)
    let reports = [
      nil, report(.cancelled, details: AttemptDetails(park: step)),
      report(.succeeded, details: AttemptDetails(outbox: outbox)),
    ]
    for report in reports {
      var (host, run) = try takenOver()
      host.core.endElsewhere(run, report, at: host.now, into: &host.actions)
      host.settle()
      #expect(host.rows[run]?.outcome == .interrupted && host.rows[run]?.attempts == 1 && host.emitted == [])
    }
  }

  @Test("one whose job is declared meanwhile is an instance of it, handed over as one that goes on elsewhere")
  func declaredMeanwhile() throws {
    var (host, run) = try takenOver()
    host.core.reconcile([definition("a")], at: host.now, into: &host.actions)
    host.settle()
    #expect(host.orders.map(\.id) == [run])
    host.advance(to: 20)
    #expect(host.orders.count == 1 && host.decided("a").last == "skipped(overlap) 20.0...20.0 ×1")
    host.core.endElsewhere(run, report(.succeeded), at: host.now, into: &host.actions)
    host.settle()
    #expect(host.rows[run]?.outcome == nil, "it is the executor's to report now")
    host.endRun()
    #expect(host.rows[run]?.outcome == .succeeded)
  }

  @Test("a job that follows on theirs runs after their end")
  func downstream() throws {
    var first = Fixture([definition("a")])
    first.advance(to: 10)
    first.startRun()
    let run = try #require(first.orders.first).id
    let after = definition("b", every: nil) { $0.after = [Upstream("a", .succeeded)] }
    var host = first.restarted([after], at: 15, isTakeover: true, placed: [run])
    #expect(host.orders.isEmpty)
    host.core.endElsewhere(run, report(.succeeded), at: host.now, into: &host.actions)
    host.settle()
    #expect(host.orders.map(\.job.definition.name) == ["b"])
  }
}

import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Transactions and outboxes in the scheduler")
struct TransactionTests {
  private static let jobs = [
    definition("a", every: nil), definition("b", every: nil) { $0.maxInstances = 2 },
    definition("listener", every: nil) { $0.events = ["go"] },
    definition("down", every: nil) { $0.after = [Upstream("a", .succeeded)] },
  ]

  // MARK: Judged before the commit

  private func request(_ job: String, _ id: String?, replacing: Bool = false, quota: Int? = nil) -> RunOperation {
    var request = ScheduleRequest(job: job, id: id, trigger: .every(nanoseconds: 60 * second))
    request.replaceExisting = replacing
    request.quota = quota
    return .schedule(request)
  }

  private func refusal(_ f: Fixture, _ operations: RunOperation...) -> String? {
    f.core.refusal(of: operations, in: "default", at: f.now)?.message
  }

  @Test("the operations of a transaction are judged together: each finds what those before it have changed")
  func judged() throws {
    var f = Fixture(Self.jobs)
    #expect(refusal(f, .run("b", params: nil), .run("b", params: nil)) == nil)
    #expect(refusal(f, .run("a", params: nil), .run("a", params: nil))?.contains("running instances") == true)
    #expect(refusal(f, request("a", "x"), .unschedule("x")) == nil)
    #expect(refusal(f, request("a", "x"), request("b", "x"))?.contains("x") == true)
    #expect(refusal(f, request("a", "x"), request("b", "x", replacing: true)) == nil)
    #expect(refusal(f, .unschedule("x"), request("a", "x"))?.contains("no schedule has the id \"x\"") == true)
    try f.schedule("a", .every(nanoseconds: second), id: "x")
    #expect(refusal(f, .unschedule("x"), request("a", "x")) == nil)
    #expect(refusal(f, .unschedule("x"), .unschedule("x"))?.contains("no schedule has the id \"x\"") == true)
    #expect(refusal(f, .emit("go", data: nil), .run("nobody", params: nil))?.contains("nobody") == true)
  }

  @Test("a quota of schedules counts what the transaction makes, replaces and removes")
  func quota() throws {
    var f = Fixture(Self.jobs)
    try f.schedule("a", .every(nanoseconds: second), id: "x")
    #expect(refusal(f, request("a", "y", quota: 2)) == nil)
    #expect(refusal(f, request("a", "y", quota: 2), request("a", "z", quota: 2)) != nil)
    #expect(refusal(f, request("a", nil, quota: 2), request("a", nil, quota: 2)) != nil)
    #expect(refusal(f, request("a", "y", quota: 2), request("a", "x", replacing: true, quota: 2)) == nil)
    #expect(refusal(f, .unschedule("x"), request("a", "y", quota: 2), request("a", "z", quota: 2)) == nil)
    #expect(
      refusal(
        f, request("b", "x", replacing: true), request("a", "y", quota: 1), .unschedule("x"),
        request("a", "z", quota: 1)) != nil, "the schedule of another job leaves no room")
  }

  // MARK: Outboxes

  private func outbox(_ operations: RunOperation...) -> AttemptDetails {
    AttemptDetails(
      outbox: RunOutbox(
        keyValues: [], operations: operations, encoded: operations.isEmpty ? nil : JSONText("[\"encoded\"]")))
  }

  private func run(_ f: inout Fixture, _ job: String = "a") throws -> RunID {
    let id = try f.core.runNow(job, params: nil, at: f.now, into: &f.actions)
    f.settle()
    return id
  }

  private func answer(_ f: inout Fixture, _ result: Result<TransactionAnswer, StoreError>) {
    let commit = f.commitsOfRuns.removeFirst()
    f.core.outboxCommitted(commit.run, result, at: f.now, into: &f.actions)
    f.settle()
  }

  @Test("a run with an outbox has ended when that is committed, and then its operations are carried out once")
  func committed() throws {
    var f = Fixture(Self.jobs)
    let id = try run(&f)
    f.endRun(0, details: outbox(.emit("go", data: nil), .run("b", params: nil)))
    #expect(f.rows[id]?.outcome == nil && f.orders.isEmpty)
    let transaction = try #require(f.commitsOfRuns.first?.transaction)
    #expect(transaction.finished?.outcome == .succeeded && transaction.intent?.position == 0)
    answer(&f, .success(.committed(intent: 7)))
    #expect(f.rows[id]?.outcome == .succeeded && f.rows[id]?.duration == 1_000)
    #expect(f.orders.map(\.job.definition.name).sorted() == ["b", "down", "listener"])
    #expect(f.steps == [.performed(7)] && f.emitted == ["go"])
  }

  @Test("an outbox that is refused, in conflict or too large fails the attempt, whose time is counted once")
  func failed() throws {
    let refusals: [Result<TransactionAnswer, StoreError>] = [
      .success(.conflict), .failure(StoreError(.quota, "full")), .failure(StoreError(.unsupported, "not here")),
    ]
    for answer in refusals {
      var f = Fixture(Self.jobs)
      let id = try run(&f)
      f.endRun(0, details: outbox(.emit("go", data: nil)))
      self.answer(&f, answer)
      #expect(f.rows[id]?.outcome == .failed && f.rows[id]?.duration == 1_000)
      #expect(f.rows[id]?.error?.message.hasPrefix("ctx.outbox: ") == true)
      #expect(f.orders.isEmpty && f.steps.isEmpty)
    }
    var f = Fixture(Self.jobs)
    let id = try run(&f)
    f.endRun(0, details: outbox(.run("nobody", params: nil)))
    #expect(f.commitsOfRuns.isEmpty && f.rows[id]?.outcome == .failed && f.rows[id]?.duration == 1_000)
  }

  @Test("a success that cannot be committed with its outbox is tried each second, also while the host ends")
  func drains() throws {
    var f = Fixture(Self.jobs)
    let id = try run(&f)
    f.endRun(0, details: outbox(.run("b", params: nil), request("b", "later")))
    answer(&f, .failure(StoreError(.full, "the disk is full")))
    f.core.drain(at: f.now, into: &f.actions)
    f.settle()
    #expect(f.rows[id]?.outcome == nil && f.commitsOfRuns.isEmpty)
    f.advance(to: 1)
    #expect(f.commitsOfRuns.count == 1)
    answer(&f, .success(.committed(intent: 1)))
    #expect(f.rows[id]?.outcome == .succeeded)
    #expect(f.outcomes("b") == [nil] && f.dynamic["later"] != nil, "promised, and kept for the next host")
    #expect(f.orders.isEmpty)
    let next = f.restarted(Self.jobs, at: 10)
    #expect(next.orders.map(\.job.definition.name) == ["down", "b"])
  }

  @Test("the jobs after a run run also when the host dies between the commit of its outbox and them")
  func passedOn() throws {
    var f = Fixture(Self.jobs)
    _ = try run(&f)
    f.endRun(0, details: outbox())
    let transaction = try #require(f.commitsOfRuns.first?.transaction)
    var intent = try #require(transaction.intent, "there are jobs after it")
    intent.id = 3
    let finished = try #require(transaction.finished)
    f.rows[finished.id] = finished
    var next = f.restarted(Self.jobs, at: 10, intents: [intent])
    let taken = next.core.takeIntents()
    #expect(taken.map(\.intent) == [intent] && next.core.takeIntents().isEmpty)
    next.core.perform([], of: intent, in: "default", passingOn: finished, at: next.now, into: &next.actions)
    next.settle()
    #expect(next.orders.map(\.job.definition.name) == ["down"])
    #expect(next.steps == [.performed(3)])
  }

  @Test("an outbox that nobody waits for writes no intent")
  func plain() throws {
    var f = Fixture(Self.jobs)
    _ = try run(&f, "b")
    f.endRun(0, details: outbox())
    #expect(f.commitsOfRuns.first?.transaction.intent == nil)
  }
}

import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Jobs that run after others")
struct UpstreamTests {
  @Test(
    "after with an outcome: failed follows each failure, any each end, neither a cancel or a success that is not meant")
  func outcomes() throws {
    var f = Fixture([
      definition("up"),
      definition("rescue", every: nil) { $0.after = [Upstream("up", .failed)] },
      definition("report", every: nil) { $0.after = [Upstream("up", .any)] },
    ])
    var followers: [[String]] = []
    for (position, outcome) in [Outcome.succeeded, .failed, .timedOut, .outOfMemory, .crashed, .stuck, .cancelled]
      .enumerated()
    {
      f.advance(to: Double(position + 1) * 10)
      f.endRun(0, outcome)
      followers.append(f.orders.map { $0.job.definition.name }.sorted())
      f.endAll()
    }
    let both = ["report", "rescue"]
    #expect(followers == [["report"], both, both, both, both, both, ["report"]])
  }

  @Test("the event of after names the job, its run, the outcome, and the result or the error")
  func event() {
    var f = Fixture([
      definition("up"), definition("down", every: nil) { $0.after = [Upstream("up", .any)] },
    ])
    f.advance(to: 10)
    f.endRun(0, .succeeded, details: AttemptDetails(result: JSONText("[1]")))
    #expect(
      f.orders[0].context?.event?.text
        == #"{"name":"after","job":"up","run":1,"outcome":"succeeded","result":[1],"data":{"job":"up","run":1}}"#)
    f.endAll()
    f.advance(to: 20)
    f.endRun(0, .failed, details: AttemptDetails(error: RunError(message: "a \"b\"")))
    #expect(
      f.orders[0].context?.event?.text
        == #"{"name":"after","job":"up","run":3,"outcome":"failed","error":"a \"b\"","data":{"job":"up","run":3}}"#)
  }

  private static let joined = [
    definition("a", every: 10 * second), definition("b", every: 30 * second),
    definition("join", every: nil) { $0.afterAll = ["a", "b"] },
  ]

  /// Lets what is due by `seconds` run with `outcome`; whether the join had a run.
  private func joins(_ f: inout Fixture, at seconds: Double, _ outcome: Outcome = .succeeded) -> Bool {
    f.advance(to: seconds)
    var ran = false
    while !f.orders.isEmpty {
      ran = ran || f.orders[0].job.definition.name == "join"
      f.endRun(0, f.orders[0].job.definition.name == "join" ? .succeeded : outcome)
    }
    return ran
  }

  @Test("a join runs when each of its jobs has succeeded since its last run, whatever the order and how often")
  func join() {
    var f = Fixture(Self.joined)
    #expect(!joins(&f, at: 10))
    #expect(!joins(&f, at: 20))
    #expect(!joins(&f, at: 30, .failed), "a has succeeded, b has not")
    #expect(!joins(&f, at: 40))
    #expect(!joins(&f, at: 50))
    #expect(joins(&f, at: 60))
    #expect(!joins(&f, at: 70) && !joins(&f, at: 80))
    #expect(joins(&f, at: 90))
  }

  @Test("the event of a join has the run and the result of each job; together no more than one result may have")
  func joinResults() {
    var f = Fixture([
      definition("a"), definition("b", every: 20 * second), definition("c", every: 20 * second),
      definition("join", every: nil) { $0.afterAll = ["a", "b", "c"] },
      definition("same", every: nil) { $0.afterAll = ["a", "b", "c"] },
    ])
    /// Ends all runs that are due by `seconds` with results, and gives the events of joins.
    func events(by seconds: Double, _ results: [String: String]) -> [String] {
      f.advance(to: seconds)
      var events: [String] = []
      while let order = f.orders.first {
        let name = order.job.definition.name
        if let event = order.context?.event?.text { events.append(event) }
        f.endRun(0, .succeeded, details: AttemptDetails(result: results[name].map { JSONText($0) }))
      }
      return events
    }
    #expect(events(by: 10, ["a": "1"]) == [])
    let both = events(by: 20, ["a": "2", "b": #"{"x":"y"}"#])
    #expect(both.count == 2 && both[0] == both[1])
    #expect(both[0].hasSuffix(#","runs":{"a":2,"b":3,"c":4},"results":{"a":2,"b":{"x":"y"}}}"#), "\(both)")
    let long = #"""# + String(repeating: "l", count: 200_000) + #"""#
    _ = events(by: 30, [:])
    let bounded = events(by: 40, ["a": long, "b": long, "c": "7"])
    #expect(bounded[0].utf8.count < 500_000 && bounded[0].hasSuffix(#","c":7}}"#))
  }

  @Test("what a join has seen survives a restart")
  func restart() {
    var f = Fixture(Self.joined)
    #expect(!joins(&f, at: 10))
    #expect(f.schedules["join"]?.arrivals == [UpstreamArrival(job: "a", run: RunID(1))])
    f = f.restarted(
      [definition("b", every: 30 * second), definition("a", every: nil), Self.joined[2]], at: 15)
    #expect(joins(&f, at: 30))
    #expect(f.schedules["join"]?.arrivals == [])
  }

  @Test("a run of the join for another reason begins its wait anew")
  func manual() throws {
    var f = Fixture(Self.joined)
    #expect(!joins(&f, at: 20))
    #expect(f.schedules["join"]?.arrivals.map(\.job) == ["a"])
    _ = try f.core.runNow("join", params: nil, at: f.now, into: &f.actions)
    f.settle()
    f.endAll()
    #expect(f.schedules["join"]?.arrivals == [])
  }

  @Test("a run that a crash interrupted is an end, too")
  func interrupted() {
    let jobs = [definition("up"), definition("down", every: nil) { $0.after = [Upstream("up", .any)] }]
    var f = Fixture(jobs)
    f.advance(to: 10)
    f.startRun()
    f = f.restarted(jobs, at: 12)
    #expect(f.orders.map { $0.job.definition.name } == ["down"])
    #expect(f.orders[0].context?.event?.text.contains(#""outcome":"interrupted""#) == true)
  }

  @Test("a schedule that has no further fire says so once")
  func ended() {
    var f = Fixture([definition("twice", every: 10 * second) { $0.limit = 2 }])
    var ends: [String] = []
    for second in 1...40 {
      f.advance(to: Double(second))
      f.endAll()
    }
    for case .scheduleEnded(let job) in f.events { ends.append(job) }
    #expect(ends == ["twice"])
  }

  @Test("a claim that cannot be written is told for each job")
  func claimFails() {
    var f = Fixture([definition("a"), definition("b")])
    f.commits = false
    f.advance(to: 10)
    f.failAll()
    var failed: [String] = []
    for case .claimFailed(let job, let error) in f.events {
      failed.append(job)
      #expect(error == "the disk is full")
    }
    #expect(failed.sorted() == ["a", "b"])
  }
}

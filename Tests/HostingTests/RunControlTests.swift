import Chronology
import Hosting
import JobModel
import Testing

@Suite("Runs through a host's control", .timeLimit(.minutes(2)))
struct RunControlTests {
  private static let scripts = [
    "a.lua": """
    job "echo" { params = { a = 1 }, run = function(ctx) log.info("said", { n = 1 }) return ctx.params end }
    job "waits" { run = function(ctx) ctx:progress(0.4) wait("go") end }
    job "fails" { run = function(ctx) error("disk on fire") end }
    job "hourly" { cron = "0 * * * *", max_instances = 2, run = function(ctx) return ctx.scheduled_at end }
    """
  ]

  @Test("a run is asked for with parameters, and is told with its result, its log and its audit line")
  func runs() async throws {
    let host = try ControlledHost(Self.scripts)
    let events = host.listen()
    let accepted = try await host.control.runNow(
      RunRequest(job: "echo", params: JSONDocument(#"{"b":[1,2]}"#)), by: ControlledHost.ann)
    #expect(try await events.end(of: accepted.id).outcome == .succeeded)
    let run = try await host.control.run(RunID(accepted.id))
    #expect(run.outcome == .succeeded)
    #expect(run.cause == .manual)
    #expect(run.params?.text == #"{"b":[1,2]}"#)
    #expect(run.startedAt != nil && run.finishedAt != nil && run.state == nil)
    let lines = try await host.control.log(LogQuery(.run(RunID(accepted.id)))).lines
    #expect(lines.map(\.message) == ["said"])
    #expect(lines.first?.fields?.text == #"{"n":1}"#)
    #expect(try await host.control.log(LogQuery(.job("echo"))).lines == lines)
    #expect(try await host.control.audit(AuditQuery()).items.first?.subject == "run \(accepted.id)")
  }

  @Test("a run that goes on is told with its state and progress, and is cancelled")
  func cancels() async throws {
    let host = try ControlledHost(Self.scripts)
    let events = host.listen()
    let accepted = try await host.control.runNow(RunRequest(job: "waits"), by: ControlledHost.ann)
    _ = try await events.next { event in if case .runProgress(let note) = event { note } else { nil } }
    let run = try await host.control.run(RunID(accepted.id))
    #expect(run.state == "running")
    #expect(run.progress?.fraction == 0.4)
    let job = try await host.control.job("waits")
    #expect(job.running == 1)
    #expect(job.progress?.text == "40 %")
    var open = RunsQuery()
    open.isOpen = true
    #expect(try await host.control.runs(open).items.map(\.id) == [accepted.id])
    let answer = try await host.control.cancel(RunID(accepted.id), by: ControlledHost.ann)
    #expect(answer.state == .cancelling)
    #expect(try await events.end(of: accepted.id).outcome == .cancelled)
    let again = await #expect(throws: ControlError.self) {
      try await host.control.cancel(RunID(accepted.id), by: ControlledHost.ann)
    }
    #expect(again == ControlError(.conflict, "run \(accepted.id) has ended already (cancelled)"))
    let never = await #expect(throws: ControlError.self) {
      try await host.control.cancel(RunID(99_999), by: ControlledHost.ann)
    }
    #expect(never?.code == .notFound)
  }

  @Test("a run that is parked, or waits for its next attempt, is cancelled at once, and told to have begun")
  func cancelsParked() async throws {
    let host = try ControlledHost([
      "a.lua": """
      job "parks" { run = function(ctx) ctx:sleep("1h") end }
      job "retries" { retry = { max = 1, base = "1h" }, run = function() error("no") end }
      """
    ])
    let events = host.listen()
    let parked = try await host.control.runNow(RunRequest(job: "parks"), by: ControlledHost.ann)
    _ = try await events.next { event in if case .runParked = event { true } else { nil } }
    let before = try await host.control.run(RunID(parked.id))
    #expect(before.state == "parked" && before.parkedUntil != nil && before.attempts == 1)
    let first = try await host.control.cancel(RunID(parked.id), by: ControlledHost.ann)
    let after = try await host.control.run(RunID(parked.id))
    #expect(after.outcome == .cancelled && after.state == nil && after.parkedUntil == nil && after.attempts == 1)
    #expect(first.words == "run \(parked.id) of parks is cancelled: it was parked")
    let retrying = try await host.control.runNow(RunRequest(job: "retries"), by: ControlledHost.ann)
    _ = try await events.next { event in if case .runRetrying = event { true } else { nil } }
    let second = try await host.control.cancel(RunID(retrying.id), by: ControlledHost.ann)
    #expect(second.words == "run \(retrying.id) of retries is cancelled: it waited for its next attempt")
  }

  @Test("a retry is a new run that names the run it retries, with its parameters")
  func retries() async throws {
    let host = try ControlledHost(Self.scripts)
    let events = host.listen()
    let first = try await host.control.runNow(
      RunRequest(job: "fails", params: JSONDocument(#"{"x":1}"#)), by: ControlledHost.ann)
    #expect(try await events.end(of: first.id).outcome == .failed)
    let second = try await host.control.retry(RunID(first.id), by: ControlledHost.ann)
    #expect(second.retryOf == first.id)
    #expect(try await events.end(of: second.id).outcome == .failed)
    let run = try await host.control.run(RunID(second.id))
    #expect(run.cause == .retry)
    #expect(run.retryOf == first.id)
    #expect(run.params?.text == #"{"x":1}"#)
    #expect(run.error?.message.contains("disk on fire") == true)
    var failed = RunsQuery(job: "fails", outcomes: [.failed])
    failed.text = "ON FIRE"
    #expect(try await host.control.runs(failed).items.map(\.id) == [second.id, first.id])
    failed.text = "nothing of it"
    #expect(try await host.control.runs(failed).items.isEmpty)
  }

  @Test("a run that has not ended is not retried, and one that nobody knows is not there")
  func refusesRetry() async throws {
    let host = try ControlledHost(Self.scripts)
    let run = try await host.control.runNow(RunRequest(job: "waits"), by: ControlledHost.ann)
    let error = await #expect(throws: ControlError.self) {
      try await host.control.retry(RunID(run.id), by: ControlledHost.ann)
    }
    #expect(error?.code == .conflict)
    let missing = await #expect(throws: ControlError.self) {
      try await host.control.retry(RunID(4_711), by: ControlledHost.ann)
    }
    #expect(missing == ControlError(.notFound, "there is no run 4711, or it is kept no more"))
    let second = await #expect(throws: ControlError.self) {
      try await host.control.runNow(RunRequest(job: "waits"), by: ControlledHost.ann)
    }
    #expect(second?.code == .conflict)
  }

  @Test("runs are told newest first, in pages that hang together")
  func pages() async throws {
    let host = try ControlledHost(Self.scripts)
    let events = host.listen()
    var ids: [Int64] = []
    for _ in 0..<7 {
      let run = try await host.control.runNow(RunRequest(job: "echo"), by: ControlledHost.ann)
      _ = try await events.end(of: run.id)
      ids.append(run.id)
    }
    var query = RunsQuery(job: "echo", limit: 3)
    var found: [Int64] = []
    var sizes: [Int] = []
    repeat {
      let page = try await host.control.runs(query)
      found += page.items.map(\.id)
      sizes.append(page.items.count)
      query.after = page.next
    } while query.after != nil
    #expect(found == ids.reversed())
    #expect(sizes == [3, 3, 1])
  }

  @Test("a backfill runs the fire times of a range, each once, and a dry run only tells them")
  func backfills() async throws {
    let host = try ControlledHost(Self.scripts)
    let events = host.listen()
    let to = host.control.now.advanced(byNanoseconds: -3_600_000_000_000)
    var request = BackfillRequest(
      job: "hourly", from: HostTime(to.advanced(byNanoseconds: -5 * 3_600_000_000_000), in: .utc),
      to: HostTime(to, in: .utc))
    request.dryRun = true
    let plan = try await host.control.backfill(request, by: ControlledHost.ann)
    #expect(plan.fires.count == 5)
    #expect(plan.runs.isEmpty && plan.isDryRun)
    request.dryRun = nil
    let done = try await host.control.backfill(request, by: ControlledHost.ann)
    #expect(done.fires == plan.fires)
    #expect(done.runs.count == 5)
    var ended: Set<Int64> = []
    var scheduled: [HostTime] = []
    while ended.count < 5 {
      let record = try await events.next { event in
        if case .runFinished(let record) = event, record.cause == .backfill { record } else { nil }
      }
      ended.insert(record.id.number)
      scheduled.append(HostTime(record.scheduledAt, in: .utc))
    }
    #expect(scheduled.sorted() == plan.fires)
    request.coalesce = true
    let one = try await host.control.backfill(request, by: ControlledHost.ann)
    #expect(one.runs.count == 1)
    let record = try await events.end(of: one.runs[0])
    #expect(record.missed == 4)
  }

  @Test("a range that has not passed, is empty, too long or of a job without a trigger is refused")
  func refusesBackfill() async throws {
    let host = try ControlledHost(Self.scripts)
    let now = host.control.now
    func time(_ hours: Int64) -> HostTime { HostTime(now.advanced(byNanoseconds: hours * 3_600_000_000_000), in: .utc) }
    for (job, from, to, code) in [
      ("hourly", time(-1), time(1), ControlError.Code.invalid), ("hourly", time(-1), time(-1), .invalid),
      ("hourly", time(-2_000), time(-1), .invalid), ("echo", time(-2), time(-1), .conflict),
      ("nobody", time(-2), time(-1), .notFound),
    ] {
      let error = await #expect(throws: ControlError.self) {
        try await host.control.backfill(BackfillRequest(job: job, from: from, to: to), by: ControlledHost.ann)
      }
      #expect(error?.code == code)
    }
  }
}

extension HostControl {
  var now: Instant { SystemWallClock().now }
}

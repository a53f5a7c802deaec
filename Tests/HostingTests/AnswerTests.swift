import Chronology
import FoundationEssentials
import Hosting
import JobModel
import TestSupport
import Testing

@Suite("What a host answers", .timeLimit(.minutes(2)))
struct AnswerTests {
  @Test("jobs are told by name in pages, with filters")
  func jobs() async throws {
    let host = try ControlledHost([
      "many.lua": """
      for i = 1, 25 do
        job(string.format("job %02d", i)) { every = "1h", tags = i % 5 == 0 and { "fifth" } or {}, run = function() end }
      end
      """,
      "other.lua": """
      job "zebra" { description = "Stripes", enabled = false, run = function() end }
      """,
    ])
    var query = JobQuery(limit: 10)
    var names: [String] = []
    repeat {
      let page = try await host.control.jobs(query)
      names += page.items.map(\.name)
      query.after = page.next
    } while query.after != nil
    #expect(names.count == 26 && names == names.sorted() && Set(names).count == 26)
    func found(_ query: JobQuery) async throws -> [String] { try await host.control.jobs(query).items.map(\.name) }
    #expect(try await found(JobQuery(tag: "fifth")) == ["job 05", "job 10", "job 15", "job 20", "job 25"])
    #expect(try await found(JobQuery(file: "other.lua")) == ["zebra"])
    #expect(try await found(JobQuery(state: .disabled)) == ["zebra"])
    #expect(try await found(JobQuery(text: "STRIPE")) == ["zebra"])
    #expect(try await found(JobQuery(state: .paused)) == [])
    let wrong = await #expect(throws: ControlError.self) {
      try await host.control.jobs(JobQuery(after: PageCursor("nonsense")))
    }
    #expect(wrong?.code == .invalid)
  }

  @Test("a list that was asked for before tells what a reload changed, added and took away")
  func edited() async throws {
    let host = try ControlledHost([
      "a.lua": "job \"a\" { every = \"1h\", run = function() end }\njob \"b\" { every = \"2h\", run = function() end }"
    ])
    func words() async throws -> [String: String?] {
      let page = try await host.control.jobs(JobQuery())
      return Dictionary(uniqueKeysWithValues: page.items.lazy.filter { !$0.isOrphaned }.map { ($0.name, $0.trigger) })
    }
    for _ in 0..<2 { #expect(try await words() == ["a": "Every hour", "b": "Every 2 hours"]) }
    try host.edit("a.lua", "job \"a\" { every = \"3h\", run = function() end }\njob \"c\" { run = function() end }")
    let reload = try await host.control.reload(by: ControlledHost.ann)
    #expect(reload.changed == 1 && reload.added == 1, "\(reload)")
    for _ in 0..<2 { #expect(try await words() == ["a": "Every 3 hours", "c": "when asked"]) }
  }

  @Test("answers are JSON with the names that list and history print, and are read back")
  func json() async throws {
    let host = try ControlledHost([
      "a.lua": #"job "a" { cron = "0 3 * * *", timezone = "Europe/Vienna", params = { x = {} }, run = function() end }"#
    ])
    let job = try await host.control.job("a")
    let data = try JSONEncoder().encode(job)
    let text = String(decoding: data, as: UTF8.self)
    for name in ["\"next_run_time\"", "\"enabled\":true", "\"paused\":false", "\"timezone\":\"Europe\\/Vienna\""] {
      #expect(text.contains(name), "\(name) in \(text)")
    }
    #expect(try JSONDecoder().decode(JobAnswer.self, from: data) == job)
    let status = try await host.control.status()
    let again = try JSONDecoder().decode(HostStatus.self, from: JSONEncoder().encode(status))
    #expect(again.host == host.control.identity)
    #expect(again.jobs.total == 1)
    #expect(again.isReady)
    #expect(await host.control.readiness().isReady)
  }

  @Test(
    "documents of others keep their form on the way through a coder",
    arguments: [
      #"{"a":[1,2.5,true,null,"x\n\u0001"],"b":{},"c":[]}"#, "[]", "{}", "\"\\ud83c\\udf12\"", "-12", "1e300", "null",
    ])
  func documents(text: String) throws {
    let data = try JSONEncoder().encode([JSONDocument(text)])
    let again = try JSONDecoder().decode([JSONDocument].self, from: data)
    let plain = try JSONDecoder().decode([JSONDocument].self, from: JSONEncoder().encode(again))
    #expect(again == plain)
    #expect(JSONDocument("[\(text)]").isObject == false)
  }

  @Test("what is no document is sent as a text", arguments: ["{", "[1,]", "nul", "01", "\"", "{\"a\":1}x", "1 2", ""])
  func broken(text: String) throws {
    let data = try JSONEncoder().encode([JSONDocument(text)])
    #expect(try JSONDecoder().decode([String].self, from: data) == [text])
  }

  @Test("fires to come are told by time, and frequent schedules as one line each")
  func upcoming() async throws {
    let host = try ControlledHost([
      "a.lua": """
      job "daily" { cron = "30 4 * * *", run = function() end }
      job "often" { every = "10s", run = function() end }
      job "minutely" { cron = "* * * * *", run = function() end }
      job "never" { run = function() end }
      """
    ])
    let answer = try await host.control.upcoming(UpcomingQuery())
    #expect(answer.fires.map(\.job) == ["daily"])
    #expect(answer.frequent.map(\.job) == ["minutely", "often"])
    #expect(answer.frequent[0].count == 1_440)
    #expect((8_639...8_640).contains(answer.frequent[1].count))
    let week = try await host.control.upcoming(UpcomingQuery(job: "daily", span: 7 * UpcomingQuery.day))
    #expect(week.fires.count == 7)
    #expect(week.fires == week.fires.sorted { $0.at < $1.at })
  }

  @Test("fires to come are counted by parts of the span, listed or not; a parked run is one where it goes on")
  func counts() async throws {
    let host = try ControlledHost([
      "a.lua": #"""
      job "daily" { cron = "30 4 * * *", run = function() end }
      job "later" { cron = "30 5 * * *", run = function() end }
      job "often" { every = "10s", run = function() end }
      job "parks" { run = function(ctx) ctx:sleep("1h") end }
      """#
    ])
    let events = host.listen()
    let run = try await host.control.runNow(RunRequest(job: "parks"), by: ControlledHost.ann)
    _ = try await events.next { event in if case .runParked = event { true } else { nil } }
    let whole = try await host.control.upcoming(UpcomingQuery())
    #expect(Set(whole.fires.map(\.job)) == ["daily", "later", "parks"])
    #expect(whole.fires.compactMap(\.run) == [run.id])
    var expected = Array(repeating: 0, count: 48)
    for fire in whole.fires {
      expected[Int(fire.at.instant.nanoseconds(since: whole.from.instant) / (1_800 * 1_000_000_000))] += 1
    }
    #expect(whole.counts == expected)
    let cut = try await host.control.upcoming(UpcomingQuery(from: whole.from.instant, limit: 1))
    #expect(cut.fires.count == 1 && cut.isCut && cut.counts == expected)
    // It goes on within the hour, and not where a later span begins.
    let later = whole.from.instant.advanced(byNanoseconds: 2 * 3_600 * 1_000_000_000)
    let next = try await host.control.upcoming(UpcomingQuery(job: "parks", from: later))
    #expect(next.fires.isEmpty && next.counts == Array(repeating: 0, count: 48))
    _ = try await host.control.pause(PauseRequest(jobs: ["daily", "later"]), by: ControlledHost.ann)
    #expect(try await host.control.upcoming(UpcomingQuery()).counts.reduce(0, +) == 1)
  }

  @Test("a dynamic schedule is made, told and removed")
  func schedules() async throws {
    let host = try ControlledHost(["a.lua": #"job "send" { run = function(ctx) return ctx.params end }"#])
    var order = ScheduleOrder(job: "send")
    order.cron = "0 9 * * mon"
    order.params = JSONDocument(#"{"to":"ann"}"#)
    let made = try await host.control.schedule(order, by: ControlledHost.ann)
    #expect(made.nextRunTime != nil)
    #expect(try await host.control.schedules(SchedulesQuery(job: "send")).items == [made])
    #expect(try await host.control.job("send").schedules == [made])
    try await host.control.unschedule(made.id, by: ControlledHost.ann)
    #expect(try await host.control.schedules(SchedulesQuery()).items == [])
    let gone = await #expect(throws: ControlError.self) {
      try await host.control.unschedule(made.id, by: ControlledHost.ann)
    }
    #expect(gone?.code == .notFound)
    for wrong in ["0 99 * * *", ""] {
      var order = ScheduleOrder(job: "send")
      order.cron = wrong
      let error = await #expect(throws: ControlError.self) {
        try await host.control.schedule(order, by: ControlledHost.ann)
      }
      #expect(error?.code == .invalid)
    }
    var two = ScheduleOrder(job: "send")
    two.every = "1h"
    two.trigger = "every \"2h\""
    let error = await #expect(throws: ControlError.self) {
      try await host.control.schedule(two, by: ControlledHost.ann)
    }
    #expect(error == ControlError(.invalid, "say when with one of at, every, cron and trigger"))
  }

  @Test("a reload answers when the new generation is in force, with what is wrong")
  func reload() async throws {
    let host = try ControlledHost(["a.lua": #"job "a" { run = function() end }"#])
    try host.edit("b.lua", #"job "b" { run = function() end }"#)
    let added = try await host.control.reload(by: ControlledHost.ann)
    #expect(added.errors.isEmpty)
    #expect(try await host.control.job("b").file == "b.lua")
    try host.edit("b.lua", "job (")
    let broken = try await host.control.reload(by: ControlledHost.ann)
    #expect(broken.errors.map(\.file) == ["b.lua"])
    let scripts = try await host.control.scripts()
    #expect(scripts.scripts.map(\.status) == [.current, .stale])
    #expect(try await host.control.generations().count >= 2)
    #expect(try await host.control.audit(AuditQuery()).items.map(\.action) == ["reload", "reload"])
  }

  @Test("an order to a host that has stopped is answered, not kept waiting")
  func stopped() async throws {
    let host = try ControlledHost(["a.lua": #"job "a" { run = function() end }"#])
    host.stop()
    let error = await #expect(throws: ControlError.self) {
      try await host.control.pause(PauseRequest(jobs: ["a"]), by: ControlledHost.ann)
    }
    #expect(error == ControlError(.unavailable, "the host is stopping"))
    #expect(await host.control.readiness().isReady == false)
  }

  @Test("a page with long texts ends before it has a megabyte, and the pages together are all")
  func longTexts() async throws {
    let script = """
      for i = 1, 300 do
        job("long-" .. i) { description = ("d"):rep(4000), run = function() end }
      end
      """
    let host = try ControlledHost(["a.lua": script])
    var names: [String] = []
    var query = JobQuery(limit: PageLimit.most)
    repeat {
      let page = try await host.control.jobs(query)
      #expect(page.items.reduce(0) { $0 + ($1.description?.utf8.count ?? 0) } <= PageLimit.bytes + 4_096)
      names += page.items.map(\.name)
      query.after = page.next
    } while query.after != nil
    #expect(names.count == 300 && names == names.sorted())
  }

  @Test("the answer about one job says when its latest run began")
  func lastRun() async throws {
    let host = try ControlledHost(["a.lua": #"job "a" { run = function() end }"#])
    #expect(try await host.control.job("a").lastRunTime == nil)
    let events = host.listen()
    let run = try await host.control.runNow(RunRequest(job: "a"), by: ControlledHost.ann)
    _ = try await events.end(of: run.id)
    // What has ended is told before it is on disk; the answer about the run waits for that.
    let began = try await host.control.run(RunID(run.id)).startedAt
    #expect(try await host.control.job("a").lastRunTime == began)
  }

  @Test("after a new start jobs have the outcome of their latest run, and are found by it")
  func formerOutcomes() async throws {
    let directory = try TemporaryDirectory()
    let scripts = [
      "a.lua": """
      job "bad" { run = function() error("no") end }
      job "good" { run = function() end }
      job "never" { run = function() end }
      """
    ]
    var host = try ControlledHost(scripts, in: directory)
    let events = host.listen()
    for job in ["bad", "good"] {
      let run = try await host.control.runNow(RunRequest(job: job), by: ControlledHost.ann)
      _ = try await events.end(of: run.id)
    }
    #expect(try await host.control.jobs(JobQuery(state: .failing)).items.map(\.name) == ["bad"])
    host.stop()
    host = try ControlledHost(scripts, in: directory)
    #expect(try await host.control.jobs(JobQuery(state: .failing)).items.map(\.name) == ["bad"])
    #expect(try await host.control.jobs(JobQuery()).items.map(\.lastOutcome) == [.failed, .succeeded, nil])
  }

  @Test("a job that only a store remembers is told, as an orphan")
  func orphan() async throws {
    let directory = try TemporaryDirectory()
    var host = try ControlledHost(
      ["a.lua": #"job "gone" { every = "1h", run = function() end }"#, "b.lua": #"job "b" { run = print }"#],
      in: directory)
    let events = host.listen()
    let run = try await host.control.runNow(RunRequest(job: "gone"), by: ControlledHost.ann)
    _ = try await events.end(of: run.id)
    host.stop()
    host = try ControlledHost(["a.lua": "-- nothing"], in: directory)
    let gone = try await host.control.job("gone")
    #expect(gone.isOrphaned && gone.lastOutcome == .succeeded && gone.lastRunTime != nil && gone.orphanReason != nil)
    let asked = try await host.control.jobs(JobQuery(state: .orphaned)).items
    #expect(asked.map(\.name) == ["gone"])
    #expect(try await host.control.upcoming(UpcomingQuery(job: "gone")).fires.isEmpty)
    let refused = await #expect(throws: ControlError.self) {
      try await host.control.runNow(RunRequest(job: "gone"), by: ControlledHost.ann)
    }
    #expect(refused?.code == .conflict && refused?.message.contains("is orphaned") == true)
    let unknown = await #expect(throws: ControlError.self) { try await host.control.job("gon") }
    #expect(unknown?.code == .notFound)
  }

  @Test("explain answers as a host knows it, and about jobs that nobody has heard of with the nearest name")
  func explain() async throws {
    let host = try ControlledHost(["a.lua": #"job "waits" { run = function() wait("go") end }"#])
    let run = try await host.control.runNow(RunRequest(job: "waits"), by: ControlledHost.ann)
    let answer = try await host.control.explain(ExplainQuery(job: "waits"))
    #expect(answer.runs.map(\.id) == [run.id] && ["running", "waiting"].contains(answer.runs.first?.state))
    #expect(answer.sentences.contains { $0.contains("run \(run.id) (manual): ") })
    let unknown = await #expect(throws: ControlError.self) {
      try await host.control.explain(ExplainQuery(job: "wait"))
    }
    #expect(unknown?.message.contains("did you mean \"waits\"") == true)
    let zero = await #expect(throws: ControlError.self) {
      try await host.control.explain(ExplainQuery(job: "waits", limit: 0))
    }
    #expect(zero?.code == .invalid)
  }
}

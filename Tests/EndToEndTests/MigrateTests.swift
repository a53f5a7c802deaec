import Chronology
import Foundation
import Hosting
import JobModel
import Testing

/// `moondial migrate` through the binary: from one store file into another.
@Suite("Moving a store, end to end", .serialized, .timeLimit(.minutes(5)))
struct MigrateTests {
  @Test("everything that a store holds is in the other one, and is found there by every question")
  func moves() throws {
    let place = try Place()
    try SeededStore.fill(place.path + "/a.db", runs: 500)
    let moved = try place.run("migrate", "--from", "a.db", "--to", "sqlite:b.db", "--json")
    #expect(moved.status == 0, "\(moved)")
    let document = try #require(
      try JSONSerialization.jsonObject(with: Data(moved.output.joined().utf8)) as? [String: Any])
    #expect(document["moved"] as? Int ?? 0 > 1_000)
    try SeededStore.expectSame(place.path + "/a.db", place.path + "/b.db")
    for command in [["history", "--json", "--limit", "1000"], ["history", "job 1", "--log"], ["explain", "job 2"]] {
      let answers = try ["./a.db", "./b.db"].map {
        try HostProcess.run(command + ["--store", $0], in: place.path)
      }
      #expect(answers[0].status == 0 && answers[0].output.count > 1, "\(command): \(answers[0])")
      #expect(answers[0].output == answers[1].output, "\(command)")
    }
    let again = try place.run("migrate", "--from", "a.db", "--to", "b.db")
    #expect(again.status == 0 && again.output[0].contains("holds the same"), "\(again)")
    // The next host goes on as if it were the first store.
    let (first, second) = (try openStore(place.path + "/a.db"), try openStore(place.path + "/b.db"))
    defer {
      first.close()
      second.close()
    }
    let (left, right) = (try first.load(), try second.load())
    #expect(left.nextRunID == right.nextRunID && left.nextAudit == right.nextAudit && left.pause == right.pause)
    #expect(left.unfinished == right.unfinished && left.clockEpoch == right.clockEpoch)
  }

  @Test("killed in the middle, it goes on where it was, and no host schedules from half a store")
  func killed() throws {
    let place = try Place()
    try place.save("a.lua", "job \"tick\" { every = \"1h\", run = print }")
    try SeededStore.fill(place.path + "/a.db", runs: 20_000)
    let first = try HostProcess(["migrate", "--from", "a.db", "--to", "b.db"], in: place.path)
    try first.awaitLine(containing: "rows of log")
    first.signal(SIGKILL)
    try first.awaitExit()
    let host = try HostProcess.run(["run", "scripts", "--set", "stores.default=sqlite:../b.db"], in: place.path)
    #expect(host.status != 0 && host.errors.contains { $0.contains("is not finished") }, "\(host)")
    let second = try place.run("migrate", "--from", "a.db", "--to", "b.db", "--json")
    #expect(second.status == 0 && second.output.joined().contains("\"resumed\":true"), "\(second)")
    try SeededStore.expectSame(place.path + "/a.db", place.path + "/b.db")
  }

  @Test("a source that has changed since the cut is moved from the beginning")
  func changed() throws {
    let place = try Place()
    try SeededStore.fill(place.path + "/a.db", runs: 20_000)
    let first = try HostProcess(["migrate", "--from", "a.db", "--to", "b.db"], in: place.path)
    try first.awaitLine(containing: "rows of log")
    first.signal(SIGKILL)
    try first.awaitExit()
    let store = try openStore(place.path + "/a.db", clock: SeededStore.clock)
    try store.commit(batch { $0.unscheduled = ["dynamic 3"] })
    store.close()
    let second = try place.run("migrate", "--from", "a.db", "--to", "b.db", "--json")
    #expect(second.status == 0 && second.output.joined().contains("\"resumed\":false"), "\(second)")
    try SeededStore.expectSame(place.path + "/a.db", place.path + "/b.db")
  }

  @Test("a host that schedules from either store keeps it away, and so does a target that holds something else")
  func refused() throws {
    let place = try Place()
    try SeededStore.fill(place.path + "/a.db", runs: 10)
    try SeededStore.fill(place.path + "/other.db", runs: 11)
    let filled = try place.run("migrate", "--from", "a.db", "--to", "other.db")
    #expect(filled.status == 1 && filled.errors.contains { $0.contains("name an empty one") }, "\(filled)")
    let same = try place.run("migrate", "--from", "a.db", "--to", "sqlite:a.db")
    #expect(same.status == 2 && same.errors.contains { $0.contains("the same store") }, "\(same)")
    let missing = try place.run("migrate", "--from", "none.db", "--to", "b.db")
    #expect(missing.status == 1 && missing.errors.contains { $0.contains("there is no store none.db") }, "\(missing)")
    for (held, arguments) in [
      ("a.db", ["--from", "a.db", "--to", "b.db"]), ("c.db", ["--from", "a.db", "--to", "c.db"]),
    ] {
      let store = try openStore(place.path + "/" + held)
      defer { store.close() }
      let refused = try HostProcess.run(["migrate"] + arguments, in: place.path)
      #expect(refused.status == 1 && refused.errors.contains { $0.contains("another host schedules") }, "\(refused)")
      let planned = try HostProcess.run(["migrate", "--dry-run"] + arguments, in: place.path)
      #expect(planned.status == 1 && planned.errors.contains { $0.contains("a host schedules from") }, "\(planned)")
    }
    let planned = try place.run("migrate", "--from", "a.db", "--to", "d.db", "--dry-run", "--json")
    #expect(planned.status == 0 && planned.output.joined().contains("\"possible\":true"), "\(planned)")
    #expect(!FileManager.default.fileExists(atPath: place.path + "/d.db"), "a dry run makes nothing")
  }
}

private func batch(_ edit: (inout StoreBatch) -> Void) -> StoreBatch {
  var batch = StoreBatch()
  edit(&batch)
  return batch
}

/// A store with something of everything, and texts that are hard to carry.
enum SeededStore {
  static let start = Instant(seconds: 1_767_225_600)
  /// Retention would prune by age, and values would expire.
  static let clock = ManualWall()

  struct ManualWall: WallClock {
    var now: Instant { SeededStore.start }
  }

  static func fill(_ path: String, runs: Int) throws {
    var request = StoreRequest(.scheduler)
    request.clock = clock
    request.retention.standard = Retention.Limit(runs: nil, age: nil)
    let store = try StoreKinds.standard.open(StoreKinds.standard.address(ofFile: path), request)
    defer { store.close() }
    try store.commit(batch { schedules(&$0) })
    for first in stride(from: 1, through: runs, by: 5_000) {
      let numbers = first...min(runs, first + 4_999)
      try store.commit(batch { $0.finished = numbers.map { finished(Int64($0)) } })
      // The next commit waits for them: of lines that wait, a store keeps a hundred thousand.
      store.append(
        log: numbers.flatMap {
          [line(of: $0, 1, "info", fields: nil), line(of: $0, 2, "warn", fields: "{\"a.b\":{\"$c\":1}}")]
        })
    }
    try store.commit(
      batch { batch in
        batch.claims = [open(Int64(runs) + 1)]
        var waiting = open(Int64(runs) + 2)
        waiting.claimedAt = nil
        waiting.event = JSONText("{\"name\":\"e\",\"data\":\"" + String(repeating: "🌒", count: 1_000) + "\"}")
        batch.waiting = [waiting]
        // A run id that was given, and whose run is gone.
        var dropped = open(Int64(runs) + 9)
        dropped.claimedAt = nil
        batch.waiting.append(dropped)
      })
    try store.commit(batch { $0.dropped = [RunID(Int64(runs) + 9)] })
    try durable(store, after: Int64(runs))
    for number in 0..<50 {
      var change = KeyValueChange(
        space: number % 2 == 0 ? "a.lua" : "$x/b.lua", key: "k.\(number)$é", value: JSONText("[\(number)]"))
      if number % 3 == 0 { change.expiresAt = Instant(seconds: 4_000_000_000 + Int64(number)) }
      _ = try store.keyValues.change(change, at: start)
    }
  }

  /// A parked run with its steps, and what a transaction has asked for.
  private static func durable(_ store: any JobStore, after last: Int64) throws {
    var parked = open(last + 3)
    parked.claimedAt = nil
    parked.startedAt = start
    parked.attempts = 1
    parked.park = RunPark(position: 2, until: Instant(seconds: 4_000_000_000), event: "go 🌒")
    var done = RunStep(run: parked.id, position: 1, kind: .step, name: "é", attempt: 1, startedAt: start)
    done.finishedAt = start
    done.result = JSONText("\"" + String(repeating: "r", count: 5_000) + "\"")
    var wait = RunStep(run: parked.id, position: 2, kind: .wait, name: "go 🌒", attempt: 1, startedAt: start)
    wait.until = parked.park?.until
    try store.commit(
      batch { batch in
        batch.waiting = [parked]
        batch.steps = [.put(done), .put(wait)]
      })
    var transaction = RunTransaction()
    transaction.intent = RunIntent(run: RunID(1), job: "job 1", at: start, operations: JSONText("[]"))
    _ = try store.commit(transaction, at: start)
  }

  private static func line(of run: Int, _ number: Int, _ level: String, fields: String?) -> RunLogLine {
    RunLogLine(
      run: RunID(Int64(run)), job: "job \(run % 7)", at: start.advanced(byNanoseconds: Int64(run * 10 + number)),
      level: level, message: "line \(number)\n\u{0} of \(run)", fields: fields.map { JSONText($0) })
  }

  private static func schedules(_ batch: inout StoreBatch) {
    for number in 0..<7 {
      var record = ScheduleRecord(job: "job \(number)", trigger: "every 60s", registeredAt: start)
      record.nextFire = start.advanced(byNanoseconds: Int64(number))
      record.fireCount = number
      if number == 3 {
        record.isPaused = true
        record.pause = PauseNote(reason: "why 🌘", by: "ann", at: start)
      }
      if number == 4 { record.orphanedAt = start }
      if number == 5 { record.arrivals = [UpstreamArrival(job: "job 1", run: RunID(1))] }
      batch.schedules.append(record)
      var options = ScheduleOptions()
      options.params = JSONText("{\"n\":\(number)}")
      options.coalesce = .all
      record.dynamic = DynamicSchedule(id: "dynamic \(number)", options: options)
      record.pause = nil
      record.arrivals = []
      batch.schedules.append(record)
      batch.decisions.append(
        DecisionRange(
          job: "job \(number)", schedule: number == 2 ? "dynamic 2" : nil, kind: .skipped, reason: .overlap,
          first: start, last: start.advanced(byNanoseconds: 5), count: 3, clockEpoch: ClockEpoch(0), decidedAt: start))
      batch.files.append(
        FileMark(
          job: "job \(number)", path: "/in/é \(number)",
          version: FileVersion(device: .max, inode: 1 << 63, size: 1, modified: 2), run: RunID(1), outcome: .succeeded,
          at: start))
      batch.audit.append(
        AuditLine(id: Int64(number + 1), at: start, by: "ann", door: "socket", action: "pause", subject: nil))
    }
    batch.clockEpoch = ClockEpoch(2)
    batch.hostPause = .paused(PauseNote(reason: nil, by: "bob", at: start))
  }

  private static func open(_ id: Int64) -> RunRecord {
    RunRecord(id: RunID(id), job: "job 6", cause: .manual, scheduledAt: start, claimedAt: start)
  }

  private static func finished(_ id: Int64) -> RunRecord {
    var run = RunRecord(
      id: RunID(id), job: "job \(id % 7)", cause: .schedule,
      scheduledAt: start.advanced(byNanoseconds: id * 1_000_000), claimedAt: start)
    run.outcome = id % 5 == 0 ? .failed : .succeeded
    run.startedAt = start
    run.finishedAt = start.advanced(byNanoseconds: id * 1_000_000 + 7)
    run.attempts = 1
    if id % 5 == 0 { run.error = RunError(message: "no\u{0} way", file: "a.lua", line: 3, traceback: "t\n\tu") }
    if id % 3 == 0 { run.result = JSONText("{\"$set\":{\"a.b\":\(id)}}") }
    return run
  }

  /// Every question gets the same answer from both.
  ///
  /// - Parameter everyRun: all at once, which takes memory.
  static func expectSame(_ left: String, _ right: String, everyRun: Bool = true) throws {
    let stores = try [left, right].map { try openStore($0, .reader) }
    defer { for store in stores { store.close() } }
    #expect(try stores[0].schedules() == stores[1].schedules())
    let most = everyRun ? Int.max : 1_000
    #expect(try stores[0].runs(RunQuery(limit: most)) == stores[1].runs(RunQuery(limit: most)))
    let inspectable = stores.compactMap { $0 as? any InspectableStore }
    #expect(try inspectable[0].openRuns() == inspectable[1].openRuns())
    #expect(try inspectable[0].jobNames() == inspectable[1].jobNames())
    for number in 0..<7 {
      let decisions = try stores.map { try $0.decisions(DecisionQuery(job: "job \(number)", limit: 1_000)) }
      #expect(decisions[0] == decisions[1] && !decisions[0].isEmpty)
      #expect(try Set(stores[0].files(of: "job \(number)")) == Set(stores[1].files(of: "job \(number)")))
      let runs = try stores.map { try $0.runs(RunQuery(job: "job \(number)", limit: 10)) }
      #expect(runs[0] == runs[1] && !runs[0].isEmpty)
    }
    let parked = try #require(try inspectable[0].openRuns().first { $0.park != nil })
    #expect(try stores[0].steps(of: parked.id) == stores[1].steps(of: parked.id))
    #expect(try stores[0].steps(of: parked.id).count == 2)
    for run in 1...20 {
      let lines = try stores.map { try $0.log(of: RunID(Int64(run)), limit: 10) }
      #expect(lines[0] == lines[1])
    }
    #expect(try stores[0].audit(AuditLineQuery()) == stores[1].audit(AuditLineQuery()))
    for number in 0..<50 {
      let space = number % 2 == 0 ? "a.lua" : "$x/b.lua"
      let values = try stores.map { try $0.keyValues.value(of: "k.\(number)$é", in: space, at: start) }
      #expect(values[0] == values[1] && values[0] != nil)
    }
    let reports = try stores.map { try examination(of: $0) }
    #expect(reports[0].counts == reports[1].counts && reports[1].isSound)
  }
}

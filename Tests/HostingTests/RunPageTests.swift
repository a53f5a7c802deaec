import Chronology
import Hosting
import JobModel
import MemoryStore
import ScriptLoading
import Testing

@Suite("What one answer reads of a history, and how long it is", .timeLimit(.minutes(5)))
struct RunPageTests {
  /// Newest last; each of a job of its own where `job` is nil, so that none is pruned.
  private func store(
    _ count: Int64, job: String? = nil, _ change: (inout RunRecord) -> Void = { _ in }
  ) throws -> StoreUnion {
    let store = MemoryStore()
    for number in 1...count {
      let at = Instant(seconds: 1_767_225_600 + number)
      var run = RunRecord(
        id: RunID(number), job: job ?? "job \(number)", cause: .schedule, scheduledAt: at, claimedAt: at)
      run.startedAt = at
      run.finishedAt = at
      run.outcome = .failed
      change(&run)
      var batch = StoreBatch()
      batch.finished = [run]
      store.apply(batch) { _ in }
    }
    return StoreUnion([("default", store)])
  }

  @Test("a page that is full looks no further for one more than a page that is not")
  func looks() throws {
    let stores = try store(1_200) { run in
      if run.id.number > 1_195 { run.error = RunError(message: "the disk is full") }
    }
    var query = RunsQuery(limit: 5)
    query.text = "disk"
    let page = try RunPage(stores, query, tagged: nil, before: nil)
    #expect(page.runs.map(\.record.id.number) == [1_200, 1_199, 1_198, 1_197, 1_196])
    // 500 runs are looked at: the page after it begins where this one ended to look.
    #expect(page.next?.text == "701")
    query.limit = 6
    #expect(try RunPage(stores, query, tagged: nil, before: nil).next?.text == "701")
  }

  @Test("pages over runs with long texts are all runs, each once")
  func longTexts() throws {
    let stores = try store(300) { run in
      run.error = RunError(message: String(repeating: "m", count: run.id.number.isMultiple(of: 3) ? 60_000 : 10))
    }
    var found: [Int64] = []
    var before: RunID?
    repeat {
      let page = try RunPage(stores, RunsQuery(limit: 70), tagged: nil, before: before)
      found += page.runs.map(\.record.id.number)
      before = page.next.flatMap { Int64($0.text) }.map { RunID($0) }
    } while before != nil
    #expect(found == (1...300).reversed())
  }

  @Test("an explanation ends where its texts fill it, and says how much lies before")
  func explanation() throws {
    let stores = try store(90, job: "a") { run in
      run.error = RunError(message: String(repeating: "m", count: 15_000))
    }
    let now = Instant(seconds: 1_767_300_000)
    let context = ExplainContext(
      zone: .utc, hostSince: nil, pause: nil, open: OpenRuns([], isHosted: true, now: now),
      configuration: HostConfiguration(), job: { _ in nil }, jobs: { [] })
    let answer = try Explanation(stores, ExplainQuery(job: "a", limit: 1_000), context).answer()
    let bytes =
      answer.runs.reduce(0) { $0 + ($1.error?.message.utf8.count ?? 0) }
      + answer.sentences.reduce(0) { $0 + $1.utf8.count }
    #expect((300_000...600_000).contains(bytes), "\(bytes)")
    #expect(answer.runs.first?.id == 90 && answer.runs.count + answer.moreRuns == 90)
    let last = try #require(answer.sentences.last)
    #expect(last == "and \(answer.moreRuns) more runs before that: --at asks about one instant")
    let few = try Explanation(stores, ExplainQuery(job: "a", limit: 2), context).answer()
    #expect(few.runs.map(\.id) == [90, 89] && few.moreRuns == 88)
    #expect(few.sentences.last?.contains("--limit shows more") == true)
  }

  @Test("an explanation has what has not ended, however much was decided since")
  func openRun() throws {
    let stores = try store(90, job: "a") { run in
      guard run.id == RunID(3) else { return }
      run.outcome = nil
      (run.claimedAt, run.startedAt, run.finishedAt) = (nil, nil, nil)
    }
    let now = Instant(seconds: 1_767_300_000)
    let waiting = try #require(try stores.run(RunID(3))).record
    let context = ExplainContext(
      zone: .utc, hostSince: nil, pause: nil, open: OpenRuns([.init(waiting, .waiting)], isHosted: true, now: now),
      configuration: HostConfiguration(), job: { _ in nil }, jobs: { [] })
    let answer = try Explanation(stores, ExplainQuery(job: "a", limit: 3), context).answer()
    #expect(answer.runs.map(\.id) == [90, 89, 3] && answer.runs.last?.state == "waiting" && answer.moreRuns == 87)
    let elsewhere = try Explanation(stores, ExplainQuery(job: "a", at: now, limit: 3), context).answer()
    #expect(elsewhere.runs.isEmpty)
  }
}

import Chronology
import JobModel
import Scheduling
import Testing

@Suite("Files that jobs watch for")
struct FileTests {
  private func watching(_ change: (inout JobDefinition) -> Void = { _ in }) -> JobDefinition {
    definition("in", every: nil) { job in
      job.watch = FileWatch(paths: ["/in/*"])
      change(&job)
    }
  }

  private func file(_ path: String, version: Int64 = 1) -> WatchedFile {
    WatchedFile(path: path, version: FileVersion(device: 1, inode: 1, size: version, modified: version))
  }

  @Test("what is complete at one time is one run, with its paths in order, and a success marks every file")
  func batch() {
    var f = Fixture([watching()])
    f.settle(["/in/b", "/in/a \"x\""].map { file($0) }, of: "in")
    #expect(f.orders.map { $0.context?.event?.text } == [#"{"name":"watch","paths":["/in/a \"x\"","/in/b"]}"#])
    #expect(f.rows.values.map(\.cause) == [.watch])
    #expect(f.files["in"] == nil)
    let run = f.endRun()
    #expect(f.files["in"]?.mapValues(\.run) == ["/in/a \"x\"": run.id, "/in/b": run.id])
    #expect(f.files["in"]?.mapValues(\.outcome) == ["/in/a \"x\"": .succeeded, "/in/b": .succeeded])
    #expect(f.files["in"]?["/in/b"]?.version == file("/in/b").version)
  }

  @Test(
    "files that come while the job runs are the next batch, whatever the overlap policy but replace",
    arguments: [
      OverlapPolicy.skip, .queue, .queueOne,
    ])
  func joins(overlap: OverlapPolicy) {
    var f = Fixture([watching { $0.overlap = overlap }])
    f.settle([file("/in/1")], of: "in")
    f.settle([file("/in/3")], of: "in")
    f.settle([file("/in/2")], of: "in")
    #expect(f.paths == [["/in/1"]])
    f.endRun()
    #expect(f.paths == [["/in/2", "/in/3"]])
    f.endRun()
    #expect(f.paths == [])
    #expect(f.files["in"]?.keys.sorted() == ["/in/1", "/in/2", "/in/3"])
    #expect(f.decisions.isEmpty)
  }

  @Test("under replace, new files cancel the run, and its files come again with them")
  func replaces() {
    var f = Fixture([watching { $0.overlap = .replace }])
    f.settle([file("/in/1")], of: "in")
    f.startRun()
    f.settle([file("/in/2")], of: "in")
    #expect(f.cancellations == [f.orders[0].token])
    f.endRun(0, .cancelled)
    #expect(f.paths == [["/in/1", "/in/2"]])
    #expect(f.files["in"] == nil)
    f.endRun()
    #expect(f.files["in"]?.mapValues(\.outcome) == ["/in/1": .succeeded, "/in/2": .succeeded])
  }

  @Test("a file that changes again while a run has it waits for the end of that run, even with instances free")
  func changesInHand() {
    var f = Fixture([watching { $0.maxInstances = 3 }])
    f.settle([file("/in/1", version: 1)], of: "in")
    f.settle([file("/in/1", version: 2), file("/in/2")], of: "in")
    #expect(f.paths == [["/in/1"], ["/in/2"]])
    f.settle([file("/in/1", version: 3)], of: "in")
    f.endRun(0)
    #expect(f.paths == [["/in/2"], ["/in/1"]])
    #expect(f.files["in"]?["/in/1"]?.version?.size == 1)
    f.endRun(1)
    #expect(f.files["in"]?["/in/1"]?.version?.size == 3)
  }

  @Test(
    "a failed run keeps its files through its retries, and then they are marked with the outcome",
    arguments: [
      Outcome.failed, .timedOut, .outOfMemory,
    ])
  func retries(outcome: Outcome) {
    var f = Fixture([watching { $0.retry = RetryPolicy(max: 1, backoff: .fixed, base: second, jitter: false) }])
    f.settle([file("/in/1")], of: "in")
    f.endRun(0, outcome)
    f.settle([file("/in/2")], of: "in")
    #expect(f.files["in"] == nil)
    f.advance(to: 1)
    #expect(f.paths == [["/in/1"]])
    f.endRun(0, outcome)
    #expect(f.files["in"]?.mapValues(\.outcome) == ["/in/1": outcome])
    #expect(f.paths == [["/in/2"]])
  }

  @Test(
    "a run that somebody cancels marks its files; one that ends because the host stops leaves them for the next start")
  func cancelled() throws {
    var f = Fixture([watching()])
    f.settle([file("/in/1")], of: "in")
    try f.core.cancel(f.orders[0].id, at: f.now, into: &f.actions)
    f.absorb()
    f.endRun(0, .cancelled)
    #expect(f.files["in"]?.mapValues(\.outcome) == ["/in/1": .cancelled])
    f.settle([file("/in/2")], of: "in")
    f.startRun()
    f.core.drain(at: f.now, into: &f.actions)
    f.core.cancelAll(at: f.now, into: &f.actions)
    f.absorb()
    f.endRun(0, .cancelled)
    #expect(f.files["in"]?.keys.sorted() == ["/in/1"])
  }

  @Test("a run that succeeds while the host stops marks its files")
  func drains() {
    var f = Fixture([watching()])
    f.settle([file("/in/1")], of: "in")
    f.startRun()
    f.core.drain(at: f.now, into: &f.actions)
    f.endRun()
    #expect(f.files["in"]?.keys.sorted() == ["/in/1"])
  }

  @Test(
    "after a crash the run is interrupted and not recovered, and no waiting row is taken over: the files come again")
  func crash() {
    var snapshot = StoreSnapshot(nextRunID: RunID(8))
    var claimed = RunRecord(id: RunID(6), job: "in", cause: .watch, scheduledAt: t(-5), claimedAt: t(-5))
    claimed.event = JSONText(#"{"name":"watch","paths":["/in/1"]}"#)
    snapshot.unfinished = [claimed, RunRecord(id: RunID(7), job: "in", cause: .watch, scheduledAt: t(-4))]
    var f = Fixture([watching { $0.recover = true }], start: false, snapshot: snapshot)
    for row in snapshot.unfinished { f.rows[row.id] = row }
    f.start()
    #expect(f.orders.isEmpty)
    #expect(f.rows.mapValues(\.outcome) == [RunID(6): .interrupted])
    f.settle([file("/in/1")], of: "in")
    #expect(f.paths == [["/in/1"]])
  }

  @Test("a paused job, and one that is gone, keep their files waiting")
  func pausedAndOrphaned() throws {
    var f = Fixture([watching()])
    try f.core.pause("in", into: &f.actions)
    f.settle([file("/in/1")], of: "in")
    #expect(f.paths == [])
    f.core.reconcile([], at: f.now, into: &f.actions)
    f.settle([file("/in/2")], of: "in")
    f.core.reconcile([watching()], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.paths == [])
    try f.core.resume("in", at: f.now, into: &f.actions)
    f.settle()
    #expect(f.paths == [["/in/1", "/in/2"]])
  }

  @Test("a file that goes is forgotten: while it waits, while a run has it, and after")
  func gone() {
    var f = Fixture([watching()])
    f.settle([file("/in/1"), file("/in/2")], of: "in")
    f.settle([file("/in/3"), file("/in/4")], of: "in")
    f.core.filesGone(["/in/1", "/in/3"], of: "in", at: f.now, into: &f.actions)
    f.settle()
    f.endRun()
    #expect(f.paths == [["/in/4"]])
    #expect(f.files["in"]?.keys.sorted() == ["/in/2"])
    f.endRun()
    f.core.filesGone(["/in/2"], of: "in", at: f.now, into: &f.actions)
    f.settle()
    #expect(f.files["in"]?.keys.sorted() == ["/in/4"])
  }

  @Test("a batch has at most as many paths, and as many bytes of them, as it may; the rest follows")
  func bounded() {
    var f = Fixture([watching { $0.watch?.batch = 2 }])
    f.settle((1...5).map { file("/in/\($0)") }, of: "in")
    #expect(f.paths == [["/in/1", "/in/2"]])
    f.endRun()
    #expect(f.paths == [["/in/3", "/in/4"]])
    f.endRun()
    #expect(f.paths == [["/in/5"]])

    var g = Fixture([watching()])
    let long = (0..<3).map { "/in/\($0)" + String(repeating: "x", count: FileWatch.batchBytes / 2 - 10) }
    g.settle(long.map { file($0) }, of: "in")
    #expect(g.orders.count == 1 && g.paths[0].count == 2)
    g.endRun()
    #expect(g.paths[0].count == 1)
  }

  @Test(
    "a run is given all its paths, and the history keeps the first twenty and how many more there were",
    arguments: [20, 21, 1_000])
  func recorded(count: Int) {
    var f = Fixture([watching()])
    let names = (0..<count).map { "/in/\(10_000 + $0)" }
    f.settle(names.map { file($0) }, of: "in")
    #expect(f.paths == [names])
    let run = f.endRun()
    let kept = names.prefix(20).map { "\"\($0)\"" }.joined(separator: ",")
    let more = count > 20 ? ",\"more\":\(count - 20)" : ""
    #expect(f.rows[run.id]?.event?.text == "{\"name\":\"watch\",\"paths\":[\(kept)]\(more)}")
    #expect(f.files["in"]?.count == count)
  }

  @Test(
    "the store that fails loses nothing: the run starts when it has recovered, and its mark is in the outcome's batch")
  func storeFails() {
    var f = Fixture([watching()])
    f.commits = false
    f.settle([file("/in/1")], of: "in")
    #expect(f.orders.isEmpty)
    f.failAll()
    f.core.storeRecovered(0, into: &f.actions)
    f.settle()
    f.commitAll()
    #expect(f.paths == [["/in/1"]])
    f.endRun()
    #expect(f.files["in"]?.keys.sorted() == ["/in/1"])
  }

  @Test("a job that watches no longer lets go of what waits")
  func watchesNoLonger() {
    var f = Fixture([watching()])
    f.settle([file("/in/1")], of: "in")
    f.settle([file("/in/2")], of: "in")
    f.core.reconcile([watching { $0.watch = nil }], at: f.now, into: &f.actions)
    f.settle()
    f.endRun()
    #expect(f.orders.isEmpty)
    #expect(f.files["in"]?.keys.sorted() == ["/in/1"])
  }

  @Test("files that are passed over on purpose are remembered without a run")
  func passedOver() {
    var f = Fixture([watching()])
    f.core.filesPassedOver([file("/in/1")], of: "in", beginning: ["/in/*"], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.isEmpty)
    #expect(f.files["in"]?.keys.sorted() == ["/in/1", "since:/in/*"])
    #expect(f.files["in"]?.values.allSatisfy { $0.outcome == nil && $0.run == nil } == true)
  }

  @Test("a hundred thousand files go through in batches, each once")
  func many() {
    var f = Fixture([watching { $0.maxInstances = 2 }])
    f.settle((0..<100_000).map { file("/in/\($0)") }, of: "in")
    var seen = Set<String>()
    while !f.orders.isEmpty {
      for path in f.paths[0] { #expect(seen.insert(path).inserted) }
      f.endRun()
    }
    #expect(seen.count == 100_000)
    #expect(f.files["in"]?.count == 100_000)
  }
}

extension Fixture {
  /// The files are complete, and everything that follows at once happens.
  fileprivate mutating func settle(_ files: [WatchedFile], of job: String) {
    core.filesCompleted(files, of: job, at: now, into: &actions)
    settle()
  }

  /// The paths of each run that is with the executor.
  fileprivate var paths: [[String]] {
    orders.map { order in
      let text = order.context?.event?.text ?? ""
      guard let start = text.firstIndex(of: "["), let end = text.lastIndex(of: "]") else { return [] }
      return text[text.index(after: start)..<end].split(separator: ",").map { $0.trimmingPrefix("\"").dropLast() }
        .map { String($0) }
    }
  }
}

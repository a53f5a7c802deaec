import Basics
import Chronology
import JobModel
import MongoFixtures
import Synchronization
import TestSupport
import Testing

@testable import MongoStore

@Suite("Commits to a MongoDB store", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoCommitTests {
  @Test("mongod is killed and elected again and again under commits: each batch that was answered is there, once")
  func killedServer() throws {
    for kind in MongoProcess.Kind.allCases {
      let server = try MongoProcess(kind)
      let store = try MongoStore(
        server.address("jobs"),
        options: options { edit in
          edit.patience = 60_000_000_000
          edit.retention.standard = Retention.Limit(runs: nil, age: nil)
          edit.retention.ranges = .max
        })
      let answered = Monitor<Set<Int64>>([])
      let ends = Mutex(false)
      let worker = try NamedThread("hands-over") {
        var id: Int64 = 0
        while !ends.withLock({ $0 }) {
          id += 1
          let now = id
          let isDone =
            (try? store.commit(
              batch {
                $0.finished = [finished(now, "a")]
                var range = DecisionRange(
                  job: "a", kind: .skipped, reason: .overlap, first: start.advanced(byNanoseconds: 10 * now),
                  last: start.advanced(byNanoseconds: 10 * now), count: 1, clockEpoch: ClockEpoch(0),
                  decidedAt: start.advanced(byNanoseconds: 10 * now))
                range.number = now
                $0.decisions = [range]
              })) != nil
          if isDone { answered.change { _ = $0.insert(now) } }
        }
      }
      for round in 0..<6 {
        let before = answered.withLock { $0.count }
        _ = answered.wait { $0.count < before + 20 ? nil : true }
        if kind == .replicaSet, round % 2 == 1 {
          try server.elect()
        } else {
          server.kill()
          try server.start()
        }
      }
      ends.withLock { $0 = true }
      worker.join()
      let wanted = answered.withLock { $0 }
      let runs = try store.runs(RunQuery(job: "a", limit: 1_000_000)).map(\.id.number)
      #expect(Set(runs) == wanted && runs.count == wanted.count, "\(kind)")
      let ranges = try store.decisions(DecisionQuery(job: "a", limit: 1_000_000))
      #expect(ranges.count == wanted.count && Set(ranges.map(\.first)).count == wanted.count, "\(kind)")
      store.close()
    }
  }

  @Test("a commit that was cut off between its journal and its changes is whole for the next host")
  func cutJournal() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let first = try MongoStore(address, options: options())
    try first.commit(
      batch {
        $0.schedules = [schedule("a")]
        $0.claims = [claim(1, "a")]
      })
    // As if the process had died before its changes came to their documents: they are as they were.
    #expect(try first.openRuns().count == 1)
    let server = first.server
    let sequence = try first.reader.state().sequence
    try eventually {
      try server.withClient { (client) throws(ServerError) in try StoreWriter.applied(client) } == sequence
    }
    try server.ask(["delete": .text(Collections.meta), "deletes": [["q": ["_id": "applied"], "limit": 1]]])
    for collection in Collections.contents where collection != Collections.journal {
      try server.ask(["delete": .text(collection), "deletes": [["q": [:], "limit": 0]]])
    }
    let second = try MongoStore(address, options: options { $0.ignoresLease = true })
    defer { second.close() }
    #expect(try second.load().unfinished.map(\.id.number) == [1])
    #expect(try second.schedules().map(\.job) == ["a"])
    do {
      try first.commit(batch { $0.finished = [finished(1, "a")] })
      Issue.record("the former host wrote")
    } catch {
      #expect(error.code == .lost)
    }
    first.close()
  }

  @Test("what a former host sends late changes nothing, and brings nothing back")
  func late() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let store = try MongoStore(address, options: options())
    defer { store.close() }
    var waiting = claim(1, "a")
    waiting.claimedAt = nil
    try store.commit(batch { $0.waiting = [waiting] })
    let sequence = try store.reader.state().sequence
    try store.commit(batch { $0.dropped = [waiting.id] })
    try store.commit(batch { $0.finished = [finished(2, "a")] })
    // The change of the first commit once more, as a process that was frozen while it sent it would.
    var texts = LongTexts()
    for run in [waiting, claim(2, "a")] {
      var change = Change(Collections.runs, .int(run.id.number), .put(RunDocuments.document(run, texts: &texts)))
      change.sequence = sequence
      try store.server.ask(
        ["update": .text(Collections.runs), "updates": [change.update], "ordered": false])
    }
    #expect(try store.runs(RunQuery()) == [finished(2, "a")])
    #expect(try store.load().unfinished.isEmpty)
  }

  @Test("who lost the answer to a commit finds it, also behind commits of others")
  func otherCommits() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let host = try MongoStore(address, options: options())
    let beside = try MongoStore(address, mode: .alongside, options: options())
    defer {
      beside.close()
      host.close()
    }
    try host.commit(batch { $0.finished = [finished(1, "a")] })
    let own = try host.reader.state().commit
    try beside.commit(batch { $0.finished = [finished(2, "b")] })
    let other = try host.reader.state().commit
    #expect(try own != other && host.reader.state().knows(own))
    for id in 3...30 as ClosedRange<Int64> { try host.commit(batch { $0.finished = [finished(id, "a")] }) }
    #expect(try host.reader.state().knows(other))
    #expect(try !host.reader.state().knows(own), "the host has made others since")
  }

  @Test("a batch that the server refuses fails alone")
  func poison() throws {
    let store = try MongoStore(MongoProcess.shared(.replicaSet).freshAddress(), options: options())
    defer { store.close() }
    try store.server.ask(
      ["collMod": .text(Collections.runs), "validator": ["_id": ["$ne": 13]], "validationAction": "error"])
    let answers = Monitor<[Int64: StoreError?]>([:])
    for id in 1...40 as ClosedRange<Int64> {
      store.apply(batch { $0.finished = [finished(id, "a")] }) { error in answers.change { $0[id] = .some(error) } }
    }
    _ = answers.wait { $0.count == 40 ? true : nil }
    #expect(answers.withLock { $0.filter { $0.value != nil }.keys.sorted() } == [13])
    #expect(try store.runs(RunQuery(limit: 100)).count == 39)
  }

  @Test("a batch of runs with a megabyte each is one commit", arguments: MongoProcess.Kind.allCases)
  func large(kind: MongoProcess.Kind) throws {
    let address = try MongoProcess.shared(kind).freshAddress()
    let store = try MongoStore(address, options: options())
    defer { store.close() }
    let runs = (1...80).map { number -> RunRecord in
      var run = finished(Int64(number), "a.$b")
      // Long enough for a text of its own, and short enough to stay in the document.
      run.result = JSONText("\"" + String(repeating: "é", count: number % 2 == 0 ? 50_000 : 900) + "\(number)\"")
      run.event = JSONText("{\"$x.y\":\"" + String(repeating: "e", count: 500_000) + "\"}")
      return run
    }
    try store.commit(batch { $0.finished = runs })
    #expect(try store.runs(RunQuery(job: "a.$b", limit: 1_000)) == runs.reversed())
  }

  @Test("a member of a replica set that has just started is one that does not answer yet")
  func starting() {
    let error = ServerError(code: 52, domain: 1, text: "Server does not support sessions")
    #expect(error.isAway)
    #expect(MongoFailure("mongodb://h/d").error(error).message.hasSuffix("look whether it is up"))
  }

  @Test(
    "what was taken for new and is there is changed, with what is new beside it",
    arguments: MongoProcess.Kind.allCases)
  func notNew(kind: MongoProcess.Kind) throws {
    let store = try MongoStore(MongoProcess.shared(kind).freshAddress(), options: options())
    defer { store.close() }
    try store.commit(batch { $0.schedules = [schedule("a")] })
    var changed = schedule("a")
    changed.trigger = "every 1s"
    // A commit more, which has the highest run: so a run is new in the next one only by its id.
    try store.commit(batch { $0.claims = [claim(7, "a")] })
    try store.commit(
      batch {
        $0.schedules = [changed, schedule("b")]
        $0.claims = [claim(8, "a")]
        $0.finished = [finished(7, "a")]
      })
    #expect(try store.schedules().sorted { $0.job < $1.job } == [changed, schedule("b")])
    #expect(try store.runs(RunQuery()) == [claim(8, "a"), finished(7, "a")])
    #expect(try store.openRuns() == [claim(8, "a")])
  }

  @Test("a store that an older version has made, with other indexes, is brought to this one and serves")
  func olderIndexes() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    for (name, keys) in [("gone", ["gone": 1]), ("texts", ["texts": 1])] as [(String, BSON)] {
      try server.ask(
        ["createIndexes": .text(Collections.runs), "indexes": [["key": keys, "name": .text(name)]]])
    }
    let store = try MongoStore(address, options: options())
    try store.commit(batch { $0.finished = [finished(1, "a")] })
    #expect(try store.runs(RunQuery(job: "a")) == [finished(1, "a")])
    let indexes = try server.ask(["listIndexes": .text(Collections.runs)])
    let names = (indexes["cursor"]?.document?["firstBatch"]?.array ?? []).compactMap { $0.document?["name"]?.text }
    #expect(Set(names) == ["_id_", "job", "outcome", "scheduled_at", "gone", "texts"])
    store.close()
  }
}

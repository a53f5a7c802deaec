import Basics
import Chronology
import Foundation
import JobModel
import MongoFixtures
import MoondialTesting
import Synchronization
import TestSupport
import Testing

@testable import MongoStore

@Suite("What can happen to a MongoDB store", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoFaultTests {
  @Test("a second host is refused with who it is that has the store", arguments: MongoProcess.Kind.allCases)
  func secondHost(kind: MongoProcess.Kind) throws {
    let address = try MongoProcess.shared(kind).freshAddress()
    let first = try MongoStore(address, options: options())
    defer { first.close() }
    do {
      try MongoStore(address, options: options()).close()
      Issue.record("there are two hosts")
    } catch {
      #expect(error.code == .locked)
      #expect(error.message.contains("another host schedules from this store (process \(getpid()) on "))
    }
    let alongside = try MongoStore(address, mode: .alongside, options: options())
    defer { alongside.close() }
    #expect(alongside.isHosted)
    first.close()
    #expect(!alongside.isHosted)
    try MongoStore(address, options: options()).close()
  }

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
    let server = first.server
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
      let change = Change(Collections.runs, .int(run.id.number), .put(RunDocuments.document(run, texts: &texts)))
      try store.server.ask(
        [
          "update": .text(Collections.runs), "updates": [change.update(sequence: sequence)], "ordered": false,
        ])
    }
    #expect(try store.runs(RunQuery()) == [finished(2, "a")])
    #expect(try store.load().unfinished.isEmpty)
  }

  @Test("what a migration that was frozen sends late takes back nothing that a host has done since")
  func lateMigration() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let moving = try MongoStore(address, mode: .transfer, options: options())
    let row = StoreRow.run(claim(1, "a"))
    // Twice is fine: the last page comes again after a cut.
    for _ in 1...2 { try moving.receive([row], mark: "x\nruns") }
    try moving.finishTransfer(moving.counters())
    moving.close()
    let host = try MongoStore(address, options: options())
    defer { host.close() }
    try host.commit(batch { $0.finished = [finished(1, "a")] })
    var texts = LongTexts()
    let change = Change(Collections.runs, .int(1), .put(RunDocuments.document(claim(1, "a"), texts: &texts)))
    let answer = try host.server.ask(
      ["update": .text(Collections.runs), "updates": [change.replacement], "ordered": false])
    #expect(throws: ServerError.self) { try StoreWriter.check(answer, ignoresDuplicates: false) }
    #expect(try host.runs(RunQuery()) == [finished(1, "a")])
  }

  @Test("a run alongside is alive while its process is, though the server was away for longer than its lease")
  func aliveWithoutLease() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let host = try MongoStore(address, options: options())
    defer { host.close() }
    let alongside = try MongoStore(address, mode: .alongside, options: options())
    let id = try alongside.externalRunID()
    try alongside.commit(batch { $0.claims = [claim(id.number, "x")] })
    let entry: BSON = ["q": [:], "u": ["$set": ["lease": .date(0)]], "multi": true]
    try host.server.ask(["update": .text(Collections.external), "updates": [entry]])
    #expect(try host.load().unfinished.isEmpty)
    alongside.close()
    #expect(try host.load().unfinished.map(\.id) == [id])
  }

  @Test("a long text that was removed for its age by another clock is written again by the next run that has it")
  func sweptText() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    try MongoStore(address, options: options()).close()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let writer = StoreWriter(server, hasTransactions: false, lease: nil, state: StoreState(), options: options())
    try server.withClient { (client) throws(ServerError) in try writer.look(client) }
    func commit(_ edit: (inout StoreBatch) -> Void) throws {
      for answer in writer.commit([.batch(batch(edit)) { _ in }]) { _ = try answer.get() }
    }
    var run = claim(1, "a")
    run.result = JSONText("\"\(String(repeating: "x", count: 10_000))\"")
    try commit { $0.claims = [run] }
    try commit { $0.dropped = [run.id] }
    let old: BSON = ["q": [:], "u": ["$set": ["at": .date(0)]], "multi": true]
    try server.ask(["update": .text(Collections.texts), "updates": [old]])
    var pruner = Pruner(server, Retention())
    while pruner.isDue(start) { pruner.work(writer, start) }
    #expect(try server.first(Find(Collections.texts)) == nil)
    run.id = RunID(2)
    try commit { $0.claims = [run] }
    #expect(try MongoReader(server: server).openRuns() == [run])
  }

  @Test("a migration does not make a long text old that a host has written lately")
  func lateText() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let host = try MongoStore(address, options: options())
    defer { host.close() }
    var run = claim(1, "a")
    run.result = JSONText("\"\(String(repeating: "x", count: 10_000))\"")
    try host.commit(batch { $0.claims = [run] })
    let before = try #require(try host.server.first(Find(Collections.texts)))
    let hash = try #require(before["_id"]?.bytes)
    try host.server.ask(
      ["update": .text(Collections.texts), "updates": [MongoStore.entry(hash, run.result!.text)]])
    #expect(try host.server.first(Find(Collections.texts))?["at"] == before["at"])
  }

  @Test("a member of a replica set that has just started is one that does not answer yet")
  func starting() {
    let error = ServerError(code: 52, domain: 1, text: "Server does not support sessions")
    #expect(error.isAway)
    #expect(MongoFailure("mongodb://h/d").error(error).message.hasSuffix("look whether it is up"))
  }

  @Test("a script sees no value that a failover could take back")
  func valuesOfMajority() throws {
    let address = try MongoProcess.shared(.replicaSet).freshAddress()
    let store = try MongoStore(address, options: options())
    defer { store.close() }
    try store.server.ask(["profile": 2])
    let answers = Monitor(0)
    store.keyValues.value(of: "k", in: "s", upTo: 100, at: start) { _ in answers.change { $0 += 1 } }
    store.keyValues.keys(prefix: "", in: "s", limit: 1, upTo: 100, at: start) { _ in answers.change { $0 += 1 } }
    _ = answers.wait { $0 == 2 ? true : nil }
    try store.server.ask(["profile": 0])
    let levels = try store.server.all(
      Find("system.profile", ["command.find": .text(Collections.keyValues)])
    ) { $0["command"]?.document?["readConcern"]?.document?["level"]?.text ?? "" }
    #expect(levels.filter { $0 == "majority" }.count == 2, "\(levels)")
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

  @Test("what is beyond the limits goes with its log, and the newest stays")
  func retention() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let store = try MongoStore(
      address, options: options { $0.retention.standard = Retention.Limit(runs: 10, age: nil) })
    defer { store.close() }
    for id in 1...100 {
      store.append(
        log: [RunLogLine(run: RunID(Int64(id)), job: "a", at: start, level: "info", message: "\(id)")])
      try store.commit(batch { $0.finished = [finished(Int64(id), "a")] })
    }
    var left = 100
    // Work in the background goes along with commits.
    for round in 0..<200 where left > 26 {
      try store.commit(batch { $0.clockEpoch = ClockEpoch(Int32(round + 1)) })
      left = try store.runs(RunQuery(limit: 1_000)).count
    }
    #expect(left <= 26)
    #expect(try store.runs(RunQuery(limit: 10)).map(\.id.number) == (91...100).reversed())
    #expect(try store.log(of: RunID(1), limit: 10).isEmpty)
    #expect(try store.log(of: RunID(100), limit: 10).map(\.message) == ["100"])
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

  @Test("a transaction that a host has begun and not ended keeps nobody waiting who follows it")
  func openTransaction() throws {
    let address = try MongoProcess.shared(.replicaSet).freshAddress()
    let first = try MongoStore(address, options: options())
    // The server itself would take the transaction back after a minute.
    func lifetime(_ seconds: Int64) throws {
      try first.server.withClient { (client) throws(ServerError) in
        _ = try client.run(["setParameter": 1, "transactionLifetimeLimitSeconds": .int(seconds)], on: "admin")
      }
    }
    try lifetime(3_600)
    let state = Monitor((hasBegun: false, mayEnd: false))
    let end = Monitor<Result<Void, ServerError>?>(nil)
    let frozen = try NamedThread("frozen") {
      do throws(ServerError) {
        try first.server.withClient { (client) throws(ServerError) in
          try client.transaction { (transaction) throws(ServerError) in
            let entry: BSON = ["q": ["_id": StoreState.id], "u": ["$set": ["commit": "late"]]]
            try client.run(["update": .text(Collections.meta), "updates": [entry]], in: transaction)
            state.change { $0.hasBegun = true }
            _ = state.wait { $0.mayEnd ? true : nil }
          }
        }
        end.change { $0 = .success(()) }
      } catch { end.change { $0 = .failure(error) } }
    }
    _ = state.wait { $0.hasBegun ? true : nil }
    let second = try MongoStore(address, options: options { $0.ignoresLease = true })
    try second.commit(batch { $0.finished = [finished(1, "a")] })
    state.change { $0.mayEnd = true }
    frozen.join()
    #expect(throws: ServerError.self) { try end.withLock { $0 }?.get() }
    #expect(try second.reader.state().commit != "late")
    try lifetime(60)
    second.close()
    first.close()
  }

  @Test("a host that another one has followed is told, though it writes nothing", arguments: MongoProcess.Kind.allCases)
  func fenced(kind: MongoProcess.Kind) throws {
    let address = try MongoProcess.shared(kind).freshAddress()
    let first = try MongoStore(address, options: options { $0.lease = 600_000_000 })
    defer { first.close() }
    let told = Monitor<[LeaseChange]>([])
    first.watchLease { change in told.change { $0.append(change) } }
    let second = try MongoStore(address, options: options { $0.ignoresLease = true })
    defer { second.close() }
    let loss = told.wait { changes in
      changes.lazy.compactMap { change -> String? in if case .lost(let why) = change { why } else { nil } }.first
    }
    #expect(loss?.contains("has taken this store over") == true)
  }

  @Test("a renewal that was confirmed is on the disk: a server that dies right after it has not forgotten it")
  func renewedOnDisk() throws {
    let server = try MongoProcess(.alone)
    let store = try MongoStore(server.address("jobs"), options: options { $0.lease = 600_000_000_000 })
    let lease = try #require(store.lease)
    // By a connection of its own each time: those that were there when the server died are of no use.
    func withServer<Result>(_ body: (MongoServer) throws -> Result) throws -> Result {
      let own = try MongoServer(server.address("jobs"), failure: MongoFailure(server.address("jobs")))
      defer { own.close() }
      return try body(own)
    }
    func end(_ server: MongoServer) throws -> Int64? {
      try server.first(Find(Collections.meta, ["_id": HostLease.id]))?["lease"]?.date
    }
    for minutes in 11...14 as ClosedRange<Int64> {
      let renewed = try withServer { own in
        try HostLease.renew(own, lease.epoch, minutes * 60_000, lease.held)
        return try end(own)
      }
      server.kill()
      try server.start()
      #expect(try renewed != nil && withServer(end) == renewed)
    }
    store.close()
  }

  @Test("a replica set tells who stands by that the store was given back: nobody need look")
  func told() throws {
    let address = try MongoProcess.shared(.replicaSet).freshAddress()
    // Neither the end of the lease nor a look can be the reason.
    let first = try MongoStore(address, options: options { $0.lease = 600_000_000_000 })
    let isWaiting = Monitor(false)
    let taken = Monitor<MongoStore?>(nil)
    let standby = try NamedThread("standby") {
      let store = try? MongoStore(
        address,
        options: options { edit in
          edit.look = 600_000_000_000
          edit.standsBy = { _ in isWaiting.change { $0 = true } }
        })
      taken.change { $0 = store }
    }
    _ = isWaiting.wait { $0 ? true : nil }
    first.close()
    let second = taken.wait(until: monotonicNow() + 15_000_000_000) { $0 }
    #expect(second != nil)
    guard let second else { return standby.abandon() }
    standby.join()
    second.close()
  }

  @Test("who stands by has the store when it is given back, and says once that it waits")
  func standby() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let first = try MongoStore(address, options: options())
    let said = Monitor<[String]>([])
    let second = Monitor<MongoStore?>(nil)
    let waiter = try NamedThread("stands-by") {
      let store = try? MongoStore(
        address, options: options { edit in edit.standsBy = { why in said.change { $0.append(why) } } })
      second.change { $0 = store }
    }
    _ = said.wait { $0.first }
    #expect(first.isHosted)
    first.close()
    waiter.join()
    let store = try #require(second.withLock { $0 })
    #expect(said.withLock { $0.count } == 1 && said.withLock { $0[0] }.contains("another host has it (process "))
    try store.commit(batch { $0.finished = [finished(1, "a")] })
    store.close()
  }

  @Test("a store that must be there is not made where there is none")
  func misspelt() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    for mode in [StoreAccess.transfer, .reader] {
      do {
        try MongoStore(address, mode: mode, options: options { $0.mustExist = true }).close()
        Issue.record("there is a store")
      } catch { #expect(error.code == .absent) }
    }
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let list = try server.ask(["listCollections": 1])
    #expect(list["cursor"]?.document?["firstBatch"]?.array?.isEmpty == true)
  }

  @Test("a store that was cut off while it was cleared is cleared again")
  func cutClear() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    try MongoStore(address, mode: .transfer, options: options()).close()
    // As it is between the first word and the last one.
    let server = try MongoServer(address, failure: MongoFailure(address))
    let store = try MongoStore(address, mode: .transfer, options: options())
    try store.clear(mark: "x\nruns")
    #expect(try store.transferMark() == "x\nruns")
    try server.ask(["drop": .text(Collections.external)])
    try server.ask(["create": .text(Collections.external), "viewOn": .text(Collections.runs)])
    #expect(throws: StoreError.self) { try store.clear(mark: "y\nruns") }
    #expect(try store.transferMark() == "being cleared", "no migration goes on from here")
    store.close()
    server.close()
  }

  @Test(
    "10,000 addresses that somebody has written badly: neither the text nor what libmongoc says has any of the password"
  )
  func addresses() {
    var random = SeededGenerator(19)
    for _ in 0..<10_000 {
      let signs = ["/", "?", "@", "%", ":", "&", "=", "#", "%zz", "%2", "%00", "\u{301}", "é", "?password=", "&x="]
      var parts: [String] = []
      var password = ""
      for number in 0...random.below(4) {
        parts.append("qz\(number)x\(random.below(1_000))w")
        password += (random.chance(70) ? random.pick(signs) : "") + parts[number]
        if random.chance(50) { password += random.pick(signs) }
      }
      let place = random.pick(["", "db.invalid", "db.invalid:27017", "%2Fnowhere.sock", "[::1]", "a,b"])
      let path = random.pick(["", "/", "/jobs", "/jobs?tls=true", "/?replicaSet=a&x=b", "?w=1"])
      let address = "mongodb://" + random.pick(["ann", "", "a.b"]) + ":\(password)@" + place + path
      let failure = MongoFailure(address)
      var said = [failure.location]
      // Makes a pool, and asks no server.
      do throws(StoreError) { try MongoServer(address, failure: failure).close() } catch { said.append(error.message) }
      for part in parts { #expect(!said.contains { $0.contains(part) }, "\(address.debugDescription): \(said)") }
    }
  }

  @Test(
    "an orphan is forgotten with its parked run and its steps, unless a host is up that will go on with it",
    arguments: MongoProcess.Kind.allCases)
  func forgetting(kind: MongoProcess.Kind) throws {
    let address = try MongoProcess.shared(kind).freshAddress()
    let host = try MongoStore(address, options: options())
    var record = schedule("a")
    record.orphanedAt = start
    var parked = claim(1, "a")
    (parked.claimedAt, parked.startedAt) = (nil, start)
    parked.park = RunPark(position: 1, until: nil, event: "go")
    let step = RunStep(run: RunID(1), position: 1, kind: .wait, name: "go", attempt: 1, startedAt: start)
    try host.commit(
      batch {
        $0.schedules = [record]
        $0.waiting = [parked]
        $0.steps = [.put(step)]
      })
    let beside = try MongoStore(address, mode: .alongside, options: options())
    #expect(try beside.forget("a") == .underWay(RunID(1)))
    host.close()
    #expect(try beside.forget("a") == .forgotten)
    #expect(try beside.steps(of: RunID(1)).isEmpty && beside.openRuns().isEmpty && beside.schedules().isEmpty)
    beside.close()
  }

  @Test("many threads read long answers at once")
  func cursors() throws {
    let kept = options { $0.retention.standard = Retention.Limit(runs: nil, age: nil) }
    let store = try MongoStore(MongoProcess.shared(.alone).freshAddress(), options: kept)
    defer { store.close() }
    for first in stride(from: 1, through: 2_000, by: 500) {
      try store.commit(batch { $0.finished = (first..<first + 500).map { finished(Int64($0), "a") } })
    }
    let counts = Mutex<[Int]>([])
    Threads.run(6) { _ in
      for _ in 0..<3 {
        let count = (try? store.runs(RunQuery(limit: 5_000)).count) ?? -1
        counts.withLock { $0.append(count) }
      }
    }
    #expect(Set(counts.withLock { $0 }) == [2_000])
  }

  @Test("no server, no database, no user: one sentence, without the password")
  func unreachable() throws {
    do {
      _ = try MongoStore("mongodb://ann:secret@%2Fnowhere%2Fm.sock/jobs?serverSelectionTimeoutMS=200")
      Issue.record("a store without a server")
    } catch {
      #expect(error.message.contains("mongodb://%2Fnowhere%2Fm.sock/jobs: the server does not answer"), "\(error)")
      #expect(!error.message.contains("secret"))
    }
    do {
      _ = try MongoStore("mongodb://ann:se%cret@host:port/jobs")
      Issue.record("a store without an address")
    } catch { #expect(error.code == .unsupported && !error.message.contains("cret"), "\(error)") }
  }
}

import Basics
import Chronology
import Foundation
import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("Which host has a MongoDB store", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoLeaseTests {
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

  @Test("a lease that is waited for is another host's, a dead predecessor's, or a migration's")
  func awaited() {
    let me = Holder(now: start)
    func isTakeover(_ documents: BSONDocument...) -> Bool {
      var awaited = AwaitedLease(me: me)
      for document in documents { awaited.saw(document) }
      return awaited.isOthers
    }
    func lease(_ epoch: Int64, until end: Int64?, host: String, space: String, moves: Bool = false) -> BSONDocument {
      var holder = me
      (holder.host, holder.place.space) = (host, space)
      var document = BSONDocument(fields: holder.fields)
      document.add("epoch", epoch)
      document.add("lease", end.map { .date($0) })
      document.add("moves", .bool(moves))
      return document
    }
    let dead = lease(1, until: 10, host: me.host, space: "the machine before it was started again")
    #expect(!isTakeover(dead, dead))
    #expect(isTakeover(lease(1, until: 10, host: "db2", space: "elsewhere")))
    let own = lease(1, until: 10, host: me.host, space: me.place.space)
    #expect(!isTakeover(own), "this process, before it began anew")
    // The dead do nothing.
    let same = "a container of the same name"
    #expect(isTakeover(dead, lease(1, until: 11, host: me.host, space: same)))
    #expect(isTakeover(dead, lease(1, until: nil, host: me.host, space: same)))
    #expect(isTakeover(dead, lease(2, until: 10, host: me.host, space: same)), "somebody was quicker")
    #expect(!isTakeover(lease(1, until: 10, host: "db2", space: "elsewhere", moves: true)))
    #expect(
      isTakeover(
        lease(1, until: 10, host: "db2", space: "elsewhere", moves: true),
        lease(2, until: 10, host: "db2", space: "elsewhere")))
  }

  @Test(
    "who waits for another machine's lease takes over, and who waits for that of a dead process of its own does not",
    arguments: [(ProcessPlace.machine, false), ("elsewhere", true)])
  func takeover(host: String, isTakeover: Bool) throws {
    // A lease may be over before anybody looks at it: then a longer one is tried.
    for milliseconds in [300, 3_000, 30_000] as [Int64] {
      let address = try MongoProcess.shared(.alone).freshAddress()
      let first = try MongoStore(address, options: options())
      #expect(try !first.load().isTakeover)
      first.close()
      let left: BSON = ["$add": ["$$NOW", .int(milliseconds)]]
      let fields: BSON = ["lease": left, "place": "another start of a machine", "host": .text(host)]
      let server = try MongoServer(address, failure: MongoFailure(address))
      defer { server.close() }
      try server.ask(
        ["update": .text(Collections.meta), "updates": [["q": ["_id": HostLease.id], "u": [["$set": fields]]]]])
      let said = Monitor(0)
      let second = try MongoStore(address, options: options { $0.standsBy = { _ in said.change { $0 += 1 } } })
      defer { second.close() }
      guard said.withLock({ $0 }) == 1 else { continue }
      #expect(try second.load().isTakeover == isTakeover)
      return
    }
    Issue.record("no host has waited for the lease")
  }
}

import Glibc
import JobModel
import JobStores
import MoondialTesting
import Testing

@Suite("One host schedules from a store")
struct SchedulingLockTests {
  @Test("a second host is refused, and told who holds the store")
  func refusesASecondHost() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let first = try SQLiteStore(path, options: options())
    defer { first.close() }
    let error = #expect(throws: StoreError.self) { try SQLiteStore(path, options: options()) }
    #expect(error?.code == .locked)
    #expect(error?.message.contains("process \(getpid()) on ") == true)
    #expect(error?.message.contains("since 2026-01-01T00:00:00Z") == true)
  }

  @Test("readers, and a run beside the host, need no lock")
  func lockIsForScheduling() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let host = try SQLiteStore(path, options: options())
    defer { host.close() }
    try host.commit(batch { $0.finished = [finished(1, "a")] })
    for mode in [SQLiteStore.Mode.reader, .beside] {
      let other = try SQLiteStore(path, mode: mode, options: options())
      #expect(try other.runs(RunQuery()) == [finished(1, "a")])
      other.close()
    }
  }

  @Test("closing gives it back")
  func closingReleases() throws {
    let directory = try TemporaryDirectory()
    for _ in 0..<3 { try SQLiteStore(directory.path("moondial.db"), options: options()).close() }
  }

  @Test("a host that was killed holds nothing, and what it committed is there")
  func killedHost() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let store = try SQLiteStore(path, options: options())
      try store.commit(
        batch {
          $0.claims = [claim(1, "a")]
          $0.finished = [finished(2, "a")]
        })
      kill(getpid(), SIGKILL)
    }
    let store = try SQLiteStore(path, options: options())
    defer { store.close() }
    #expect(try store.load().unfinished == [claim(1, "a")])
    #expect(try store.runs(RunQuery(outcomes: [.succeeded])) == [finished(2, "a")])
  }

  @Test("runs beside a host get ids that the host never uses, and no host ends them")
  func visitors() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let host = try SQLiteStore(path, options: options())
    try host.commit(batch { $0.claims = [claim(1, "a")] })
    var ids: Set<RunID> = []
    for _ in 0..<3 {
      let visitor = try SQLiteStore(path, mode: .beside, options: options())
      for _ in 0..<3 {
        let id = try visitor.load().nextRunID
        #expect(ids.insert(id).inserted)
        var run = claim(id.number, "a")
        try visitor.commit(batch { $0.claims = [run] })
        if ids.count % 2 == 0 {
          run.outcome = .succeeded
          try visitor.commit(batch { $0.finished = [run] })
        }
      }
      visitor.close()
    }
    #expect(try host.runs(RunQuery(job: "a")).count == 10)
    host.close()
    let next = try SQLiteStore(path, options: options())
    defer { next.close() }
    #expect(try next.load().nextRunID == RunID(2))
    #expect(try next.load().unfinished.map(\.id) == [RunID(1)])
  }
}

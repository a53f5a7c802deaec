import Glibc
import JobModel
import MoondialTesting
import SQLiteStore
import Testing
import TestSupport

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
    for mode in [StoreAccess.reader, .alongside] {
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

  @Test("a run beside a host gets an id that nobody else gets, and a host never touches it while its process lives")
  func externalRuns() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    var host = try SQLiteStore(path, options: options())
    try host.commit(batch { $0.claims = [claim(1, "a")] })
    var ids: Set<RunID> = [RunID(1)]
    let living = try SQLiteStore(path, mode: .alongside, options: options())
    let dying = try SQLiteStore(path, mode: .alongside, options: options())
    var open: [RunID] = []
    for external in [living, dying, living, dying] {
      let id = try external.externalRunID()
      #expect(ids.insert(id).inserted && id.isForExternalRuns)
      try external.commit(batch { $0.claims = [claim(id.number, "a")] })
      if ids.count <= 3 {
        open.append(id)
      } else {
        try external.commit(batch { $0.finished = [finished(id.number, "a")] })
      }
    }
    #expect(try host.runs(RunQuery(job: "a")).count == 5)
    dying.close()
    host.close()
    host = try SQLiteStore(path, options: options())
    #expect(try host.load().nextRunID.number == ids.map(\.number).max()! + 1)
    #expect(try host.load().unfinished.map(\.id) == [RunID(1), open[1]], "its own, and the one whose process is gone")
    living.close()
    #expect(try host.load().unfinished.map(\.id) == [RunID(1)] + open)
    host.close()
  }

  @Test("with no host up, a run takes the next id, and a host that starts goes on after it")
  func lonelyExternalRun() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let external = try SQLiteStore(path, mode: .alongside, options: options())
    #expect(try external.externalRunID() == RunID(1))
    #expect(try external.externalRunID() == RunID(2))
    try external.commit(batch { $0.claims = [claim(2, "a")] })
    let host = try SQLiteStore(path, options: options())
    #expect(try host.load().nextRunID == RunID(3))
    #expect(try host.load().unfinished.isEmpty)
    #expect(try external.externalRunID() == RunID(16), "the next of those that hosts leave out")
    try external.commit(batch { $0.finished = [finished(2, "a")] })
    #expect(try host.runs(RunQuery(job: "a")) == [finished(2, "a")])
    external.close()
    host.close()
  }
}

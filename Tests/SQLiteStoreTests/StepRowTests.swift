import JobModel
import MoondialTesting
import Testing
import TestSupport

@testable import SQLiteStore

@Suite("Steps in a store file")
struct StepRowTests {
  private func wait(_ run: Int64) -> RunStep {
    RunStep(run: RunID(run), position: 1, kind: .wait, name: "go", attempt: 1, startedAt: start)
  }

  @Test("the data of one event that a hundred parked runs get lies in the file once")
  func once() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(directory.path("moondial.db"), options: options())
    defer { store.close() }
    let data = JSONText("\"" + String(repeating: "x", count: 1 << 20) + "\"")
    try store.commit(
      batch { batch in
        batch.claims = (1...100).map { claim($0, "a") }
        batch.steps = (1...100).map { .put(wait($0)) }
      })
    try store.commit(
      batch { batch in
        batch.steps = (1...100).map {
          .end(StepEnd(run: RunID($0), position: 1, finishedAt: start, result: data))
        }
      })
    #expect(try #require(store.doctor().size).fileBytes < 4 << 20)
    for run in [1, 50, 100] { #expect(try store.steps(of: RunID(Int64(run))).map(\.result) == [data]) }
  }

  @Test("steps of a run that gave up its slot go with its row")
  func dropped() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(directory.path("moondial.db"), options: options())
    defer { store.close() }
    var waiting = claim(1, "a")
    waiting.claimedAt = nil
    try store.commit(
      batch { batch in
        batch.waiting = [waiting]
        batch.claims = [claim(2, "a")]
        batch.steps = [.put(wait(1)), .put(wait(2))]
      })
    try store.commit(batch { $0.dropped = [RunID(1)] })
    #expect(try store.steps(of: RunID(1)) == [] && store.steps(of: RunID(2)) == [wait(2)])
  }
}

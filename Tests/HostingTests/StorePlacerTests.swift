import JobModel
import SchedulerService
import Synchronization
import Testing

@testable import Hosting

@Suite("What a placer does with what it hears")
struct StorePlacerTests {
  @Test("an end stays in the store until it is durable, however often it is heard")
  func heardTwice() throws {
    let placer = try PlacerByHand()
    placer.take(.orders([placer.order(1)], executor: 0))
    placer.act()
    let key = try #require(placer.placed.first?.key)
    for _ in 0..<3 {
      placer.hear(key, .ended, PlacerByHand.success)
      placer.act()
    }
    #expect(placer.reports.map(\.kind) == [.ended])
    #expect(placer.mailbox.state.withLock { $0.settled.isEmpty })
    // What could not be written is asked about again, and not at once.
    placer.inbox.answer(StoreError(.io, "the disk is full"))
    placer.act()
    #expect(placer.inbox.waiting.withLock { $0.isEmpty })
    placer.clock.advance(StorePlacerState.retryPause)
    placer.act()
    placer.inbox.answer(nil)
    placer.act()
    #expect(placer.mailbox.state.withLock { $0.settled } == [key])
    #expect(placer.state.awaitingDurable.isEmpty)
  }

  @Test("a run whose end was asked for ends when its member declines it: it begins nowhere else")
  func declinedAfterCancel() throws {
    let placer = try PlacerByHand()
    placer.take(.orders([placer.order(1)], executor: 0))
    placer.act()
    let key = try #require(placer.placed.first?.key)
    placer.take(.cancel(RunToken(slot: 1, use: 1), executor: 0))
    placer.act()
    placer.hear(key, .declined, PlacedRefusal(why: "is still loading its scripts").bytes)
    placer.act()
    #expect(placer.reports.map(\.kind) == [.ended] && placer.reports.map(\.outcome) == [.cancelled])
    #expect(placer.state.held.isEmpty && placer.placed.count == 1)
  }

  @Test("a placement whose answer was lost is found again, also when nobody knows its member any more")
  func lostAnswer() throws {
    let placer = try PlacerByHand()
    placer.mailbox.state.withLock { $0.losesAnswer = true }
    placer.take(.orders([placer.order(1)], executor: 0))
    placer.act()
    let key = try #require(placer.placed.first?.key)
    placer.join("third")
    placer.act()
    #expect(placer.placed.map(\.key) == [key], "it was placed twice")
    placer.hear(key, .ended, PlacerByHand.success)
    placer.act()
    #expect(placer.reports.map(\.outcome) == [.succeeded])
  }

  @Test("a refusal holds for the files by which it was made, not for those that the leader has heard of meanwhile")
  func refusalOfOldFiles() throws {
    let placer = try PlacerByHand()
    placer.take(.orders([placer.order(1)], executor: 0))
    placer.act()
    let first = try #require(placer.placed.first?.key)
    // The member has reloaded, and its beat overtakes what it said before that.
    placer.join("second", scripts: "new files")
    placer.hear(first, .declined, PlacedRefusal(why: "has another version of the job", scripts: "files").bytes)
    placer.act()
    #expect(placer.placed.count == 1)
    placer.join("second", scripts: "new files")
    placer.act()
    #expect(placer.placed.count == 2, "it is not asked again")
    let second = try #require(placer.placed.first { $0.key != first }?.key)
    placer.hear(second, .declined, PlacedRefusal(why: "has another version of the job", scripts: "new files").bytes)
    placer.clock.advance(3_600_000_000_000)
    placer.join("second", scripts: "new files")
    placer.act()
    #expect(placer.placed.count == 2, "it is asked again for nothing")
  }

  @Test("a run that waits for room says so, until a host has it")
  func waitsForRoom() throws {
    let placer = try PlacerByHand()
    placer.take(.orders((1...5).map(placer.order), executor: 0))
    placer.act()
    let words = placer.state.takeNewWords()
    #expect((1...4).allSatisfy { words[RunID($0)]??.node == "second" })
    #expect(words[RunID(5)]??.words == "it waits for a free worker of a host that may run it")
    let key = try #require(placer.placed.first { $0.run == RunID(1) }?.key)
    placer.hear(key, .ended, PlacerByHand.success)
    placer.act()
    #expect(placer.state.takeNewWords()[RunID(5)]??.words == "on host second")
  }

  @Test("what is known of members, jobs and runs goes with them; ten thousand runs wait at the cost of one")
  func bounds() throws {
    let placer = try PlacerByHand()
    placer.take(.orders((1...10_000).map(placer.order), executor: 0))
    placer.act()
    #expect(placer.state.away.count == 4 && placer.state.held.count == 9_996)
    for run in placer.placed {
      placer.take(
        .heard([
          PlacementReport(
            key: run.key, run: run.run, node: "second", state: .declined,
            message: PlacedRefusal(why: "does not declare the job", scripts: "files").bytes)
        ]))
    }
    placer.act()
    #expect(placer.state.refusals.count == 1 && placer.state.held.count == 10_000)
    let words = placer.state.takeNewWords()
    #expect(words.count == 10_000 && words[RunID(9)]??.words.contains("second does not declare the job") == true)
    #expect(placer.state.takeNewWords().isEmpty)
    placer.join()
    placer.act()
    #expect(placer.state.refusals.isEmpty && placer.state.loads.isEmpty)
    for number in 1...10_000 { placer.take(.cancel(RunToken(slot: number, use: 1), executor: 0)) }
    #expect(placer.reports.count == 10_000 && placer.state.held.isEmpty)
    #expect(placer.state.takeNewWords().values.allSatisfy { $0 == nil })
  }
}

import Basics
import Chronology
import JobModel
import SchedulerService
import Synchronization
import Testing

@testable import Hosting

@Suite("What a host waits for before it leads")
struct PlacementTakeoverTests {
  private static let second: Int64 = 1_000_000_000

  private func placement(
    _ number: Int64, on node: String, _ state: PlacementReport.State = .started, isClaimed: Bool = false
  ) -> PlacementReport {
    var report = PlacementReport(
      key: PlacementKey(epoch: 1, number: number), run: RunID(number), node: node, state: state)
    report.isClaimed = isClaimed
    return report
  }

  private func member(_ name: String, left seconds: Int64) -> StoreMember {
    StoreMember(
      identity: MemberIdentity(name: name, life: name, version: "0.1.0"), since: Instant(nanoseconds: 0),
      left: seconds * Self.second)
  }

  @Test("for runs that nobody may adopt, until they have ended; not for those that are claimed")
  func ends() {
    let found = [
      placement(1, on: "a"), placement(2, on: "b", .ended), placement(3, on: "a", isClaimed: true),
    ]
    var takeover = PlacementTakeover(found, members: [member("a", left: 15)], now: 0)
    #expect(takeover.open == [PlacementKey(epoch: 1, number: 1)])
    #expect(takeover.all.map(\.number) == [1, 2])
    let isOver = takeover.look(found, now: Self.second)
    #expect(!isOver)
    let ended = takeover.look([placement(1, on: "a", .ended)], now: 2 * Self.second)
    #expect(ended && takeover.open.isEmpty)
  }

  @Test("for as long as a member that does not answer may still run them: its lease, and then what ends them")
  func longLease() {
    let found = [placement(1, on: "slow")]
    let members = [member("quick", left: 4_000), member("slow", left: 600)]
    var takeover = PlacementTakeover(found, members: members, now: 0)
    let early = takeover.look(found, now: 629 * Self.second)
    #expect(!early, "its lease has ended, and it may not have been given up yet")
    let late = takeover.look(found, now: 630 * Self.second)
    #expect(late && takeover.open.count == 1, "one that cannot be stopped is given up")
  }

  @Test("for nothing, when nothing was placed")
  func nothing() {
    var takeover = PlacementTakeover([], members: [], now: 0)
    let isOver = takeover.look([], now: 0)
    #expect(isOver)
  }

  @Test("a host that is told to end while it takes over waits no longer for other hosts, and settles nothing")
  func endsWhileTakingOver() throws {
    let mailbox = AskedMailbox()
    let looks = Monitor(0)
    let left = placement(1, on: "second")
    let source = PlacementSource(
      epoch: { 2 },
      placements: {
        looks.change { $0 += 1 }
        return [left]
      }, members: { [] }, open: { _ in mailbox })
    let dispatcher = PlacementDispatcher(name: "first", labels: [])
    let placer = dispatcher.place(
      "default", source, HeldInbox(), clock: SystemWallClock(), scripts: { "" }, declared: { _ in nil }, log: TestLog())
    let answer = Monitor<Bool?>(nil)
    let thread = try NamedThread("takes-over") {
      let isTaken = try? placer.takeOver()
      answer.change { $0 = .some(isTaken ?? true) }
    }
    defer { thread.join() }
    #expect(looks.wait(until: monotonicNow() + 20_000_000_000) { $0 > 1 ? true : nil } == true)
    dispatcher.hostEnds()
    #expect(answer.wait(until: monotonicNow() + 20_000_000_000) { $0 } == false)
    #expect(mailbox.state.withLock { $0.isClosed && $0.settled.isEmpty && $0.cancelled == [left.key] })
    dispatcher.stop()
  }

  /// A placer that has taken over a claimed run of another host, whose job is not declared here.
  private func withoutItsJob() throws -> (placer: PlacerByHand, run: PlacementKey) {
    let placer = try PlacerByHand()
    _ = try placer.state.openMailbox { _ in }
    let key = PlacementKey(epoch: 6, number: 1)
    var report = PlacementReport(key: key, run: RunID(1), node: "second", state: .placed, startedAt: nil, message: [])
    report.isClaimed = true
    placer.state.adopt([report])
    placer.take(.startIsComplete)
    placer.act()
    return (placer, key)
  }

  @Test("what is claimed and nobody asks for is told to end, and listened for until it has")
  func abandoned() throws {
    let (placer, key) = try withoutItsJob()
    #expect(placer.mailbox.state.withLock { $0.cancelled == [key] && $0.settled.isEmpty && $0.isAwaiting })
    // Its host is another life by now, and was given up.
    placer.hear(key, .lost)
    placer.act()
    // The scheduler was told, which ends its row; until that is on disk, it may be heard of again.
    #expect(placer.mailbox.state.withLock { $0.settled.isEmpty && !$0.isAwaiting })
    placer.hear(key, .lost)
    placer.inbox.answer(nil)
    placer.act()
    #expect(placer.mailbox.state.withLock { $0.settled == [key] })
  }

  @Test("a run that is over elsewhere, its job declared before that is recorded, ends once and runs no more")
  func declaredAtItsEnd() throws {
    let (placer, key) = try withoutItsJob()
    placer.hear(key, .ended, PlacerByHand.success)
    placer.take(.orders([placer.order(1)], executor: 0))
    #expect(placer.reports.map(\.outcome) == [.succeeded] && placer.state.held.isEmpty)
    placer.act()
    #expect(placer.placed.isEmpty && placer.inner.orders.withLock { $0.isEmpty })
    placer.inbox.answer(nil)
    placer.act()
    #expect(placer.mailbox.state.withLock { $0.settled == [key] })
    #expect(placer.state.leaving.isEmpty && placer.state.awaitingDurable.isEmpty && placer.reports.count == 1)
  }

  @Test("what is claimed, and was told to end, is the job's own again when that is declared")
  func declaredMeanwhile() throws {
    let (placer, key) = try withoutItsJob()
    placer.take(.orders([placer.order(1)], executor: 0))
    placer.act()
    #expect(placer.state.abandoned.isEmpty && placer.state.away[key]?.mustEnd == true)
    placer.hear(key, .ended, PlacerByHand.success)
    #expect(placer.reports.map(\.outcome) == [.succeeded])
  }
}

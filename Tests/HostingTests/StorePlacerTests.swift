import Basics
import Chronology
import JobModel
import SchedulerService
import Scheduling
import ScriptLoading
import Synchronization
import TestSupport
import Testing

@testable import Hosting

/// What a placer asks of its store; answers as it is told to.
final class AskedMailbox: RunMailbox {
  struct State {
    var placed: [PlacementKey: RunPlacement] = [:]
    var cancelled: [PlacementKey] = []
    var settled: [PlacementKey] = []
    var isClosed = false
    /// The next placing is done, and its answer lost.
    var losesAnswer = false
    /// Lives of members by name.
    var lives: [String: String] = [:]
  }
  let state = Mutex(State())

  func place(_ runs: [RunPlacement]) throws(StoreError) -> Set<PlacementKey> {
    let placed = state.withLock { state -> Set<PlacementKey>? in
      for run in runs where state.placed[run.key] == nil && state.lives[run.node] == run.life {
        state.placed[run.key] = run
      }
      defer { state.losesAnswer = false }
      return state.losesAnswer ? nil : Set(runs.map(\.key)).intersection(state.placed.keys)
    }
    guard let placed else { throw StoreError(.io, "the answer was lost") }
    return placed
  }
  func cancel(_ keys: [PlacementKey]) { state.withLock { $0.cancelled += keys } }
  func settle(_ keys: [PlacementKey]) { state.withLock { $0.settled += keys } }
  func isAwaiting(_ isAwaiting: Bool) {}
  func close() { state.withLock { $0.isClosed = true } }
}

/// Says that something is durable when it is told to.
final class HeldInbox: SchedulerInbox {
  let waiting = Mutex<[@Sendable (StoreError?) -> Void]>([])
  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    if let whenDurable { waiting.withLock { $0.append(whenDurable) } }
  }
  func answer(_ error: StoreError?) {
    let all = waiting.withLock { waiting in
      defer { waiting = [] }
      return waiting
    }
    for one in all { one(error) }
  }
}

/// Runs nothing, and keeps what it is given.
private final class KeepingExecutor: JobExecutor {
  let orders = Mutex<[RunOrder]>([])
  var workers: Int { 2 }
  func start(reportingTo sink: any RunReportSink) {}
  func submit(_ orders: [RunOrder]) { self.orders.withLock { $0 += orders } }
  func cancel(_ token: RunToken) {}
  func stop() {}
}

private final class KeepingSink: RunReportSink {
  let reports = Mutex<[RunReport]>([])
  func report(_ reports: [RunReport]) { self.reports.withLock { $0 += reports } }
}

/// A placer's state, turned by hand: one leader, "first", and one member with the label that jobs ask for.
private final class PlacerByHand {
  let mailbox = AskedMailbox()
  let inbox = HeldInbox()
  let sink = KeepingSink()
  let inner = KeepingExecutor()
  let executor: PlacingExecutor
  let posted = Monitor<[StorePlacer.Message]>([])
  let clock = TimeSource()
  let definition: JobDefinition
  var state: StorePlacerState

  init() throws {
    let host = try ControlledHost([
      "a.lua": "job \"it\" { on = 'go', run = function() print('x') end }"
    ])
    // Only for its definition. In a store of one host a job that asks for a label would be an error of its script.
    defer { host.stop() }
    var labelled = try #require(host.assembly.operations.parts.scripts.current?.job(named: "it"))
    labelled.onNodes = ["gpu"]
    definition = labelled
    let dispatcher = PlacementDispatcher(name: "first", labels: [])
    executor = PlacingExecutor("default", inner, number: 0, dispatcher)
    dispatcher.use([executor])
    executor.start(reportingTo: sink)
    let (mailbox, clock) = (mailbox, clock)
    state = StorePlacerState(
      "default",
      PlacementSource(epoch: { 7 }, placements: { [] }, members: { [] }, open: { _ in mailbox }), dispatcher, inbox,
      clock: SystemWallClock(), monotonic: { clock.now }, scripts: { "files" }, activate: {})
    join("second")
  }
  final class TimeSource: Sendable {
    private let value = Atomic<Int64>(1)
    var now: Int64 { value.load(ordering: .relaxed) }
    func advance(_ nanoseconds: Int64) { value.add(nanoseconds, ordering: .relaxed) }
  }

  func member(_ name: String, scripts: String = "files") -> StoreMember {
    var identity = MemberIdentity(
      name: name, life: "life of \(name)", version: "0.1.0", labels: ["gpu"],
      executors: [.init(name: "default", workers: 4)])
    identity.machine = "m"
    var member = StoreMember(identity: identity, since: Instant(nanoseconds: 0), left: 1_000_000_000)
    member.takesRuns = true
    member.report.scripts = scripts
    return member
  }

  func join(_ names: String..., scripts: String = "files") {
    mailbox.state.withLock { $0.lives = Dictionary(uniqueKeysWithValues: names.map { ($0, "life of \($0)") }) }
    take(.members(names.map { member($0, scripts: scripts) }))
  }

  func order(_ number: Int) -> RunOrder {
    RunOrder(
      token: RunToken(slot: number, use: 1), id: RunID(Int64(number)), job: JobEntry(definition), attempt: 1,
      scheduledAt: Instant(nanoseconds: 0))
  }

  func take(_ message: StorePlacer.Message) {
    let posted = posted
    state.take(message) { one in posted.withLock { $0.append(one) } }
  }

  /// Hands over what was posted to itself, then acts.
  func act() {
    let messages = posted.withLock { posted in
      defer { posted = [] }
      return posted
    }
    for message in messages { take(message) }
    let posted = posted
    state.act { one in posted.withLock { $0.append(one) } }
  }

  var placed: [RunPlacement] { mailbox.state.withLock { Array($0.placed.values) } }

  func hear(_ key: PlacementKey, _ state: PlacementReport.State, _ message: [UInt8] = []) {
    take(
      .heard([
        PlacementReport(
          key: key, run: RunID(1), node: "second", state: state, startedAt: Instant(nanoseconds: 5), message: message)
      ]))
  }

  static let success = PlacedEnding.bytes(
    RunReport(token: RunToken(slot: 0, use: 0), kind: .ended, startedAt: Instant(nanoseconds: 5)))
  var reports: [RunReport] { sink.reports.withLock { $0 } }
}

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

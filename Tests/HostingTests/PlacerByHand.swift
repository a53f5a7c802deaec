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
    var isAwaiting = false
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
  func isAwaiting(_ isAwaiting: Bool) { state.withLock { $0.isAwaiting = isAwaiting } }
  func close() { state.withLock { $0.isClosed = true } }
}

/// Says that something is durable when it is told to.
final class HeldInbox: SchedulerInbox {
  let waiting = Mutex<[@Sendable (StoreError?) -> Void]>([])
  /// What the scheduler was asked, without waiting for an answer.
  let asked = Mutex(0)
  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    if let whenDurable { waiting.withLock { $0.append(whenDurable) } } else { asked.withLock { $0 += 1 } }
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
final class KeepingExecutor: JobExecutor {
  let orders = Mutex<[RunOrder]>([])
  var workers: Int { 2 }
  func start(reportingTo sink: any RunReportSink) {}
  func submit(_ orders: [RunOrder]) { self.orders.withLock { $0 += orders } }
  func cancel(_ token: RunToken) {}
  func stop() {}
}

final class KeepingSink: RunReportSink {
  let reports = Mutex<[RunReport]>([])
  func report(_ reports: [RunReport]) { self.reports.withLock { $0 += reports } }
}

/// A placer's state, turned by hand: one leader, "first", and one member with the label that jobs ask for.
final class PlacerByHand {
  let mailbox = AskedMailbox()
  let inbox = HeldInbox()
  let sink = KeepingSink()
  let inner = KeepingExecutor()
  let executor: PlacingExecutor
  let posted = Monitor<[StorePlacer.Message]>([])
  let clock = TimeSource()
  let definition: JobDefinition
  /// The job as this host declares it.
  let newest: Newest
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
    newest = Newest(labelled)
    let (mailbox, clock, newest) = (mailbox, clock, newest)
    state = StorePlacerState(
      "default",
      PlacementSource(epoch: { 7 }, placements: { [] }, members: { [] }, open: { _ in mailbox }), dispatcher, inbox,
      clock: SystemWallClock(), monotonic: { clock.now }, scripts: { "files" },
      declared: { _ in newest.definition.withLock { $0 } }, activate: {})
    join("second")
  }
  final class Newest: Sendable {
    let definition: Mutex<JobDefinition>
    init(_ definition: JobDefinition) { self.definition = Mutex(definition) }
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

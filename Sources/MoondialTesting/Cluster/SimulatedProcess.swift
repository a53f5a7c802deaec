internal import Basics
internal import Chronology
internal import Hosting
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Synchronization

/// One process of a simulated host that shares its store: what it runs itself and for others, until it ends.
final class SimulatedProcess {
  let executor: SimulatedExecutor
  let placement: SteppedPlacement
  let station: SimulatedStation?
  let name: String
  let life: Int
  private let model: SharedModel
  private let files = Files()
  /// What it has at the moment.
  private final class Files: Sendable {
    let jobs = Mutex<[String: JobDefinition]>([:])
    let scripts = Mutex("")
  }

  init(
    _ model: SharedModel, _ name: String, life: Int, labels: [String], clock: SimulatedClock, seed: UInt64,
    groups: [String: GroupLimit], rates: RateWitness, steps: StepWitness, starts: StartWitness
  ) {
    self.model = model
    self.name = name
    self.life = life
    executor = SimulatedExecutor(
      clock: clock, seed: seed, store: model.contents, groups: groups, rates: rates, witness: steps, starts: starts,
      workers: SharedModel.workers)
    placement = SteppedPlacement(
      node: name, labels: labels, executor: executor, clock: clock,
      monotonic: { clock.monotonic.now.nanoseconds }, log: SilentLog(clock))
    let membership = SimulatedMembership(model, name, life: life)
    do throws(StoreError) { try placement.open(membership) } catch {
      preconditionFailure("the model refuses a member: \(error)")
    }
    station = membership.station
    if let station {
      executor.use(
        store: station.store,
        StoreRunKeeper(
          store: station.store, name: "default", inbox: nil, clock: clock, pool: .inline(), doubts: CommitDoubts()))
    }
  }

  /// It has other files.
  func use(_ jobs: [JobDefinition], scripts: String) {
    files.jobs.withLock { $0 = Dictionary(jobs.map { ($0.name, $0) }) { $1 } }
    files.scripts.withLock { $0 = scripts }
    placement.use(jobs, scripts: scripts)
  }

  /// Begins to take over what leaders before it have placed.
  func lead(_ view: SharedModelView, _ inbox: any SchedulerInbox) throws(StoreError) {
    let files = files
    let model = model
    let opened = Opened()
    try placement.lead(
      PlacementSource(
        epoch: { view.epoch }, placements: { () throws(StoreError) in try view.ask { model.placements } },
        members: { () throws(StoreError) in try view.ask { model.list } },
        open: { heard in
          let made = SimulatedMailbox(model, view, heard)
          opened.mailbox.withLock { $0 = made }
          return made
        }), inbox, scripts: { files.scripts.withLock { $0 } }, declared: { name in files.jobs.withLock { $0[name] } })
    self.opened = opened
  }
  private var opened: Opened?
  private final class Opened: Sendable { let mailbox = Mutex<SimulatedMailbox?>(nil) }

  /// What members have said arrives.
  func hear() {
    heard = model.reports
    opened?.mailbox.withLock { $0 }?.look()
  }
  private var heard = -1
  /// Whether members have said something since it heard last.
  var hasNews: Bool { heard != model.reports }

  /// Nothing of it happens any more.
  func end() { executor.stop() }
}

/// Where a scheduler that is not there yet will be.
final class LateInbox: SchedulerInbox {
  private let inbox = Mutex<(any SchedulerInbox)?>(nil)
  func use(_ inbox: any SchedulerInbox) { self.inbox.withLock { $0 = inbox } }
  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    inbox.withLock { $0 }?.post(whenDurable: whenDurable, body)
  }
}

private final class SilentLog: HostLog {
  private let clock: SimulatedClock
  init(_ clock: SimulatedClock) { self.clock = clock }
  var now: Instant { clock.now }
  var threshold: LogLevel { .error }
  func write(_ line: LogLine) {}
}

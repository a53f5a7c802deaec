internal import Basics
internal import JobModel
internal import StoreSupport
internal import Synchronization

/// Under what a member writes what it runs for the leader. Any thread.
final class HeldFence: Sendable {
  private let state = Mutex<PostgresPlacements.FencedMember?>(nil)
  /// nil: it has none, or has lost it.
  var current: PostgresPlacements.FencedMember? { state.withLock { $0 } }
  func set(_ fence: PostgresPlacements.FencedMember?) { state.withLock { $0 = fence } }
}

/// The member's side of placements: a thread with a connection of its own, which hears at once what was placed.
///
/// Threading: any thread.
final class PostgresStation: RunStation {
  fileprivate struct State {
    var reports: [PlacementReport] = []
    var isTaking = false
    var isFenced = false
    var isClosing = false
  }

  let store: any JobStore
  private let state = Monitor(State())
  private let held: HeldLease
  private let bell: Bell
  private let thread: StoreThread
  private let watch: StoreThread

  /// - Parameter held: how long the others surely count on the member; renewed by its membership.
  init(
    _ target: PostgresTarget, _ identity: MemberIdentity, _ request: StoreRequest, _ address: StoreAddress,
    held: HeldLease, _ callbacks: StationCallbacks
  ) throws(StoreError) {
    let fence = HeldFence()
    var options = PostgresStore.Options()
    options.synchronous = request.durability
    options.threadRefused = request.threadRefused
    options.clock = request.clock
    options.fence = fence
    store = try PostgresStore(address, mode: .alongside, options: options)
    self.held = held
    bell = try Bell(target.location)
    // What became of a run is on the disk, however the store commits otherwise.
    let (state, bell, setup) = (state, bell, PostgresStore.setup(PostgresStore.Options()))
    thread = try StoreThread(name: "store-station") {
      let fenced: @Sendable (String) -> Void = { why in
        // First: it may be told at once that nothing runs any more.
        state.withLock { $0.isFenced = true }
        callbacks.changed(.fenced(why))
      }
      var serving = Serving(target, setup: setup, identity, held, fence, callbacks, bell: bell, fenced: fenced)
      while true {
        let work = state.withLock { state in
          defer { state.reports = [] }
          return state
        }
        let left = serving.serve(work)
        if !left.isEmpty { state.withLock { $0.reports = left + $0.reports } }
        if work.isClosing { return }
        serving.wait()
      }
    }
    watch = try StoreThread(name: "store-member-lease") {
      held.watch(target.location) { change in
        switch change {
        case .doubtful(let why): callbacks.changed(.doubtful(why))
        case .regained: callbacks.changed(.regained)
        case .lost: break
        }
      }
    }
  }

  func take(_ isTaking: Bool) { change { $0.isTaking = isTaking } }
  func report(_ reports: [PlacementReport]) { change { $0.reports += reports } }
  func renew() { change { $0.isFenced = false } }

  private func change(_ body: (inout State) -> Void) {
    state.withLock { body(&$0) }
    bell.ring()
  }

  func close() {
    change { $0.isClosing = true }
    thread.join()
    held.close()
    watch.join()
    store.close()
  }
}

/// What the thread of a station does.
private struct Serving: ~Copyable {
  private let target: PostgresTarget
  private let setup: String
  private let identity: MemberIdentity
  private let held: HeldLease
  private let fence: HeldFence
  private let callbacks: StationCallbacks
  private let bell: Bell
  private let fenced: @Sendable (String) -> Void
  private var connection: PostgresConnection?
  /// Placements that it was given and that are not over.
  private var known: Set<PlacementKey> = []
  /// Those of which it was told that they are to end.
  private var toldCancelled: Set<PlacementKey> = []
  private var toldTaking = false
  /// Whether an answer may have been lost since everything was looked at.
  private var isUnsure = true
  private var isFenced = false
  private var pause: Int64 = 0
  /// How long the server may take to answer. Nanoseconds.
  private let patience: Int64
  private var retry: Int64 = 0

  private static let shortestRetry: Int64 = 250_000_000
  private static let longestRetry: Int64 = 5_000_000_000
  /// Nanoseconds between two looks without a notice of anything.
  private static let slow: Int64 = 60_000_000_000

  init(
    _ target: PostgresTarget, setup: String, _ identity: MemberIdentity, _ held: HeldLease, _ fence: HeldFence,
    _ callbacks: StationCallbacks, bell: Bell, fenced: @escaping @Sendable (String) -> Void
  ) {
    self.fenced = fenced
    self.target = target
    self.setup = setup
    self.identity = identity
    self.held = held
    patience = max(1_000_000_000, held.length)
    self.fence = fence
    self.callbacks = callbacks
    self.bell = bell
  }

  /// - Returns: reports that could not be written yet.
  mutating func serve(_ work: PostgresStation.State) -> [PlacementReport] {
    var left = work.reports
    isFenced = work.isFenced
    // What it says of what it has lost counts for nothing.
    if isFenced { left = [] }
    do throws(StoreError) {
      let connection = try connected()
      if !isFenced { try begin(connection, isTaking: work.isTaking && !work.isClosing) }
      if let own = fence.current {
        if !left.isEmpty {
          _ = try connection.run(bracketed(PostgresPlacements.report(left, own), own), within: patience)
          for report in left where report.state.isOver {
            known.remove(report.key)
            toldCancelled.remove(report.key)
          }
          left = []
        }
        if !work.isClosing { try look(connection, own) }
      }
      retry = 0
      // Its membership makes its row anew, or its lease is renewed: soon.
      pause = !isFenced && (fence.current == nil || isUnsure) ? Self.shortestRetry : Self.slow
    } catch {
      isUnsure = true
      if error.code == .lost {
        giveUp(error.message)
        left = []
      } else {
        retry = min(max(Self.shortestRetry, retry * 2), Self.longestRetry)
        pause = retry
      }
    }
    return left
  }

  private func bracketed(_ steps: [PostgresStep], _ own: PostgresPlacements.FencedMember) -> [PostgresStep] {
    [PostgresStep("BEGIN"), own.proof] + steps + [PostgresStep("COMMIT")]
  }

  private mutating func connected() throws(StoreError) -> PostgresConnection {
    if let connection, !connection.isBroken { return connection }
    connection = nil
    isUnsure = true
    let made = try PostgresConnection(target, setup: setup)
    let channel = try made.ask("SELECT \(PostgresPlacements.channel(ofNode: "$1::text"))") { $0.add(identity.name) }
    _ = try made.ask("LISTEN \(channel.text(0, 0))")
    connection = made
    return made
  }

  /// Gets the member's fence when it has none, and says whether it takes runs.
  private mutating func begin(_ connection: PostgresConnection, isTaking: Bool) throws(StoreError) {
    guard fence.current == nil || isTaking != toldTaking else { return }
    let rows = try connection.run([PostgresPlacements.begin(identity, takes: isTaking)], within: patience)[0]
    toldTaking = isTaking
    guard rows.count == 1 else {
      // Its row has gone: what it had was given up, or will be. Its membership makes a new one.
      if fence.current != nil { giveUp("\(target.location): the others have given this host up for lost") }
      return
    }
    let found = PostgresPlacements.FencedMember(node: identity.name, life: identity.life, fence: rows.integer(0, 0))
    if let own = fence.current, own != found {
      return giveUp("\(target.location): the others have given this host up for lost")
    }
    fence.set(found)
  }

  private mutating func look(
    _ connection: PostgresConnection, _ own: PostgresPlacements.FencedMember
  ) throws(StoreError) {
    if !isUnsure, try connection.run([PostgresPlacements.hasNews(own)], within: patience)[0].count == 0 { return }
    let steps = [PostgresPlacements.take(own), PostgresPlacements.cancelled(own)]
    let more = isUnsure ? [PostgresPlacements.taken(own)] : []
    let answers = try connection.run(bracketed(steps + more, own), within: patience)
    isUnsure = false
    var runs = PostgresPlacements.runs(answers[2], of: identity)
    if !more.isEmpty {
      runs += PostgresPlacements.runs(answers[4], of: identity).filter { run in
        !known.contains(run.key) && !runs.contains { $0.key == run.key }
      }
    }
    known.formUnion(runs.map(\.key))
    // What was given is begun only while nobody can have given this host up for lost.
    guard held.isSure else {
      isUnsure = true
      known.subtract(runs.map(\.key))
      return
    }
    if !runs.isEmpty { callbacks.given(runs) }
    let cancelled = PostgresPlacements.keys(answers[3]).filter { toldCancelled.insert($0).inserted }
    if !cancelled.isEmpty { callbacks.cancelled(cancelled) }
  }

  private mutating func giveUp(_ why: String) {
    fence.set(nil)
    isFenced = true
    toldTaking = false
    known = []
    toldCancelled = []
    isUnsure = true
    pause = Self.slow
    fenced(why)
  }

  mutating func wait() {
    defer { bell.silence() }
    if let connection, !connection.isBroken {
      do throws(StoreError) {
        _ = try connection.awaitNotice(for: pause, orReadable: bell.descriptor)
      } catch {}
      return
    }
    bell.wait(for: pause)
  }
}

package import Chronology

// What the host that leads a shared store orders of its members, and what they report. The claim of a run is the
// leader's; who executes it is written beside it, as a placement. Every write of a leader proves its epoch, every write
// of a member the word under which it was given its runs: who has lost one or the other writes nothing any more.

/// Names a placement for ever, whoever leads.
package struct PlacementKey: Hashable, Sendable {
  /// Of the leader that made it.
  package var epoch: Int64
  package var number: Int64

  package init(epoch: Int64, number: Int64) {
    self.epoch = epoch
    self.number = number
  }
}

/// One attempt of a claimed run, for a member.
package struct RunPlacement: Sendable {
  package var key: PlacementKey
  package var run: RunID
  package var attempt: Int32
  package var job: String
  package var node: String
  /// Which life of that member.
  package var life: String
  /// What it needs to know, for the member to read.
  package var instructions: [UInt8]

  package init(
    key: PlacementKey, run: RunID, attempt: Int32, job: String, node: String, life: String, instructions: [UInt8]
  ) {
    self.key = key
    self.run = run
    self.attempt = attempt
    self.job = job
    self.node = node
    self.life = life
    self.instructions = instructions
  }
}

/// How a placement stands.
package struct PlacementReport: Sendable, Equatable {
  package enum State: String, Sendable, CaseIterable {
    /// The member has not seen it.
    case placed
    /// It has it, and nothing of it has run.
    case taken
    case started
    /// `message` says how.
    case ended
    /// The member does not run it; `message` says why.
    case declined
    /// The member has gone, or gave it up.
    case lost

    package var isOver: Bool {
      switch self {
      case .placed, .taken, .started: false
      case .ended, .declined, .lost: true
      }
    }
  }

  package var key: PlacementKey
  package var run: RunID
  package var node: String
  package var state: State
  package var startedAt: Instant?
  /// Of a member for the leader to read.
  package var message: [UInt8]
  /// Whether the run is claimed, in the attempt that was placed; told of what a new leader finds.
  package var isClaimed = true

  package init(
    key: PlacementKey, run: RunID, node: String, state: State, startedAt: Instant? = nil, message: [UInt8] = []
  ) {
    self.key = key
    self.run = run
    self.node = node
    self.state = state
    self.startedAt = startedAt
    self.message = message
  }
}

/// A shared store by which its leader has runs executed on other members.
package protocol PlacingStore: LeasedStore, SharedStore {
  /// Of the leader.
  var epoch: Int64 { get }

  /// What leaders before this one have placed and nobody has settled. A run among them that is claimed, in the attempt
  /// that was placed, is in ``StoreSnapshot/placed``. Blocks on the server.
  func placements() throws(StoreError) -> [PlacementReport]

  /// What runs have written beyond the lines with these numbers; nil: only the number of their last line, 0 for none.
  /// At most `limit` lines, of each run from its oldest. Blocks on the server.
  func lines(of runs: [RunID: Int64?], limit: Int) throws(StoreError) -> [PlacedLine]

  /// - Parameter heard: told, on a thread of the store's, how placements stand that a member has said something about;
  ///   some more than once.
  /// - Throws: when the system gives no thread.
  func openMailbox(_ heard: @escaping @Sendable ([PlacementReport]) -> Void) throws(StoreError) -> any RunMailbox
}

/// A line that a run on another host has written.
package struct PlacedLine: Sendable {
  package var run: RunID
  /// Rises within the run.
  package var number: Int64
  /// nil: it was asked for its number.
  package var line: RunLogLine?

  package init(run: RunID, number: Int64, line: RunLogLine?) {
    self.run = run
    self.number = number
    self.line = line
  }
}

/// The leader's side. Its methods block on the server, but for ``isAwaiting(_:)``; they throw `.lost` when another host
/// leads.
package protocol RunMailbox: AnyObject, Sendable {
  /// Makes placements, as far as their members live and take runs; those that are there already stay as they are.
  ///
  /// - Returns: those that are there.
  func place(_ runs: [RunPlacement]) throws(StoreError) -> Set<PlacementKey>

  /// Asks the members to end these.
  func cancel(_ keys: [PlacementKey]) throws(StoreError)

  /// What became of these is durable, or nobody needs it: they go.
  func settle(_ keys: [PlacementKey]) throws(StoreError)

  /// Whether there are placements that are not over: while there are, it looks for members that have gone.
  func isAwaiting(_ isAwaiting: Bool)

  /// Twice is fine.
  func close()
}

/// The member's side: it takes runs, and says what becomes of them.
///
/// A member is *fenced* when it was not heard of for the length of its lease: what it had is lost to others, and what
/// it says of it counts for nothing. It begins again under a new word (`renew`).
package protocol RunStation: AnyObject, Sendable {
  /// For the runs that it was given: their steps, lines and values. Writes under the member's word.
  var store: any JobStore { get }

  /// Whether the member takes runs. Never blocks.
  func take(_ isTaking: Bool)

  /// Hands over what became of placements. Never blocks; it is written in this order, as soon as the server answers.
  func report(_ reports: [PlacementReport])

  /// After it was fenced: nothing runs any more of what it had. It may be given runs again. Never blocks.
  func renew()

  /// Writes what it was told, for a second at most, and takes nothing more. Twice is fine.
  func close()
}

/// What a station hears, on threads of its own, one call at a time.
package struct StationCallbacks: Sendable {
  /// Runs that are the member's from now on, in order. The states are `taken`.
  package var given: @Sendable ([RunPlacement]) -> Void
  /// They are to end.
  package var cancelled: @Sendable ([PlacementKey]) -> Void
  package var changed: @Sendable (StationChange) -> Void

  package init(
    given: @escaping @Sendable ([RunPlacement]) -> Void, cancelled: @escaping @Sendable ([PlacementKey]) -> Void,
    changed: @escaping @Sendable (StationChange) -> Void
  ) {
    self.given = given
    self.cancelled = cancelled
    self.changed = changed
  }
}

package enum StationChange: Sendable, Equatable {
  /// The others may not hear of this member: what runs must end before they may begin it again.
  case doubtful(String)
  /// They do.
  case regained
  /// What it had was given up for lost.
  case fenced(String)
}

extension StoreMembership {
  /// For a kind of store whose members run nothing of their leader's.
  package func openStation(
    _ request: StoreRequest, _ callbacks: StationCallbacks
  ) throws(StoreError) -> (any RunStation)? { nil }
}

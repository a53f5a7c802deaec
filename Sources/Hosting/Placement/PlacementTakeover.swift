internal import JobModel

/// What a host does with placements of leaders before it whose runs are not claimed any more: somebody may run those
/// again, so they are told to end, and waited for. A value that takes the time.
///
/// A member ends what it is told to. One that does not hear it loses its lease, and then what it has; so that is waited
/// for, however long the lease. A run that cannot be stopped is given up in the end, as one of this host would be: what
/// it says then counts for nothing.
struct PlacementTakeover: Sendable {
  let all: [PlacementKey]
  private(set) var open: Set<PlacementKey>
  /// Monotonic nanoseconds.
  private let deadline: Int64

  /// Nanoseconds that a run may take to end.
  static let patience: Int64 = 30_000_000_000

  /// - Parameters:
  ///   - found: all placements that nobody has settled.
  ///   - members: how long each counts as alive without another word.
  init(_ found: [PlacementReport], members: [StoreMember], now: Int64) {
    let given = found.filter { !$0.isClaimed }
    all = given.map(\.key)
    let running = given.filter { !$0.state.isOver }
    open = Set(running.map(\.key))
    let names = Set(running.map(\.node))
    let lease = members.lazy.filter { names.contains($0.name) }.map { max(0, $0.left) }.max() ?? 0
    let (end, overflow) = now.addingReportingOverflow(lease &+ Self.patience)
    deadline = overflow ? .max : end
  }

  /// - Parameter found: all placements that nobody has settled, as they are now.
  /// - Returns: whether the host may begin.
  mutating func look(_ found: [PlacementReport], now: Int64) -> Bool {
    open.formIntersection(found.lazy.filter { !$0.state.isOver }.map(\.key))
    return open.isEmpty || now >= deadline
  }
}

internal import Chronology
internal import JobModel
internal import Synchronization

/// Runs that the leader of a ``SharedModel`` has placed on its members. As a real store keeps them: a row for each,
/// which the leader makes and settles under its epoch, and in which its member writes under its fence.
extension SharedModel {
  /// A row.
  struct Placed: Sendable {
    var placement: RunPlacement
    /// Of the member, when it was placed.
    var fence: Int64
    var state = PlacementReport.State.placed
    var isCancelled = false
    var isHeard = true
    var startedAt: Instant?
    var message: [UInt8] = []

    var isOpen: Bool { !state.isOver }
    var report: PlacementReport {
      PlacementReport(
        key: placement.key, run: placement.run, node: placement.node, state: state, startedAt: startedAt,
        message: message)
    }
    func isOf(_ member: FencedMember) -> Bool {
      placement.node == member.name && placement.life == member.life && fence == member.fence
    }
  }

  /// Under what a member writes.
  struct FencedMember: Sendable, Equatable {
    var name: String
    var life: String
    var fence: Int64
  }

  private static let lost = StoreError(.lost, "this member was given up for lost")

  // MARK: The leader's

  /// - Returns: those that are there.
  func place(_ runs: [RunPlacement], provenBy epoch: Int64) throws(StoreError) -> Set<PlacementKey> {
    if let error = fence(epoch) { throw error }
    return state.withLock { state in
      for run in runs where state.placed[run.key] == nil {
        guard let member = state.members[run.node], "\(member.life)" == run.life, member.takesRuns,
          !member.isDraining, member.expiresAt > now
        else { continue }
        state.placed[run.key] = Placed(placement: run, fence: member.fence)
        state.totals.placed += 1
      }
      return Set(runs.map(\.key).filter { state.placed[$0] != nil })
    }
  }

  func cancel(_ keys: [PlacementKey], provenBy epoch: Int64) throws(StoreError) {
    if let error = fence(epoch) { throw error }
    state.withLock { state in for key in keys { state.placed[key]?.isCancelled = true } }
  }

  func settle(_ keys: [PlacementKey], provenBy epoch: Int64) throws(StoreError) {
    if let error = fence(epoch) { throw error }
    state.withLock { state in for key in keys { state.placed[key] = nil } }
  }

  func hear(_ keys: [PlacementKey], provenBy epoch: Int64) throws(StoreError) {
    if let error = fence(epoch) { throw error }
    state.withLock { state in
      for key in keys where state.placed[key]?.state == .started { state.placed[key]?.isHeard = true }
    }
  }

  var unheard: [PlacementReport] { sorted { !$0.isHeard }.map(\.report) }

  private func sorted(_ isWanted: (Placed) -> Bool) -> [Placed] {
    state.withLock { $0.placed.values.filter(isWanted) }.sorted {
      ($0.placement.key.epoch, $0.placement.key.number) < ($1.placement.key.epoch, $1.placement.key.number)
    }
  }

  /// Gives up members of which nothing was heard for the length of their lease, and what they have.
  func lose(provenBy epoch: Int64) throws(StoreError) {
    let isDue = state.withLock { state in
      state.placed.values.contains { $0.isOpen && (state.member(of: $0)?.expiresAt ?? .min) - haste <= now }
    }
    guard isDue else { return }
    if let error = fence(epoch) { throw error }
    state.withLock { state in
      for (name, member) in state.members where member.expiresAt - haste <= now {
        let hasRuns = state.placed.values.contains {
          $0.isOpen && $0.placement.node == name && $0.fence == member.fence
        }
        guard hasRuns else { continue }
        state.lastFence += 1
        state.members[name]?.fence = state.lastFence
        state.members[name]?.takesRuns = false
      }
      for (key, row) in state.placed where row.isOpen && state.member(of: row) == nil {
        state.placed[key]?.state = .lost
        state.placed[key]?.isHeard = false
        state.totals.lost += 1
        state.reports += 1
      }
    }
  }

  /// How much too early a member is given up.
  private var haste: Int64 { fences.leases ? 0 : length }

  /// All that nobody has settled, with whether their runs are claimed.
  var placements: [PlacementReport] {
    let runs = contents.contents.runs
    return sorted { _ in true }.map { row in
      var report = row.report
      let run = runs[row.placement.run]
      report.isClaimed =
        run.map { $0.outcome == nil && $0.claimedAt != nil && $0.attempts + 1 == row.placement.attempt } ?? false
      return report
    }
  }

  /// Runs that another leader finds on members.
  var placedRuns: Set<RunID> {
    guard fences.adoption else { return [] }
    return Set(placements.filter { $0.isClaimed && $0.state != .declined }.map(\.run))
  }

  // MARK: A member's

  private func prove(_ member: FencedMember) throws(StoreError) {
    let isKnown = state.withLock { state in
      state.members[member.name].map { "\($0.life)" == member.life && $0.fence == member.fence } ?? false
    }
    guard isKnown else { throw Self.lost }
  }

  /// A member's fence; nil: it is not known any more.
  func begin(_ name: String, life: Int, takesRuns: Bool) -> FencedMember? {
    state.withLock { state in
      guard let member = state.members[name], member.life == life else { return nil }
      if member.takesRuns != takesRuns { state.version += 1 }
      state.members[name]?.takesRuns = takesRuns
      return FencedMember(name: name, life: "\(life)", fence: member.fence)
    }
  }

  /// What it is given from now on; and all of it that has not begun.
  func take(_ member: FencedMember) throws(StoreError) -> (new: [RunPlacement], all: [RunPlacement]) {
    try prove(member)
    let new = sorted { $0.isOf(member) && $0.state == .placed }.map(\.placement)
    state.withLock { state in for run in new { state.placed[run.key]?.state = .taken } }
    return (new, sorted { $0.isOf(member) && $0.state == .taken }.map(\.placement))
  }

  func cancelled(_ member: FencedMember) throws(StoreError) -> [PlacementKey] {
    try prove(member)
    return sorted { $0.isOf(member) && $0.isCancelled && [.taken, .started].contains($0.state) }.map(\.placement.key)
  }

  /// Whether there is anything for it to do: also when it has lost its fence.
  func hasNews(_ member: FencedMember) -> Bool {
    state.withLock { state in
      guard let known = state.members[member.name], "\(known.life)" == member.life, known.fence == member.fence else {
        return true
      }
      return state.placed.values.contains {
        $0.isOf(member) && ($0.state == .placed || $0.isCancelled && [.taken, .started].contains($0.state))
      }
    }
  }

  func report(_ reports: [PlacementReport], _ member: FencedMember) throws(StoreError) {
    try prove(member)
    state.withLock { state in
      for report in reports {
        guard let row = state.placed[report.key], row.isOf(member), [.taken, .started].contains(row.state) else {
          continue
        }
        state.placed[report.key]?.state = report.state
        state.placed[report.key]?.startedAt = report.startedAt ?? row.startedAt
        state.placed[report.key]?.message = report.message
        if report.state == .declined { state.totals.declined += 1 }
        if report.state == .lost { state.totals.lost += 1 }
        state.reports += 1
        state.placed[report.key]?.isHeard = false
      }
    }
  }

  /// What a member's run keeps.
  func apply(_ batch: StoreBatch, provenBy member: FencedMember) -> StoreError? {
    do throws(StoreError) {
      try prove(member)
      contents.apply(batch) { _ in }
      return nil
    } catch { return error }
  }
}

extension SharedModel.State {
  /// The member that has a run, if it is still the one that was given it.
  func member(of row: SharedModel.Placed) -> SharedModel.Member? {
    members[row.placement.node].flatMap { "\($0.life)" == row.placement.life && $0.fence == row.fence ? $0 : nil }
  }
}

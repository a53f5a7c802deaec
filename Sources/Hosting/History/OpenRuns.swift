package import Chronology
package import JobModel

/// Runs that have not ended, as a host or its stores tell of them.
package struct OpenRuns: Sendable {
  package struct Entry: Sendable {
    package var record: RunRecord
    package var phase: RunPhase

    package init(_ record: RunRecord, _ phase: RunPhase) {
      self.record = record
      self.phase = phase
    }
  }

  package let ofJob: [String: [Entry]]
  /// All of them, oldest first.
  package let all: [Entry]
  /// Whether a host is up that runs what waits.
  package let isHosted: Bool
  package let now: Instant
  private let byID: [RunID: Entry]

  package init(_ entries: [Entry], isHosted: Bool, now: Instant) {
    all = entries
    ofJob = Dictionary(grouping: entries, by: \.record.job)
    byID = Dictionary(entries.map { ($0.record.id, $0) }, uniquingKeysWith: { first, _ in first })
    self.isHosted = isHosted
    self.now = now
  }

  /// What stores that nobody is asked about tell.
  package init(_ stores: [any InspectableStore], now: Instant) throws(StoreError) {
    var entries: [Entry] = []
    var isHosted = false
    for store in stores {
      let open = try store.openRuns()
      let living = store.living(among: open)
      isHosted = isHosted || store.isHosted
      entries += open.map { Entry($0, OpenRuns.phase(of: $0, isAlive: living.contains($0.id), now: now)) }
    }
    self.init(entries, isHosted: isHosted, now: now)
  }

  private static func phase(of run: RunRecord, isAlive: Bool, now: Instant) -> RunPhase {
    if let park = run.park { return .parked(park) }
    guard run.claimedAt != nil else { return .waiting }
    guard isAlive else { return .leftOver }
    if let at = run.resumesAt, at > now { return .retrying(at: at) }
    return .running
  }

  /// Of a run that is not among them, what its record says: it has ended, or was claimed, since.
  package func phase(of run: RunRecord) -> RunPhase {
    byID[run.id]?.phase ?? run.park.map { .parked($0) } ?? (run.claimedAt == nil ? .waiting : .leftOver)
  }

  /// A run as it stands now: a host knows more of it than a store.
  func latest(_ run: RunRecord) -> RunRecord { run.outcome == nil ? byID[run.id]?.record ?? run : run }

  /// `running since 12:00:05`, `2 running, 1 waiting`, or nil: what a job does now.
  package func words(for job: String, in zone: TimeZoneRules) -> String? {
    guard let runs = ofJob[job], let first = runs.first else { return nil }
    if runs.count == 1 { return OpenRuns.words(first.record, first.phase, now: now, in: zone) }
    var counts: [String: Int] = [:]
    for run in runs { counts[run.phase.word, default: 0] += 1 }
    return OpenRuns.words(counts)
  }

  /// Of a job that has one such run.
  static func words(_ run: RunRecord, _ phase: RunPhase, now: Instant, in zone: TimeZoneRules) -> String {
    switch phase {
    case .running: "running since \(TimeFormat.time(run.lastStartedAt ?? run.claimedAt ?? now, in: zone))"
    case .retrying(let at): "next attempt \(TimeFormat.time(at, in: zone))"
    case .parked(let park): "parked \(park.words { TimeFormat.time($0, in: zone) })"
    case .waiting, .stuck, .leftOver: phase.word
    }
  }

  /// Of a job that has several, by their words.
  static func words(_ counts: [String: Int]) -> String? {
    let known = ["running", "retrying", "parked", "stuck", "waiting", "left over"].compactMap { word in
      counts[word].flatMap { $0 > 0 ? "\($0) \(word)" : nil }
    }
    return known.isEmpty ? nil : known.joined(separator: ", ")
  }
}

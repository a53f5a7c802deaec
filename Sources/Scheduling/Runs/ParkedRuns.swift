internal import Chronology
import JobModel

/// What wakes parked runs: times of the wall clock, and events.
///
/// Entries are not removed when what they stand for has gone, but those of an event, when its run goes on without it.
struct ParkedRuns: Sendable {
  /// Runs by the wall-clock nanoseconds at which they go on at the latest.
  var times = KeyedHeap<Int64>()
  /// Runs by the event that they wait for, in the order in which they came.
  private(set) var waiting: [String: [RunToken]] = [:]
  /// What was emitted a moment ago, for runs whose call was before it and whose park comes after it.
  private(set) var recent: [RecentEvent] = []

  /// An event that was emitted a moment ago.
  struct RecentEvent: Sendable {
    var name: String
    var data: JSONText?
    var at: Instant
  }

  /// How long an event may be on its way between a script's call and the park: nanoseconds.
  private static let recentSpan: Int64 = 10_000_000_000
  private static let mostRecent = 1_000
  private static let mostRecentBytes = 4 << 20

  mutating func wait(_ run: RunToken, for event: String) { waiting[event, default: []].append(run) }

  /// O(runs that wait for the event)
  mutating func forget(_ run: RunToken, waitingFor event: String) {
    waiting[event]?.removeAll { $0 == run }
    if waiting[event]?.isEmpty == true { waiting[event] = nil }
  }

  /// The runs that wait for an event; they wait no more.
  mutating func take(waitingFor event: String) -> [RunToken] { waiting.removeValue(forKey: event) ?? [] }

  mutating func note(_ event: RecentEvent) {
    recent.append(event)
    var bytes = recent.reduce(0) { $0 + ($1.data?.text.utf8.count ?? 0) }
    while let first = recent.first,
      recent.count > Self.mostRecent || bytes > Self.mostRecentBytes
        || first.at.advanced(byNanoseconds: Self.recentSpan) < event.at
    {
      bytes -= first.data?.text.utf8.count ?? 0
      recent.removeFirst()
    }
  }

  /// The first event of that name since `instant`.
  func recent(_ name: String, since instant: Instant) -> RecentEvent? {
    recent.first { $0.name == name && $0.at >= instant }
  }
}

internal import Chronology
import JobModel

/// What wakes parked runs: times of the wall clock, and events.
struct ParkedRuns: Sendable {
  /// Runs by the wall-clock nanoseconds at which they go on at the latest. Entries of runs that an event has woken stay
  /// until `sweepTimes`.
  var times = KeyedHeap<Int64>()
  /// So many entries are looked through once for those that stand for nothing.
  private var timesUntilSweep = 1_000
  /// Runs by the event that they wait for, with the order in which they came.
  private var waiting: [String: [RunToken: UInt64]] = [:]
  private var arrivals: UInt64 = 0
  private var recent = RecentEvents()

  var isAwaitingEvents: Bool { !waiting.isEmpty }

  mutating func wait(_ run: RunToken, for event: String) {
    arrivals += 1
    waiting[event, default: [:]][run] = arrivals
  }

  /// O(1)
  mutating func forget(_ run: RunToken, waitingFor event: String) {
    waiting[event]?[run] = nil
    if waiting[event]?.isEmpty == true { waiting[event] = nil }
  }

  /// The runs that wait for an event, in the order in which they came; they wait no more. O(k log k) for k of them.
  mutating func take(waitingFor event: String) -> [RunToken] {
    (waiting.removeValue(forKey: event) ?? [:]).sorted { $0.value < $1.value }.map(\.key)
  }

  // MARK: Times

  /// Removes times that stand for nothing, when there are many. O(1) amortised for each time that is pushed.
  mutating func sweepTimes(_ stands: (KeyedHeap<Int64>.Entry) -> Bool) {
    guard times.count > timesUntilSweep else { return }
    times.keep(where: stands)
    timesUntilSweep = max(1_000, 2 * times.count)
  }

  // MARK: Events

  /// An evaluation begins. Nothing, while no event was noted since the one before.
  mutating func begin(at now: ClockReading) { recent.close(at: now) }

  mutating func note(_ event: String, _ data: JSONText?, at now: ClockReading) {
    recent.note(event, data, at: now)
  }

  /// The first event of that name that may have come after `instant`.
  func recent(_ name: String, since instant: Instant) -> RecentEvents.Entry? { recent.first(name, since: instant) }
}

/// What was emitted a moment ago, for runs whose call was before it and whose park comes after it. Bounded in time,
/// number and bytes.
struct RecentEvents: Sendable {
  struct Entry: Sendable {
    var name: String
    var data: JSONText?
    /// No later than then it was emitted: the beginning of the next evaluation, which has a later reading of the clock
    /// than scripts could have before the event. nil: there was none so far.
    var before: Instant?
    /// Monotonic nanoseconds of the evaluation in which it was noted.
    var noted: Int64
  }

  private var entries: [Entry] = []
  /// Entries before it are gone.
  private var head = 0
  private var bytes = 0
  /// The first one that has no end yet.
  private var open = 0

  /// How long an event may be on its way between a script's call and the park: nanoseconds.
  private static let span: Int64 = 10_000_000_000
  private static let most = 1_000
  private static let mostBytes = 4 << 20

  mutating func close(at now: ClockReading) {
    while open < entries.count, entries[open].noted < now.monotonic {
      entries[open].before = now.wall
      open += 1
    }
  }

  /// O(1) amortised
  mutating func note(_ name: String, _ data: JSONText?, at now: ClockReading) {
    entries.append(Entry(name: name, data: data, before: nil, noted: now.monotonic))
    bytes += data?.text.utf8.count ?? 0
    while head < entries.count,
      entries.count - head > Self.most || bytes > Self.mostBytes || entries[head].noted < now.monotonic - Self.span
    {
      bytes -= entries[head].data?.text.utf8.count ?? 0
      entries[head].data = nil
      head += 1
    }
    guard head > Self.most else { return }
    entries.removeFirst(head)
    open = max(0, open - head)
    head = 0
  }

  /// O(events of the last seconds)
  func first(_ name: String, since instant: Instant) -> Entry? {
    entries[head...].first { $0.name == name && $0.before.map { $0 > instant } ?? true }
  }
}

package import Chronology

/// Why a run exists.
public enum RunCause: String, Sendable, Hashable, CaseIterable, Codable {
  /// Its trigger fell due.
  case schedule
  /// `run_at_start`, or `@reboot`.
  case startup
  /// Somebody asked: `jobs.run`, `moondial trigger`, the API.
  case manual
  /// An event that the job listens to.
  case event
  /// Another job's run has ended, or the last of several that it waits for.
  case after
  /// It was interrupted and the job asked to `recover`.
  case recovery
  /// Files that the job watches for are complete.
  case watch
  /// Somebody asked to try an ended run again.
  case retry
  /// Somebody asked for the fire times of a range.
  case backfill
}

/// One run as the history keeps it: accepted (waiting), claimed, parked, finished.
///
/// The hot fields are flat; what most runs lack (error, result, parameters, event) hides behind one pointer, so that a
/// million records a second can be copied through batches. The order of the fields is that of their size: small ones
/// lie in the padding behind the optional instants, which makes it 112 bytes instead of 136.
package struct RunRecord: Sendable, Equatable {
  package var id: RunID
  package var job: String
  /// Nominal fire time, or when it was asked for.
  package var scheduledAt: Instant
  /// Further instants that were coalesced into this run.
  package var missed = 0
  package var memoryPeakBytes = 0
  /// Sum over the attempts, nanoseconds of monotonic time.
  package var duration: Int64 = 0
  private var details: Details?
  /// nil while it waits: due and accepted, not claimed.
  package var claimedAt: Instant?
  package var cause: RunCause
  /// nil until it has ended.
  package var outcome: Outcome?
  package var clockEpoch = ClockEpoch(0)
  /// Start of the first attempt.
  package var startedAt: Instant?
  /// Attempts made so far.
  package var attempts: Int32 = 0
  package var finishedAt: Instant?

  package init(id: RunID, job: String, cause: RunCause, scheduledAt: Instant, claimedAt: Instant? = nil) {
    self.id = id
    self.job = job
    self.cause = cause
    self.scheduledAt = scheduledAt
    self.claimedAt = claimedAt
  }

  package var error: RunError? {
    get { details?.error }
    set { change { $0.error = newValue } }
  }
  package var result: JSONText? {
    get { details?.result }
    set { change { $0.result = newValue } }
  }
  package var params: JSONText? {
    get { details?.params }
    set { change { $0.params = newValue } }
  }
  /// `{"name": …, "data": …}` of the event that caused it.
  package var event: JSONText? {
    get { details?.event }
    set { change { $0.event = newValue } }
  }
  /// The id of the dynamic schedule that it is of; nil: it is the job's own.
  package var schedule: String? {
    get { details?.schedule }
    set { change { $0.schedule = newValue } }
  }
  /// The run that this one makes good for: interrupted (`recover`), or tried again (cause `retry`).
  package var recovers: RunID? {
    get { details?.recovers }
    set { change { $0.recovers = newValue } }
  }
  /// Start of the last attempt, of a run that had more than one.
  package var retriedAt: Instant? {
    get { details?.retriedAt }
    set { change { $0.retriedAt = newValue } }
  }
  /// While it waits for its next attempt: when that is due.
  package var resumesAt: Instant? {
    get { details?.resumesAt }
    set { if newValue != resumesAt { change { $0.resumesAt = newValue } } }
  }
  /// While it is parked: what it waits for.
  package var park: RunPark? {
    get { details?.park }
    set { if newValue != park { change { $0.park = newValue } } }
  }

  /// Start of the last attempt.
  package var lastStartedAt: Instant? { retriedAt ?? startedAt }

  /// Nanoseconds that its attempts took; nil when nobody knows: none was seen to start, or the host ended under it.
  package var knownDuration: Int64? {
    guard outcome != nil, startedAt != nil, duration > 0 || outcome != .interrupted else { return nil }
    return duration
  }

  /// About how many bytes its texts have. O(1)
  package var textBytes: Int {
    guard let fields = details?.fields else { return 0 }
    var bytes = (fields.result?.text.utf8.count ?? 0) + (fields.params?.text.utf8.count ?? 0)
    bytes += fields.event?.text.utf8.count ?? 0
    guard let error = fields.error else { return bytes }
    return bytes + error.message.utf8.count + (error.traceback?.utf8.count ?? 0) + (error.data?.utf8.count ?? 0)
  }

  /// Whether it has none of what most runs lack. O(1)
  package var isPlain: Bool { details == nil }

  private mutating func change(_ edit: (inout Details.Fields) -> Void) {
    var fields = details?.fields ?? Details.Fields()
    edit(&fields)
    details = fields == Details.Fields() ? nil : Details(fields)
  }

  package static func == (a: RunRecord, b: RunRecord) -> Bool {
    a.id == b.id && a.job == b.job && a.cause == b.cause && a.scheduledAt == b.scheduledAt
      && a.clockEpoch == b.clockEpoch
      && a.missed == b.missed && a.claimedAt == b.claimedAt && a.startedAt == b.startedAt
      && a.finishedAt == b.finishedAt
      && a.attempts == b.attempts && a.outcome == b.outcome && a.memoryPeakBytes == b.memoryPeakBytes
      && a.duration == b.duration && (a.details?.fields ?? Details.Fields()) == (b.details?.fields ?? Details.Fields())
  }

  /// Immutable: a change makes a new one, so copies of a record never see each other's edits.
  @dynamicMemberLookup
  private final class Details: Sendable {
    struct Fields: Sendable, Equatable {
      var error: RunError?
      var result: JSONText?
      var params: JSONText?
      var event: JSONText?
      var schedule: String?
      var recovers: RunID?
      var retriedAt: Instant?
      var resumesAt: Instant?
      var park: RunPark?
    }
    let fields: Fields
    init(_ fields: Fields) { self.fields = fields }
    subscript<T>(dynamicMember path: KeyPath<Fields, T>) -> T { fields[keyPath: path] }
  }
}

import Basics
import Triggers

/// What becomes of several instants of one schedule that are found due at once (after downtime, a suspend, a full
/// window).
public enum CoalescePolicy: Sendable, Hashable {
  /// One run, for the latest instant. The default.
  case latest
  /// One run, for the earliest instant.
  case earliest
  /// A run for each of the latest `catchUpMax` instants.
  case all
}

/// What becomes of an instant that falls due while `max_instances` runs of its job are active.
public enum OverlapPolicy: String, Sendable, Hashable, CaseIterable, Codable {
  /// Recorded as skipped (overlap), and logged. The default.
  case skip
  /// Waits, at most 1,000 of them, in the order of fire times.
  case queue
  /// Waits; a later one takes its place.
  case queueOne = "queue_one"
  /// The running one is cancelled, and this one starts when it has ended.
  case replace
}

/// How long a job keeps its Lua state.
public enum StateLifetime: String, Sendable, Hashable, CaseIterable {
  /// Locals and upvalues persist from run to run, as a cache. The default.
  case job
  /// Every run starts from the job's captured code.
  case run
}

/// Every limit of the scheduling contract that has a number, in one place.
package enum SchedulingLimits {
  /// Waiting instants of one job under `overlap = "queue"`.
  package static let queueDepth = 1_000
  /// Default of `catch_up_max`: runs of one schedule under `coalesce = "all"` in one evaluation.
  package static let catchUpMax = 1_000
  /// Instants counted one by one in a range; beyond it a range says "at least".
  package static let countedInstants = 10_000
  /// Claimed runs that have not started, per worker, and the least for a host.
  package static let windowPerWorker = 64
  package static let windowMinimum = 1_024
  /// A wall clock set back by at most this repeats no fire time; further back starts a new clock epoch. Nanoseconds.
  package static let clockBridge: Int64 = 3 * 3600 * 1_000_000_000
  /// Catch-up runs after a start are spread over this long per `catchUpSpreadJobs` jobs. Nanoseconds.
  package static let catchUpSpread: Int64 = 1_000_000_000
  package static let catchUpSpreadJobs = 100
}

/// When and how often an unsuccessful attempt is tried again.
///
/// The delay before retry `n` (counted from 1) is `base` (fixed), `base · n` (linear) or `base · 2ⁿ⁻¹` (exponential),
/// at most `cap`; with `jitter` it is drawn evenly from the upper half of that, by a hash of run and attempt, so that
/// asking twice gives the same.
public struct RetryPolicy: Sendable, Hashable {
  public enum Backoff: String, Sendable, Hashable, CaseIterable { case fixed, linear, exponential }

  /// Retries after the first attempt.
  public var max: Int
  public var backoff: Backoff
  /// Nanoseconds.
  public var base: Int64
  /// Nanoseconds.
  public var cap: Int64
  public var jitter: Bool

  public init(
    max: Int, backoff: Backoff = .exponential, base: Int64 = 1_000_000_000, cap: Int64 = 300_000_000_000,
    jitter: Bool = true
  ) {
    self.max = max
    self.backoff = backoff
    self.base = base
    self.cap = cap
    self.jitter = jitter
  }

  /// What `ctx:retry()` means in a job that declares no `retry`: 3 times, exponential, 1 s to 5 min.
  public static let onRequest = RetryPolicy(max: 3)

  /// Nanoseconds to wait before retry `number` (counted from 1) of `run`.
  package func delay(beforeRetry number: Int, of run: RunID) -> Int64 {
    let steps = Swift.max(1, number)
    let plain: Int64
    switch backoff {
    case .fixed: plain = base
    case .linear:
      let (product, overflow) = base.multipliedReportingOverflow(by: Int64(steps))
      plain = overflow ? .max : product
    case .exponential:
      let shift = steps - 1
      plain = shift >= 62 || base > Int64.max >> Int64(shift) ? .max : base << Int64(shift)
    }
    let bounded = Swift.min(Swift.max(0, plain), cap)
    guard jitter, bounded > 1 else { return bounded }
    let half = bounded / 2
    return bounded - Int64(StableHash.mix(UInt64(bitPattern: run.number) &* 31 &+ UInt64(steps)) % UInt64(half + 1))
  }
}

internal import Basics
public import Chronology

/// How far a schedule's jitter moves one of its fire times.
///
/// A pure function of the schedule and the fire time, so that a restart or another node moves it by the same amount,
/// and no state is kept. The nominal fire time stays what `scheduled_at` says.
public enum Jitter {
  /// Nanoseconds in `0...jitter`, and less than the distance to `nextFireTime`: a run never reaches the fire time after
  /// its own.
  ///
  /// `schedule` is a stable hash of the schedule's identity (``hash(of:)``). A negative jitter counts as none.
  public static func offsetNanoseconds(
    schedule: UInt64, fireTime: Instant, jitter: Int64, nextFireTime: Instant?
  ) -> Int64 {
    var limit = jitter
    if let nextFireTime {
      limit = min(limit, nextFireTime.nanoseconds(since: fireTime) - 1)
    }
    guard limit > 0 else { return 0 }
    let bits = StableHash.mix(schedule ^ StableHash.mix(UInt64(bitPattern: fireTime.nanoseconds)))
    return Int64(StableHash.scale(bits, below: UInt64(limit) + 1))
  }

  /// The stable hash of a schedule's identity, the same in every process.
  public static func hash(of schedule: String) -> UInt64 { StableHash.of(schedule) }
}

/// The order in which due runs are claimed: higher priority first, then earlier fire time, then first come.
package struct ClaimOrder: Comparable, Sendable {
  /// −priority, so that less is sooner.
  var rank: Int32
  /// Nanoseconds since the epoch.
  var fireTime: Int64
  var sequence: UInt64

  @inline(__always)
  package static func < (a: ClaimOrder, b: ClaimOrder) -> Bool {
    if a.rank != b.rank { return a.rank < b.rank }
    if a.fireTime != b.fireTime { return a.fireTime < b.fireTime }
    return a.sequence < b.sequence
  }
}

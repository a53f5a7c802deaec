package import Chronology

/// Fires at given instants, once each.
package final class DateListTrigger: Trigger {
  /// Ascending, without duplicates.
  package let instants: [Instant]
  /// The zone that they are shown in. It has no part in when the trigger fires, nor in what it equals.
  let zone: TimeZoneRules
  /// Whether the zone was written with the trigger, rather than taken from its surroundings.
  let hasOwnZone: Bool

  package init(_ instants: [Instant], zone: TimeZoneRules = .utc, hasOwnZone: Bool = true) {
    self.zone = zone
    self.hasOwnZone = hasOwnZone
    var sorted: [Instant] = []
    sorted.reserveCapacity(instants.count)
    for instant in instants.sorted() where instant != sorted.last { sorted.append(instant) }
    self.instants = sorted
  }

  /// - Complexity: O(log n) in the number of instants.
  package func next(after instant: Instant) -> Instant? {
    var low = 0
    var high = instants.count
    while low < high {
      let middle = (low + high) / 2
      if instants[middle] > instant { high = middle } else { low = middle + 1 }
    }
    return low < instants.count ? instants[low] : nil
  }
}

extension DateListTrigger: Hashable {
  package static func == (left: DateListTrigger, right: DateListTrigger) -> Bool {
    left === right || left.instants == right.instants
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(instants) }
}

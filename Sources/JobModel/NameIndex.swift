internal import Basics
internal import Triggers

/// Finds the index of a name in somebody's table, without keeping the name: an open hash table of 8 bytes a slot.
///
///     var index = NameIndex()
///     index.insert("sweep", at: 3)
///     index.index(of: "sweep") { jobs[$0].name == "sweep" }     // 3
///
/// Who owns the table knows the names anyway; a dictionary would keep a second reference to each of them and, with very
/// many, hash them all again each time it grows. A host with 100,000 jobs has several such tables: each costs 11 to 21
/// bytes a name instead of 53 and a fifth of the time to fill.
///
/// - Complexity: O(1) on average, and one read of memory for a name that is not there. Names that were made to collide
///   cost their author a search of all of them.
package struct NameIndex: Sendable {
  private struct Slot {
    var hash: UInt32
    /// −1: free.
    var index: Int32
  }

  /// A power of two, at most three quarters full. Empty until the first insertion.
  private var slots: ContiguousArray<Slot> = []
  package private(set) var count = 0

  package init() {}

  /// The index of `name`, asking `matches` about each index whose name has its hash.
  @inline(__always)
  package func index(of name: String, matches: (Int) -> Bool) -> Int? {
    guard count > 0 else { return nil }
    return index(ofHash: Self.hash(name), matches: matches)
  }

  /// Enters a name that is not in it.
  package mutating func insert(_ name: String, at index: Int) {
    if 4 * (count + 1) > 3 * slots.count { grow(to: max(16, 2 * slots.count)) }
    Self.put(Slot(hash: Self.hash(name), index: Int32(truncatingIfNeeded: index)), into: &slots)
    count += 1
  }

  /// Takes out a name, as ``place(of:matches:)`` finds it; nothing happens when it is not there.
  package mutating func remove(_ name: String, matches: (Int) -> Bool) {
    guard count > 0 else { return }
    let mask = slots.count - 1
    let hash = Self.hash(name)
    var hole = Int(hash) & mask
    while slots[hole].index >= 0, !(slots[hole].hash == hash && matches(Int(slots[hole].index))) {
      hole = (hole + 1) & mask
    }
    guard slots[hole].index >= 0 else { return }
    count -= 1
    // Whoever was pushed beyond the hole moves into it: a search ends at the first free slot (Knuth, vol. 3, 6.4 R).
    var next = (hole + 1) & mask
    while slots[next].index >= 0 {
      let home = Int(slots[next].hash) & mask
      if (next - home) & mask >= (next - hole) & mask {
        slots[hole] = slots[next]
        hole = next
      }
      next = (next + 1) & mask
    }
    slots[hole].index = -1
  }

  /// Makes room for `capacity` names, so that none of them makes the table grow.
  package mutating func reserveCapacity(_ capacity: Int) {
    var size = max(16, slots.count)
    while 3 * size < 4 * capacity { size *= 2 }
    if size > slots.count { grow(to: size) }
  }

  private static func hash(_ name: String) -> UInt32 { UInt32(truncatingIfNeeded: StableHash.of(name)) }

  private func index(ofHash hash: UInt32, matches: (Int) -> Bool) -> Int? {
    let mask = slots.count - 1
    var at = Int(hash) & mask
    while slots[at].index >= 0 {
      if slots[at].hash == hash, matches(Int(slots[at].index)) { return Int(slots[at].index) }
      at = (at + 1) & mask
    }
    return nil
  }

  private mutating func grow(to size: Int) {
    var larger = ContiguousArray(repeating: Slot(hash: 0, index: -1), count: size)
    for slot in slots where slot.index >= 0 { Self.put(slot, into: &larger) }
    slots = larger
  }

  private static func put(_ slot: Slot, into slots: inout ContiguousArray<Slot>) {
    let mask = slots.count - 1
    var at = Int(slot.hash) & mask
    while slots[at].index >= 0 { at = (at + 1) & mask }
    slots[at] = slot
  }
}

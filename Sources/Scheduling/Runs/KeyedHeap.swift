/// A 4-ary min-heap of (key, slot) pairs: what waits in an order, be it for a moment or for its turn.
///
/// Entries are not removed when what they stand for has gone; whoever takes one out checks whether it still holds (each
/// entry carries the `use` of its slot). That keeps an entry at 24 bytes and cancelling at O(1).
package struct KeyedHeap<Key: Comparable & Sendable>: Sendable {
  package struct Entry: Sendable {
    package var key: Key
    package var slot: Int32
    package var use: UInt32

    package init(key: Key, slot: Int32, use: UInt32) {
      self.key = key
      self.slot = slot
      self.use = use
    }
  }

  private var heap: ContiguousArray<Entry> = []

  package init() {}

  package var count: Int { heap.count }
  package var isEmpty: Bool { heap.isEmpty }
  package var first: Entry? { heap.first }

  package mutating func push(_ key: Key, slot: Int32, use: UInt32) {
    let entry = Entry(key: key, slot: slot, use: use)
    heap.append(entry)
    var position = heap.count - 1
    while position > 0 {
      let parent = (position - 1) / 4
      guard key < heap[parent].key else { break }
      heap[position] = heap[parent]
      position = parent
    }
    heap[position] = entry
  }

  /// Removes the entries that do not fulfil `isKept`. O(n log n)
  mutating func keep(where isKept: (Entry) -> Bool) {
    let kept = heap.filter(isKept)
    heap.removeAll(keepingCapacity: true)
    for entry in kept { push(entry.key, slot: entry.slot, use: entry.use) }
  }

  package mutating func popFirst() -> Entry? {
    guard let first = heap.first else { return nil }
    let entry = heap.removeLast()
    let count = heap.count
    guard count > 0 else { return first }
    var position = 0
    while true {
      let firstChild = 4 * position + 1
      guard firstChild < count else { break }
      var least = firstChild
      var child = firstChild + 1
      let end = min(firstChild + 4, count)
      while child < end {
        if heap[child].key < heap[least].key { least = child }
        child += 1
      }
      guard heap[least].key < entry.key else { break }
      heap[position] = heap[least]
      position = least
    }
    heap[position] = entry
    return first
  }
}

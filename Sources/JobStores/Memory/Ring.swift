/// The last `capacity` elements that were appended. Grows as it fills, then overwrites the oldest in place.
struct Ring<Element> {
  let capacity: Int
  /// In order of age from `oldest` on, wrapping around; `oldest` is 0 until the ring is full.
  private var elements: [Element] = []
  private var oldest = 0

  init(capacity: Int) {
    precondition(capacity > 0, "a ring needs room for one element")
    self.capacity = capacity
  }

  /// O(1) amortised; no allocation once full.
  mutating func append(_ element: Element) {
    if elements.count < capacity {
      elements.append(element)
    } else {
      elements[oldest] = element
      oldest = oldest + 1 == capacity ? 0 : oldest + 1
    }
  }

  /// Oldest first.
  var inOrder: [Element] { Array(elements[oldest...] + elements[..<oldest]) }

  /// The one appended last.
  var newest: Element? {
    get { elements.isEmpty ? nil : elements[newestIndex] }
    set {
      guard let newValue, !elements.isEmpty else { return }
      elements[newestIndex] = newValue
    }
  }

  /// Replaces the newest element that `matches`. O(distance from the newest end).
  mutating func replaceNewest(with element: Element, where matches: (borrowing Element) -> Bool) -> Bool {
    var index = newestIndex
    for _ in 0..<elements.count {
      if matches(elements[index]) {
        elements[index] = element
        return true
      }
      index = index == 0 ? elements.count - 1 : index - 1
    }
    return false
  }

  /// Removes the first element, in order of age, that `matches`. O(count).
  mutating func remove(where matches: (Element) -> Bool) -> Bool {
    var ordered = inOrder
    guard let index = ordered.firstIndex(where: matches) else { return false }
    ordered.remove(at: index)
    elements = ordered
    oldest = 0
    return true
  }

  func contains(where matches: (Element) -> Bool) -> Bool { elements.contains(where: matches) }

  private var newestIndex: Int { oldest == 0 ? elements.count - 1 : oldest - 1 }
}

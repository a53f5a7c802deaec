/// The last `capacity` elements that were appended. Grows as it fills, then overwrites the oldest in place.
public struct Ring<Element> {
  public let capacity: Int
  /// In order of age from `oldest` on, wrapping around; `oldest` is 0 until the ring is full.
  @usableFromInline var elements: [Element] = []
  @usableFromInline var oldest = 0

  @inlinable public init(capacity: Int) {
    precondition(capacity > 0, "a ring needs room for one element")
    self.capacity = capacity
  }

  /// O(1) amortised; no allocation once full.
  @inlinable public mutating func append(_ element: Element) {
    if elements.count < capacity {
      elements.append(element)
    } else {
      elements[oldest] = element
      oldest = oldest + 1 == capacity ? 0 : oldest + 1
    }
  }

  /// Oldest first.
  @inlinable public var inOrder: [Element] { Array(elements[oldest...] + elements[..<oldest]) }

  /// The one appended last.
  @inlinable public var newest: Element? {
    get { elements.isEmpty ? nil : elements[newestIndex] }
    set {
      guard let newValue, !elements.isEmpty else { return }
      elements[newestIndex] = newValue
    }
  }

  /// Where the newest element lies that `matches`; good for the subscript until the next removal. O(distance from the
  /// newest end).
  @inlinable public func newestSlot(where matches: (Element) -> Bool) -> Int? {
    var index = newestIndex
    for _ in 0..<elements.count {
      if matches(elements[index]) { return index }
      index = index == 0 ? elements.count - 1 : index - 1
    }
    return nil
  }

  /// The element in a slot.
  @inlinable public subscript(slot: Int) -> Element {
    get { elements[slot] }
    set { elements[slot] = newValue }
  }

  /// Removes what lies in a slot. O(count).
  @inlinable public mutating func remove(slot: Int) {
    var ordered = inOrder
    ordered.remove(at: slot >= oldest ? slot - oldest : slot + elements.count - oldest)
    elements = ordered
    oldest = 0
  }

  @inlinable public func contains(where matches: (Element) -> Bool) -> Bool { elements.contains(where: matches) }

  @inlinable var newestIndex: Int { oldest == 0 ? elements.count - 1 : oldest - 1 }
}

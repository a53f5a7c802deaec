/// First in, first out, without moving what waits: appending and taking are O(1) amortised.
///
///     var queue = Queue<Int>()
///     queue.append(1); queue.append(2)
///     queue.popFirst()      // 1
///     queue.popLast()       // 2, for who thinks better of it
public struct Queue<Element> {
  /// What waits begins at `head`; before it lie places that were emptied. nil only there.
  @usableFromInline var elements: ContiguousArray<Element?> = []
  @usableFromInline var head = 0

  @inlinable public init() {}

  @inlinable public var count: Int { elements.count - head }
  @inlinable public var isEmpty: Bool { count == 0 }

  @inlinable
  public mutating func append(_ element: Element) { elements.append(element) }

  /// Takes the oldest element.
  @inlinable
  public mutating func popFirst() -> Element? {
    guard !isEmpty else { return nil }
    let first = elements[head].take()
    head += 1
    // Half of it is empty: moving the rest costs no more than its appends did.
    if head == elements.count {
      elements.removeAll(keepingCapacity: head <= 64)
      head = 0
    } else if head > 64, head * 2 > elements.count {
      elements.removeFirst(head)
      head = 0
    }
    return first
  }

  /// Takes the newest element back.
  @inlinable
  public mutating func popLast() -> Element? { isEmpty ? nil : elements.removeLast() }
}

extension Queue: Sendable where Element: Sendable {}

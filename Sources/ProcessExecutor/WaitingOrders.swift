internal import JobModel

/// The line of orders that wait for a worker process.
extension [RunOrder] {
  /// Puts an order where its priority belongs: behind its equals and before lower ones. One above zero gets every other
  /// place among those at zero, so that a flood of them keeps nobody out; one below zero comes last.
  ///
  /// - Complexity: O(1) while no priority is set, otherwise O(orders that wait).
  mutating func enter(_ order: RunOrder) {
    var place = endIndex
    // Those below zero are together, and the last ones.
    while place > startIndex, self[place - 1].priority < Swift.min(order.priority, 0) { place -= 1 }
    if order.priority > 0 { place = Swift.min(place, 2 * count { $0.priority >= order.priority }) }
    insert(order, at: place)
  }
}

/// What the core knows of its stores, by index.
struct StoreStates: Sendable {
  let names: [String]
  /// Batches given to each.
  private(set) var taken: [UInt64]
  /// Of those the durable ones.
  private(set) var durable: [UInt64]
  /// Whether its last write failed: nothing is claimed there until it has recovered.
  var failed: [Bool]
  /// What was counted of each.
  var tallies: [StoreTally]

  init(_ names: [String]) {
    self.names = names
    taken = Array(repeating: 0, count: names.count)
    durable = taken
    failed = Array(repeating: false, count: names.count)
    tallies = Array(repeating: StoreTally(), count: names.count)
  }

  /// It was given a batch with everything that was flushed so far.
  mutating func take(by store: Int, at monotonic: Int64) {
    taken[store] += 1
    tallies[store].takenAt = monotonic
  }

  /// The batch that it was given last is durable.
  mutating func confirm(in store: Int, at monotonic: Int64) {
    durable[store] = taken[store]
    tallies[store].batches += 1
    tallies[store].latency.add(monotonic - tallies[store].takenAt)
  }

  /// The batch that it was given last was not written.
  mutating func noteFailure(in store: Int) { tallies[store].failures += 1 }
}

/// What was counted of one store.
package struct StoreTally: Sendable {
  package fileprivate(set) var batches = 0
  package fileprivate(set) var failures = 0
  /// From handing a batch over to hearing of it, nanoseconds.
  package fileprivate(set) var latency = SpanCounts()
  /// Changes that wait to be handed over.
  package var queued = 0
  fileprivate var takenAt: Int64 = 0

  init() {}
}

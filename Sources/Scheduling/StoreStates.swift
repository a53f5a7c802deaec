/// What the core knows of its stores, by index.
struct StoreStates: Sendable {
  let names: [String]
  /// Batches given to each.
  private(set) var taken: [UInt64]
  /// Of those the durable ones.
  private(set) var durable: [UInt64]
  /// Whether its last write failed: nothing is claimed there until it has recovered.
  var failed: [Bool]

  init(_ names: [String]) {
    self.names = names
    taken = Array(repeating: 0, count: names.count)
    durable = taken
    failed = Array(repeating: false, count: names.count)
  }

  /// It was given a batch with everything that was flushed so far.
  mutating func take(by store: Int) { taken[store] += 1 }

  /// The batch that it was given last is durable.
  mutating func confirm(in store: Int) { durable[store] = taken[store] }
}

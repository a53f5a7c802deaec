import JobModel
import JobStores
import MoondialTesting
import Synchronization
import Testing

@Suite("The scheduler under seeds")
struct SimulationTests {
  /// A seed that the last run had not, printed so that it can be replayed.
  static let fresh: UInt64 = {
    let seed = UInt64.random(in: 1_000_000...999_999_999)
    print("simulation: fresh seeds \(seed)..<\(seed + 10)")
    return seed
  }()

  private func story(_ seed: UInt64) -> Simulation.Report {
    var simulation = Simulation(seed: seed, store: ModelStore())
    return simulation.run()
  }

  @Test("fixed seeds: one decision per due instant, limits held, everything ends", arguments: 1...30 as ClosedRange<UInt64>)
  func fixed(seed: UInt64) {
    #expect(story(seed).violations == [], "seed \(seed)")
  }

  @Test("fresh seeds", arguments: 0..<10 as Range<UInt64>)
  func freshSeeds(offset: UInt64) {
    let seed = Self.fresh + offset
    #expect(story(seed).violations == [], "seed \(seed)")
  }

  @Test("the stories are worth telling: they hold runs, ranges, crashes, failures and clock steps")
  func worth() {
    var total = Simulation.Report()
    for seed in 1...10 as ClosedRange<UInt64> {
      let report = story(seed)
      total.runs += report.runs
      total.ranges += report.ranges
      total.crashes += report.crashes
      total.storeFailures += report.storeFailures
      total.clockSteps += report.clockSteps
    }
    #expect(total.runs > 1_000 && total.ranges > 500)
    #expect(total.crashes > 20 && total.storeFailures > 20 && total.clockSteps > 10)
  }

  @Test("a canary: a store that forgets one batch in fifty is found out")
  func canary() {
    let found = (1...10 as ClosedRange<UInt64>).contains { seed in
      var simulation = Simulation(seed: seed, store: ModelStore(), wrapping: { ForgetfulStore($0) })
      return !simulation.run().violations.isEmpty
    }
    #expect(found)
  }
}

/// Says that it stored every batch, and forgets every fiftieth.
private final class ForgetfulStore: JobStore {
  private let store: any JobStore
  private let count = Mutex(0)
  init(_ store: any JobStore) { self.store = store }
  var name: String { store.name }
  var keyValues: any KeyValueStore { store.keyValues }
  func load() throws(StoreError) -> StoreSnapshot { try store.load() }
  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    let number = count.withLock { count in
      count += 1
      return count
    }
    if number % 50 == 0 { completion(nil) } else { store.apply(batch, completion: completion) }
  }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try store.runs(query) }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try store.decisions(query) }
  func schedules() throws(StoreError) -> [ScheduleRecord] { try store.schedules() }
  func append(log lines: [RunLogLine]) {}
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { [] }
  func close() {}
}

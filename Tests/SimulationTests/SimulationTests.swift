import Chronology
import FoundationEssentials
import JobModel
import MoondialTesting
import Synchronization
import Testing

/// One seed is one scenario. `MOONDIAL_SEEDS=10000` tells so many fresh ones (a tenth of them on SQLite);
/// `MOONDIAL_SEED=n` tells the one scenario n, on the model and on SQLite, after a failure.
@Suite("The scheduler under seeds")
struct SimulationTests {
  static let replayed = number("MOONDIAL_SEED")
  static let count = number("MOONDIAL_SEEDS") ?? 10

  /// Seeds that the last run had not, printed so that they can be replayed.
  static let fresh: [UInt64] = {
    if let replayed { return [replayed] }
    let first = UInt64.random(in: 1_000_000...999_999_999)
    print("simulation: fresh seeds \(first)..<\(first + count)")
    return Array(first..<first + count)
  }()
  static let freshOnSQLite = Array(fresh.prefix(max(1, fresh.count / 10)))

  private static func number(_ variable: String) -> UInt64? {
    ProcessInfo.processInfo.environment[variable].flatMap { UInt64($0) }
  }

  private func hold(
    _ seed: UInt64, on disk: any SimulatedDisk, sourceLocation: Testing.SourceLocation = #_sourceLocation
  ) throws {
    var simulation = try Simulation(seed: seed, disk: disk)
    let violations = try simulation.run().violations
    #expect(
      violations == [], "replay: MOONDIAL_SEED=\(seed) swift test --filter SimulationTests",
      sourceLocation: sourceLocation)
  }

  @Test(
    "fixed seeds: one decision per due instant, limits held, everything ends", arguments: 1...30 as ClosedRange<UInt64>)
  func fixed(seed: UInt64) throws { try hold(seed, on: ModelDisk()) }

  @Test("fixed seeds on SQLite, whose file is opened anew after each crash", arguments: 1...4 as ClosedRange<UInt64>)
  func fixedOnSQLite(seed: UInt64) throws { try hold(seed, on: SQLiteDisk()) }

  @Test("fresh seeds", arguments: fresh)
  func freshSeeds(seed: UInt64) throws { try hold(seed, on: ModelDisk()) }

  @Test("fresh seeds on SQLite", arguments: freshOnSQLite)
  func freshSeedsOnSQLite(seed: UInt64) throws { try hold(seed, on: SQLiteDisk()) }

  @Test(
    "a host whose store was taken over starts nothing, and the one that has it decides every instant once",
    arguments: 1...6 as ClosedRange<UInt64>)
  func takenOver(seed: UInt64) throws {
    var options = Simulation.Options()
    var weights = SimulationWeights()
    weights.takeOver = 12
    options.weights = weights
    var simulation = try Simulation(seed: seed, options: options, disk: SQLiteDisk())
    let report = try simulation.run()
    #expect(report.violations == [])
    #expect(report.takeOvers > 0)
  }

  @Test("a story on SQLite is the story on the model: the same runs")
  func sameStory() throws {
    var model = try Simulation(seed: 7, disk: ModelDisk())
    var sqlite = try Simulation(seed: 7, disk: SQLiteDisk())
    let (a, b) = (try model.run(), try sqlite.run())
    #expect(a.runs == b.runs && a.crashes == b.crashes)
    #expect(a.ranges >= b.ranges, "SQLite merges neighbours")
  }

  @Test("the stories are worth telling: they hold runs, ranges, crashes, failures and clock steps")
  func worth() throws {
    var total = Simulation.Report()
    for seed in 1...10 as ClosedRange<UInt64> {
      var options = Simulation.Options()
      options.weights = SimulationWeights()
      var simulation = try Simulation(seed: seed, options: options, disk: ModelDisk())
      let report = try simulation.run()
      total.runs += report.runs
      total.ranges += report.ranges
      total.crashes += report.crashes
      total.storeFailures += report.storeFailures
      total.clockSteps += report.clockSteps
      total.schedules += report.schedules
      total.steps += report.steps
      total.transactions += report.transactions
      total.outboxes += report.outboxes
    }
    #expect(total.runs > 1_000 && total.ranges > 500)
    #expect(total.crashes > 20 && total.storeFailures > 20 && total.clockSteps > 10)
    #expect(total.schedules > 100)
    #expect(total.steps > 100 && total.transactions > 50 && total.outboxes > 20)
  }

  @Test("a canary: a store that loses what one transaction in twenty has asked for is found out")
  func intentCanary() throws {
    let found = try (1...10 as ClosedRange<UInt64>).contains { seed in
      var simulation = try Simulation(seed: seed, disk: ModelDisk(), wrapping: { ForgetfulStore($0, intents: true) })
      return try simulation.run().violations.contains { $0.contains("is not among the runs") }
    }
    #expect(found)
  }

  @Test("a canary: a store that forgets one batch in fifty is found out")
  func canary() throws {
    let found = try (1...10 as ClosedRange<UInt64>).contains { seed in
      var simulation = try Simulation(seed: seed, disk: ModelDisk(), wrapping: { ForgetfulStore($0) })
      return try !simulation.run().violations.isEmpty
    }
    #expect(found)
  }
}

/// Says that it stored every batch, and forgets every fiftieth; or the intent of every twentieth transaction.
private final class ForgetfulStore: JobStore {
  private let store: any JobStore
  private let intents: Bool
  private let count = Mutex(0)
  init(_ store: any JobStore, intents: Bool = false) {
    self.store = store
    self.intents = intents
  }
  var name: String { store.name }
  var keyValues: any KeyValueStore { store.keyValues }
  func load() throws(StoreError) -> StoreSnapshot { try store.load() }
  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    let number = count.withLock { count in
      count += 1
      return count
    }
    if !intents, number % 50 == 0 { completion(nil) } else { store.apply(batch, completion: completion) }
  }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try store.runs(query) }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try store.decisions(query) }
  func files(of job: String) throws(StoreError) -> [FileMark] { try store.files(of: job) }
  func schedules() throws(StoreError) -> [ScheduleRecord] { try store.schedules() }
  func append(log lines: [RunLogLine]) {}
  func steps(of run: RunID) throws(StoreError) -> [RunStep] { try store.steps(of: run) }
  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    let number = count.withLock { count in
      count += 1
      return count
    }
    var transaction = transaction
    if intents, number % 20 == 0 { transaction.intent = nil }
    store.commit(transaction, at: now, completion: completion)
  }
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? { nil }
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { [] }
  func close() {}
}

internal import Chronology
internal import JobModel
internal import Scheduling

/// What transactions and outboxes of simulated runs leave behind: a value, a sum, and a run of a job that only they
/// start. At the end there is one of each for every one that was committed, and none for another.
enum SimulatedLedger {
  enum Entry: String {
    /// Of the run that began the work.
    case transaction
    /// Of a run that succeeded.
    case outbox
  }

  static let space = "ledger"

  /// The job that transactions and outboxes start. No scenario pauses or removes it.
  static let job: JobDefinition = {
    var job = JobDefinition(
      name: "ledger", source: SourceLocation(file: "simulated.lua", line: 1), payload: SimulatedPayload())
    job.trigger = nil
    job.overlap = .queue
    job.maxInstances = 1_000
    job.recover = true
    return job
  }()

  /// Whether runs of a job have transactions and outboxes.
  static func has(_ job: JobEntry) -> Bool { has(job.definition) }
  private static func has(_ job: JobDefinition) -> Bool {
    guard let payload = job.payload as? SimulatedPayload else { return false }
    return payload.hasSteps && !payload.isPlaced
  }

  private static func entry(_ entry: Entry, _ run: RunID) -> JSONText { JSONText("\"\(entry.rawValue) \(run)\"") }

  static func operation(_ entry: Entry, _ run: RunID) -> RunOperation {
    .run(job.name, params: self.entry(entry, run))
  }

  /// Of an intent, as it is stored here.
  static func operations(of intent: RunIntent) -> [RunOperation] {
    intent.operations.text == "[]" ? [] : [.run(job.name, params: intent.operations)]
  }

  /// A value of its own, which must not be there yet, and one that all of them add to.
  static func transaction(
    _ step: RunStep, of order: RunOrder, for root: RunID, in store: any JobStore, at now: Instant
  ) throws(StoreError) -> RunTransaction {
    let sum = try store.keyValues.value(of: "sum", in: space, at: now)
    var transaction = RunTransaction()
    transaction.step = step
    transaction.keyValues = [
      KeyValueChange(space: space, key: "transaction \(root)", value: JSONText("1"), expecting: 0),
      KeyValueChange(
        space: space, key: "sum", value: JSONText("\((sum.flatMap { Int64($0.value.text) } ?? 0) + 1)"),
        expecting: sum?.version ?? 0),
    ]
    transaction.intent = RunIntent(
      run: order.id, position: step.position, job: order.job.definition.name, at: now,
      operations: entry(.transaction, root))
    return transaction
  }

  static func outbox(of order: RunOrder) -> RunOutbox {
    RunOutbox(
      keyValues: [
        KeyValueChange(space: space, key: "outbox \(order.id)", value: JSONText("1"), expecting: 0)
      ], operations: [operation(.outbox, order.id)], encoded: entry(.outbox, order.id))
  }

  struct Account {
    /// Sentences about what is missing, doubled or made up.
    var problems: [String] = []
    var transactions = 0
    var outboxes = 0
  }

  static func check(_ store: any JobStore, _ definitions: [JobDefinition], at now: Instant) -> Account {
    do throws(StoreError) {
      let runs = try store.runs(RunQuery(limit: 10_000_000))
      let former = Dictionary(
        runs.compactMap { run in run.recovers.map { (run.id, $0) } }, uniquingKeysWith: { first, _ in first })
      let stepping = Set(definitions.filter(has).map(\.name))
      var expected: Set<String> = []
      var sum = 0
      for run in runs where stepping.contains(run.job) {
        if run.outcome == .succeeded { expected.insert("outbox \(run.id)") }
        guard try store.steps(of: run.id).contains(where: { $0.kind == .transaction }) else { continue }
        var root = run.id
        while let earlier = former[root] { root = earlier }
        if expected.insert("transaction \(root)").inserted { sum += 1 }
      }
      let entries = runs.filter { $0.job == job.name && $0.recovers == nil }.compactMap { run in
        run.params.map { String($0.text.dropFirst().dropLast()) }
      }
      let keys = try store.keyValues.keys(prefix: "", in: space, limit: 1_000_000, at: now).filter { $0 != "sum" }
      let total = try store.keyValues.value(of: "sum", in: space, at: now)?.value.text ?? "0"
      var problems = compare("runs", entries, with: expected) + compare("values", keys, with: expected)
      if total != "\(sum)" { problems.append("the sum is \(total), and \(sum) transactions were committed") }
      let left = try store.load().intents.count
      if left > 0 { problems.append("\(left) intents are left") }
      return Account(problems: problems, transactions: sum, outboxes: expected.count - sum)
    } catch { return Account(problems: ["the ledger cannot be read: \(error.message)"]) }
  }

  private static func compare(_ what: String, _ found: [String], with expected: Set<String>) -> [String] {
    var counts: [String: Int] = [:]
    for entry in found { counts[entry, default: 0] += 1 }
    return expected.sorted().filter { counts[$0] == nil }.map { "\($0) was committed, and is not among the \(what)" }
      + counts.sorted { $0.key < $1.key }.compactMap { entry, count in
        if !expected.contains(entry) { return "\(entry) is among the \(what), and was not committed" }
        return count == 1 ? nil : "\(entry) is \(count) times among the \(what)"
      }
  }
}

internal import Chronology
package import JobModel

/// Proves that a store keeps the contract of `JobStore`. Each claim is one value; a store's tests run all of them:
///
///     @Test("the contract holds", arguments: JobStoreConformance.claims)
///     func conforms(claim: JobStoreConformance.Claim) throws { try claim.check(JobStoreConformance.Subject(…)) }
///
/// A claim throws ``Violation`` with a sentence; it waits for completions, never for time.
package enum JobStoreConformance {
  /// How to make the store under test.
  package struct Subject {
    /// Opens a store: an empty one at first, later the same one again after it was closed.
    package let open: () throws -> any JobStore
    /// Whether what was committed is there after closing and opening.
    package let isDurable: Bool
    /// Finished runs and decision ranges kept per job, at least.
    package let kept: Int
    /// Opens the store that is open already, as a second host does that got past whatever should have kept it out. nil:
    /// nobody but this process can reach it.
    package let takeOver: (() throws -> any JobStore)?

    package init(
      isDurable: Bool, kept: Int = 100, takeOver: (() throws -> any JobStore)? = nil,
      open: @escaping () throws -> any JobStore
    ) {
      self.open = open
      self.isDurable = isDurable
      self.kept = kept
      self.takeOver = takeOver
    }
  }

  package struct Claim: Sendable, CustomStringConvertible {
    package let name: String
    /// Whether it closes the store and opens it again.
    package let needsDurability: Bool
    package let check: @Sendable (Subject) throws -> Void
    package var description: String { name }

    init(_ name: String, needsDurability: Bool = false, _ check: @escaping @Sendable (Subject) throws -> Void) {
      self.name = name
      self.needsDurability = needsDurability
      self.check = check
    }

    /// Runs it, or answers false when the store does not promise what it is about.
    package func run(on subject: Subject) throws -> Bool {
      guard subject.isDurable || !needsDurability else { return false }
      try check(subject)
      return true
    }
  }

  package struct Violation: Error, CustomStringConvertible {
    package let description: String
  }

  package static let claims: [Claim] =
    scheduleClaims + dynamicScheduleClaims + runClaims + decisionClaims + keyValueClaims + fileClaims + lifeCycleClaims

  // MARK: What the claims are written with

  static func expect(_ isTrue: Bool, _ invariant: @autoclosure () -> String, line: UInt = #line, file: String = #fileID)
    throws
  {
    if !isTrue { throw Violation(description: "\(invariant()) (\(file):\(line))") }
  }

  static func expectEqual<Value: Equatable>(
    _ found: Value, _ expected: Value, _ invariant: String, line: UInt = #line, file: String = #fileID
  ) throws {
    if found != expected {
      throw Violation(description: "\(invariant): expected \(expected), found \(found) (\(file):\(line))")
    }
  }

  /// Opens, runs `body`, closes.
  static func with<Result>(_ subject: Subject, _ body: (any JobStore) throws -> Result) throws -> Result {
    let store = try subject.open()
    defer { store.close() }
    return try body(store)
  }

  static func second(_ number: Int64) -> Instant { Instant(seconds: 1_767_225_600 + number) }

  static func schedule(_ job: String, next: Instant? = second(60)) -> ScheduleRecord {
    var record = ScheduleRecord(job: job, trigger: "every 60s", registeredAt: second(0))
    record.nextFire = next
    return record
  }

  static func claim(_ id: Int64, _ job: String, at time: Int64? = nil) -> RunRecord {
    RunRecord(
      id: RunID(id), job: job, cause: .schedule, scheduledAt: second(time ?? id), claimedAt: second((time ?? id) + 1))
  }

  static func finished(_ id: Int64, _ job: String, _ outcome: Outcome = .succeeded, at time: Int64? = nil) -> RunRecord
  {
    var run = claim(id, job, at: time)
    run.startedAt = second((time ?? id) + 2)
    run.finishedAt = second((time ?? id) + 3)
    run.attempts = 1
    run.outcome = outcome
    run.memoryPeakBytes = 65_536
    run.duration = 1_000_000
    return run
  }
}

extension StoreBatch {
  /// A batch, made in one expression.
  package static func make(_ edit: (inout StoreBatch) -> Void) -> StoreBatch {
    var batch = StoreBatch()
    edit(&batch)
    return batch
  }
}

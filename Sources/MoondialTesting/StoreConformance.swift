package import Chronology
internal import Hosting
package import JobModel
public import struct MoondialScheduler.Configuration
internal import TestSupport

/// Proves that a store keeps the contract of every store: what the scheduler may rely on when it hands over batches.
///
/// Whoever writes a driver runs all claims on it, each on an empty store, against the real thing (a file, a server):
///
///     @Test("the contract holds", arguments: StoreConformance.claims)
///     func conforms(claim: StoreConformance.Claim) throws {
///       let directory = try freshDirectory()
///       try claim.run(on: StoreConformance.Subject(.sqlite(directory + "/jobs.db"), isDurable: true, kept: 1_000))
///     }
///
/// What the claims are about:
/// - each batch gets exactly one completion, in the order of handing over, and takes effect as a whole or not at all;
/// - every change is an upsert or a removal by key, so that a batch that is handed over twice is the same as once;
/// - runs only move forward (waiting, claimed, finished), and are found by job, id, outcome and time, newest first;
/// - decision ranges merge only with what they continue, and none is lost or counted twice;
/// - values of scripts are compared and swapped by version, expire at their instant, and keep to their quota;
/// - steps of runs are kept as long as their run, and a transaction lands as a whole or not at all;
/// - closing waits for what was handed over; what was committed is there when the store is opened again;
/// - a host whose store another one took over writes nothing any more.
///
/// A claim throws ``Violation`` with a sentence. It waits for completions, never for time, and takes fractions of a
/// second. Its runs are of 1 January 2026, and the clock that judges their age stands there.
public enum StoreConformance {
  /// The store under test, and what it promises.
  public struct Subject {
    /// Opens a store: an empty one at first, later the same one again after it was closed.
    let open: () throws -> any JobStore
    /// Whether what was committed is there after closing and opening.
    let isDurable: Bool
    /// Finished runs and decision ranges kept per job, at least.
    let kept: Int
    /// Opens the store that is open already, as a second host does that got past whatever should have kept it out. nil:
    /// nobody but this process can reach it.
    let takeOver: (() throws -> any JobStore)?
    /// Whether it keeps steps and transactions; false: it refuses them, and the claims about them are left out.
    package var keepsSteps = true

    /// A store by its address. It must be empty.
    ///
    /// - Parameters:
    ///   - isDurable: whether what was committed is there after closing and opening; claims about it are left out
    ///     otherwise.
    ///   - kept: finished runs and decision ranges that it keeps of each job, at least.
    public init(_ store: Configuration.Store, isDurable: Bool, kept: Int = 100) {
      self.init(isDurable: isDurable, kept: kept) {
        var request = StoreRequest(.scheduler)
        // The contract is the same, and the claims are quicker.
        request.durability = .normal
        request.clock = StandingClock(StoreConformance.second(0))
        return try StoreKinds.standard.open(StoreAddress(store.url), request)
      }
    }

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

  /// One sentence of the contract, with its proof.
  public struct Claim: Sendable, CustomStringConvertible {
    /// The sentence.
    public let name: String
    /// Whether it closes the store and opens it again.
    public let needsDurability: Bool
    /// Whether it is about steps and transactions.
    var needsSteps = false
    package var isAboutSteps: Bool { needsSteps }
    let check: @Sendable (Subject) throws -> Void
    /// The sentence.
    public var description: String { name }

    init(_ name: String, needsDurability: Bool = false, _ check: @escaping @Sendable (Subject) throws -> Void) {
      self.name = name
      self.needsDurability = needsDurability
      self.check = check
    }

    /// Proves it, or answers false when the store does not promise what it is about.
    ///
    /// Blocks until the store has answered.
    ///
    /// - Throws: ``Violation``, or what the store threw.
    @discardableResult
    public func run(on subject: Subject) throws -> Bool {
      guard subject.isDurable || !needsDurability, subject.keepsSteps || !needsSteps else { return false }
      try check(subject)
      return true
    }
  }

  /// What a store did against a claim.
  public struct Violation: Error, CustomStringConvertible {
    /// One sentence, and the line of the claim.
    public let description: String
  }

  /// The whole contract.
  public static let claims: [Claim] =
    scheduleClaims + dynamicScheduleClaims + runClaims + decisionClaims + keyValueClaims + fileClaims + lifeCycleClaims
    + controlClaims + aboutSteps
    + capabilityClaims

  private static let aboutSteps = stepClaims.map { claim in
    var claim = claim
    claim.needsSteps = true
    return claim
  }

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

  package static func second(_ number: Int64) -> Instant { Instant(seconds: 1_767_225_600 + number) }

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

internal import Chronology
internal import Executors
package import JobModel
public import struct MoondialScheduler.Configuration

/// Proves that an executor keeps the contract of every executor: what the scheduler may rely on when it submits orders.
///
/// Whoever writes an executor runs all claims on it:
///
///     @Test("the contract holds", arguments: ExecutorConformance.claims)
///     func conforms(claim: ExecutorConformance.Claim) throws {
///       try claim.run(on: ExecutorConformance.Subject(.threads(2)))
///     }
///
/// What the claims are about:
/// - each order ends in exactly one report (`ended` or `late`), with the outcome, the error and the result of its code;
///   `started` comes at most once, and before the end;
/// - a run that waits, or is under way, is cancelled with one report; cancelling what is not there does nothing;
/// - a run beyond its deadline ends as timed out, and one that may not start any more is late and does not run;
/// - a full executor keeps orders until it has room, or rejects them with a report; none is lost;
/// - what runs, waits or is submitted later is reported as interrupted when the executor stops, and nothing is reported
///   after `stop` has returned; stopping twice, and before `start`, is fine;
/// - what a run says of its progress is heard before its end.
///
/// A claim throws ``Violation`` with a sentence. It waits for reports, not for time; one that does not come within a
/// minute is a violation.
public enum ExecutorConformance {
  /// What the code of a run does. Each is given as a Swift closure or as a script; an executor is proved with what it
  /// can run.
  package enum Behaviour: Sendable, CaseIterable {
    /// Returns 7.
    case returns
    /// Fails with the message `broken`.
    case fails
    /// Stays on its processor until it is stopped, or its deadline comes.
    case works
    /// Says that it is half done, and returns.
    case reportsProgress

    /// The job in Lua, as scripts write it.
    package var script: String {
      let body =
        switch self {
        case .returns: "return 7"
        case .fails: "error('broken', 0)"
        case .works: "while true do end"
        case .reportsProgress: "ctx:progress(0.5)"
        }
      return "job 'conformance' { run = function(ctx) \(body) end }"
    }
  }

  /// The executor under test, and what it can run.
  public struct Subject {
    /// Makes a new one, which the claim starts and stops.
    let make: () throws -> any JobExecutor
    /// The code of a run; nil: this executor cannot run such code, and has nothing to prove about it.
    let payload: (Behaviour) throws -> (any JobPayload)?
    /// What runs have said of their progress so far; nil: this executor's runs say nothing.
    let progress: (() -> [ProgressNote])?

    /// An executor of the configuration, with Swift closures as jobs.
    public init(_ executor: Configuration.Executor) {
      self.init(
        make: {
          var settings = StepPool.Configuration()
          if let workers = executor.workers { settings.workers = workers }
          return StepPool(ClosureRunner(), configuration: settings)
        }, payload: Subject.closure)
    }

    /// - Parameters:
    ///   - make: makes a new executor, which the claim starts and stops.
    ///   - payload: the code of a run; nil where the executor cannot run such code.
    ///   - progress: what runs have said of their progress since the subject was made.
    package init(
      make: @escaping () throws -> any JobExecutor,
      payload: @escaping (Behaviour) throws -> (any JobPayload)?, progress: (() -> [ProgressNote])? = nil
    ) {
      self.make = make
      self.payload = payload
      self.progress = progress
    }

    /// The behaviours as Swift closures.
    package static func closure(_ behaviour: Behaviour) -> (any JobPayload)? {
      switch behaviour {
      case .returns: ClosurePayload { _ in JSONText("7") }
      case .fails: ClosurePayload { _ in throw RunError(message: "broken") }
      case .works:
        ClosurePayload { context in
          while !context.isCancelled {}
          throw CancellationError()
        }
      case .reportsProgress: nil
      }
    }
  }

  /// One sentence of the contract, with its proof.
  public struct Claim: Sendable, CustomStringConvertible {
    /// The sentence.
    public let name: String
    let check: @Sendable (Subject) throws -> Bool
    /// The sentence.
    public var description: String { name }

    init(_ name: String, _ check: @escaping @Sendable (Subject) throws -> Bool) {
      self.name = name
      self.check = check
    }

    /// Proves it, or answers false when the executor cannot run what it is about.
    ///
    /// Blocks until the executor has reported.
    ///
    /// - Throws: ``Violation``, or what making the executor threw.
    @discardableResult
    public func run(on subject: Subject) throws -> Bool { try check(subject) }
  }

  /// What an executor did against a claim.
  public struct Violation: Error, CustomStringConvertible {
    /// One sentence, and the line of the claim.
    public let description: String
  }

  /// The whole contract.
  public static let claims: [Claim] = endClaims + stopClaims
}

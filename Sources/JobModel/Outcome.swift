/// How a run ended: the same eight words in the log, the history, the API and exit messages.
public enum Outcome: String, Sendable, CaseIterable, Codable {
  case succeeded
  case failed
  case timedOut = "timed_out"
  case cancelled
  case outOfMemory = "out_of_memory"
  /// The host died, or was stopped by force, under it: it may have started.
  case interrupted
  /// The process that ran it died.
  case crashed
  /// It could not be stopped within its deadline and holds its thread; the pool went on with a new one.
  case stuck

  /// Whether `retry` applies to it. A cancelled run was stopped on purpose; an interrupted one follows `recover`.
  package var isRetried: Bool {
    switch self {
    case .failed, .timedOut, .outOfMemory, .crashed: true
    case .succeeded, .cancelled, .interrupted, .stuck: false
    }
  }

  /// Whether it is a failure: it did not succeed, and neither a person nor the end of the host stopped it. So does
  /// `on_failure` of moondial.lua understand it, and `after = { job = …, outcome = "failed" }`.
  package var isFailure: Bool {
    switch self {
    case .failed, .timedOut, .outOfMemory, .crashed, .stuck: true
    case .succeeded, .cancelled, .interrupted: false
    }
  }
}

/// Why a run did not succeed, as a person reads it.
public struct RunError: Error, Sendable, Equatable, Codable {
  /// One line or more, valid UTF-8, at most 64 KiB.
  public var message: String
  public var file: String?
  public var line: Int?
  public var traceback: String?
  /// What `ctx:fail(message, data)` carried, as JSON.
  public var data: String?

  public init(message: String, file: String? = nil, line: Int? = nil, traceback: String? = nil, data: String? = nil) {
    self.message = message
    self.file = file
    self.line = line
    self.traceback = traceback
    self.data = data
  }
}

extension JobDefinition {
  /// The policy by which another attempt follows one that ended so; nil: it was the last.
  ///
  /// - Parameters:
  ///   - asked: whether the attempt asked for another one (`ctx:retry`).
  ///   - isFinal: whether trying again would not help (the host refused something).
  ///   - retries: retries made before.
  package func retryPolicy(after outcome: Outcome, asked: Bool, isFinal: Bool, retries: Int) -> RetryPolicy? {
    guard asked || outcome.isRetried && !isFinal, let policy = retry ?? (asked ? .onRequest : nil),
      retries < policy.max
    else { return nil }
    return policy
  }
}

/// A run asked for another attempt through `ctx:retry`.
package struct RetryRequest: Sendable, Equatable {
  /// Nanoseconds to wait; nil leaves it to the job's retry policy.
  package var delay: Int64?
  package init(delay: Int64?) { self.delay = delay }
}

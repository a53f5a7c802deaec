/// Why a scheduler does not do what it was asked: one sentence that says what to change.
public struct SchedulerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of trouble it is, for programs that react to it.
  public enum Code: Sendable, Equatable, CaseIterable {
    /// A setting, an option or a name that cannot be.
    case invalid
    /// The name, or the id, is in use already.
    case duplicate
    /// No such job, run or schedule.
    case unknown
    /// `maxInstances` runs of the job are active, and its overlap policy is to skip.
    case overlap
    /// Too late, or too early: it is running already, is stopping, or was never started.
    case state
    /// A store, a directory or the system failed.
    case failed
  }
  /// For programs.
  public let code: Code
  /// The sentence; a line for each thing that is wrong.
  public let message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  public var description: String { message }
}

/// Why something is not a trigger: one sentence that begins with what was written.
///
///     cron "61 3 * * *": minute 61 is outside 0-59
public struct ParseError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The sentence, with a suggestion where there is one.
  public let message: String

  init(_ message: String) { self.message = message }

  /// The message.
  public var description: String { message }
}

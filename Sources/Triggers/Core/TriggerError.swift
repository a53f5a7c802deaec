/// Why something is not a trigger: one sentence that begins with what was written and says what to change.
///
///     cron "61 3 * * *": minute 61 is outside 0-59
public struct TriggerError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The sentence, without the suggestion.
  public let message: String
  /// Where in the text (bytes from its start) the trouble is, when the trouble is in a text.
  public let position: Range<Int>?
  /// What to write instead, when there is something near.
  public let suggestion: String?

  package init(_ message: String, at position: Range<Int>? = nil, suggestion: String? = nil) {
    self.message = message
    self.position = position
    self.suggestion = suggestion
  }

  /// The message, and the suggestion where there is one.
  public var description: String {
    guard let suggestion else { return message }
    return "\(message); \(suggestion)"
  }

  /// The same trouble, introduced by what was written.
  func prefixed(_ prefix: String) -> TriggerError {
    TriggerError("\(prefix): \(message)", at: position, suggestion: suggestion)
  }
}

/// Something worth saying about a trigger that is accepted: shown by `check`, logged at load.
public struct TriggerNote: Sendable, Hashable, CustomStringConvertible {
  /// One sentence.
  public let message: String

  package init(_ message: String) { self.message = message }

  /// The message.
  public var description: String { message }
}

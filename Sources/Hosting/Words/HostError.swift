/// Why a scheduler cannot be set up or started: a sentence that says what to change.
package struct HostError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of trouble it is; commands make their exit code of it.
  package enum Kind: Sendable, Equatable {
    /// Something outside did not work: a file, the store, the system.
    case failed
    /// What was asked for makes no sense: a name, a setting.
    case usage
    /// It was told to end before it had begun, and has: nothing is wrong.
    case ended
  }
  package var kind: Kind
  /// One sentence, or one line for each thing that is wrong.
  package var message: String

  package init(_ message: String) { self.init(.failed, message) }

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }
}

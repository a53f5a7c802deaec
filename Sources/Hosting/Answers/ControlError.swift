/// Why the host does not answer, or does not do what it was told: one sentence that says what to change.
package struct ControlError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: String, Sendable, CaseIterable, Codable {
    /// What was named is not there. HTTP: 404.
    case notFound = "not_found"
    /// It is there, and in a state in which this cannot be done. HTTP: 409.
    case conflict
    /// What was asked cannot be meant. HTTP: 422.
    case invalid
    /// Not now: the host is stopping, or a store does not answer. HTTP: 503.
    case unavailable
  }

  package var code: Code
  package var message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}

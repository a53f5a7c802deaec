/// Why a host was not asked, or did not answer: one sentence.
package struct ClientFailure: Error, Sendable, CustomStringConvertible {
  package enum Kind: Sendable, Equatable {
    /// Nobody answers there.
    case noHost
    /// It refuses: what was asked for is not there, or cannot be done.
    case refused(status: Int)
    /// What came back is no answer that this version knows.
    case notUnderstood
    /// It could not be asked: a wrong address, a broken connection.
    case failed
  }
  package var kind: Kind
  package var message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }
}

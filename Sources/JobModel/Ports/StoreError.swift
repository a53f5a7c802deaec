/// Why a store could not do what it was asked, as a sentence an operator can act on.
package struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable {
    /// Another host holds the store.
    case locked
    /// The store is not this host's any more: another one has taken it over, or its file is not where it was.
    case lost
    /// No space left.
    case full
    case readOnly
    /// The file is damaged, or not a store.
    case corrupt
    /// There is nothing of a store yet where it is to be.
    case absent
    /// Written by a newer version.
    case version
    /// A script has as much as it may have. It says nothing about the store.
    case quota
    /// This version has no stores of that kind.
    case unsupported
    /// The store is closed.
    case closed
    case io
  }
  package var code: Code
  package var message: String
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
  package var description: String { message }
}

extension StoreError {
  /// The answer of a store after `close()`.
  package static func closed(_ store: String) -> StoreError {
    StoreError(.closed, "the store \(store) is closed: open it again to use it")
  }
}

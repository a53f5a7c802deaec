/// What a client may do.
package enum AccessRole: String, Sendable, Hashable, CaseIterable, Comparable {
  /// Ask.
  case read
  /// Ask, and tell the host what to do.
  case operate

  package static func < (a: AccessRole, b: AccessRole) -> Bool { a == .read && b == .operate }
}

/// The doors through which a request can come.
package enum Door: Sendable, Hashable {
  /// `host.sock`: whoever can open the file is the operator.
  case socket
  /// `http.listen`: nobody is known without a credential.
  case tcp(port: Int)
}

/// Who asks.
package struct Identity: Sendable, Hashable {
  /// For the audit: `socket`, `token deploy`, `browser`.
  package var name: String
  package var role: AccessRole
  /// Whether a browser says it on its own: then the page that asks must be the host's.
  package var isCookie: Bool
}

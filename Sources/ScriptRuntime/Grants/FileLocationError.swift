package import FileWatching

/// Why a path could not be reached.
package enum FileLocationError: Error, Equatable {
  /// The kernel's word.
  case system(Errno)
  /// A link on the way leads out of the granted directory.
  case leadsOut(String)

  package func message(_ path: String) -> String {
    switch self {
    case .system(let error): "\(path): \(SystemCall.message(for: error.code))"
    case .leadsOut(let link): "\(path): the link \(link) \(Self.leadsOut)"
    }
  }

  /// How a refusal for the sake of a grant is known.
  package static let leadsOut = "leads out of what was granted"
}

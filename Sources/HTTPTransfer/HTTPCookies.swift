internal import Synchronization

/// Cookies that requests share, in libcurl's form (a line each); libcurl decides which of them go where.
///
/// Threading: any thread.
package final class HTTPCookies: Sendable {
  /// Cookies that are kept; of more the oldest go.
  static let most = 300
  private let lines = Mutex<[String]>([])

  package init() {}

  var all: [String] { lines.withLock { $0 } }

  /// After a request: those that it was given are replaced by those that it has now.
  func replace(_ given: [String], by now: [String]) {
    let gone = Set(given.map(Self.key))
    let come = Set(now.map(Self.key))
    lines.withLock { lines in
      lines.removeAll { gone.contains(Self.key($0)) || come.contains(Self.key($0)) }
      lines += now
      if lines.count > Self.most { lines.removeFirst(lines.count - Self.most) }
    }
  }

  /// Domain, path and name: what makes two cookies the same.
  private static func key(_ line: String) -> [Substring] {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
    return fields.count > 5 ? [fields[0], fields[2], fields[5]] : fields
  }
}

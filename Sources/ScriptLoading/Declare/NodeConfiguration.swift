internal import JobModel

/// How a host is called among those that share a store with it, and what it has that others have not.
package struct NodeConfiguration: Sendable, Hashable {
  /// nil: as its machine.
  package var name: String?
  /// Words that jobs may ask for; each once, sorted.
  package var labels: [String] = []

  package init() {}

  /// Bytes of a name or a label.
  static let most = 63
  static let labelsMost = 50

  /// What is wrong with a text that is no name.
  static func mistake(_ text: String) -> String {
    "\(quoted(text)) must have 1 to \(most) letters, digits, dots, dashes and underscores, and begin with a letter or a "
      + "digit"
  }

  /// Letters, digits, `.`, `-` and `_`, beginning with a letter or a digit: what the name of a machine may be.
  static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= most, isAlphanumeric(first) else { return false }
    return text.utf8.allSatisfy { isAlphanumeric($0) || ".-_".utf8.contains($0) }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}

extension DeclareEnvironment {
  /// Why no host could run a job that asks for labels.
  func complaints(aboutNodes job: JobDefinition) -> [String] {
    guard !job.onNodes.isEmpty, let labels, !placingStores.contains(job.store) else { return [] }
    let missing = job.onNodes.filter { !labels.contains($0) }.map(quoted)
    guard !missing.isEmpty else { return [] }
    return [
      "on_nodes: this host has no label \(missing.joined(separator: ", ")), and store \(quoted(job.store)) has its runs "
        + "on the host that schedules them: add it to node.labels in moondial.lua, or give the job a store in PostgreSQL"
    ]
  }
}

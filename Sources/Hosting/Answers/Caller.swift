internal import JobModel

/// Who gives an order, and through which door it came: what the audit and a pause say.
package struct Caller: Sendable, Hashable {
  package enum Door: String, Sendable, Codable, CaseIterable {
    /// The Unix socket: whoever may open the file.
    case socket
    /// HTTP over TCP: a token or a session of the dashboard.
    case http
    /// The program that embeds the scheduler.
    case program
    /// A job script (`jobs.pause`).
    case script
  }

  /// A person's or a token's name, a script's path. At most 200 bytes are kept.
  package var name: String
  package var door: Door

  package init(_ name: String, _ door: Door) {
    self.name = name.cut(toBytes: Self.nameBytes)
    self.door = door
  }

  package static let nameBytes = 200
}

/// Server-Sent Events that a reply consists of: whole frames, in order, until the client goes or the host ends.
///
/// Source: HTML Living Standard, "Server-sent events". Each frame has an `id`, with which a client goes on where it was
/// (`Last-Event-ID`, or `after` in the query).
package struct EventStream: Sendable {
  /// The frames that come next; suspends until there are some. Empty: the task was cancelled, or the host ends.
  package var next: @Sendable () async -> String

  package init(_ next: @escaping @Sendable () async -> String) { self.next = next }

  /// One frame. Data of several lines becomes one field each.
  package static func frame(id: String? = nil, event: String? = nil, data: String) -> String {
    var text = ""
    if let id { text += "id: \(id)\n" }
    if let event { text += "event: \(event)\n" }
    for line in data.split(separator: "\n", omittingEmptySubsequences: false) { text += "data: \(line)\n" }
    return text + "\n"
  }
}

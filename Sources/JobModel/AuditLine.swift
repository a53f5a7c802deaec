package import Chronology

/// One thing that somebody changed: who, when, what. A store keeps the latest ``Retention/auditLines`` of them.
package struct AuditLine: Sendable, Equatable {
  /// Rises from line to line of a host, over all its stores and starts.
  package var id: Int64
  package var at: Instant
  package var by: String
  /// How the order came: `socket`, `http`, `program`, `script`.
  package var door: String
  /// Such as `pause`.
  package var action: String
  /// The job, run or schedule that it is about; nil: the host.
  package var subject: String?
  /// A JSON object: a reason, parameters.
  package var details: JSONText?

  package init(
    id: Int64 = 0, at: Instant = .distantPast, by: String, door: String, action: String, subject: String? = nil,
    details: JSONText? = nil
  ) {
    self.id = id
    self.at = at
    self.by = by
    self.door = door
    self.action = action
    self.subject = subject
    self.details = details
  }

  /// Bytes of `details` that are kept; beyond them they are left out.
  package static let detailBytes = 4_096
}

/// Which lines of the audit. What is nil is not asked for.
package struct AuditLineQuery: Sendable {
  package var action: String?
  package var subject: String?
  package var by: String?
  package var from: Instant?
  package var to: Instant?
  /// Only ids below this one: the next page.
  package var before: Int64?
  package var limit: Int

  package init(before: Int64? = nil, limit: Int = 100) {
    self.before = before
    self.limit = limit
  }

  /// Whether `line` belongs to the answer, the limit aside.
  package func matches(_ line: AuditLine) -> Bool {
    if let action, line.action != action { return false }
    if let subject, line.subject != subject { return false }
    if let by, line.by != by { return false }
    if let from, line.at < from { return false }
    if let to, line.at >= to { return false }
    return before.map { line.id < $0 } ?? true
  }
}

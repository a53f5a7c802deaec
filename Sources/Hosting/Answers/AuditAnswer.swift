package import Chronology

/// One thing that somebody changed.
package struct AuditAnswer: Sendable, Codable, Equatable {
  package var id: Int64
  package var at: HostTime
  package var by: String
  package var door: String
  package var action: String
  /// The job, run or schedule that it is about; nil: the host.
  package var subject: String?
  /// What was said of it: a reason, parameters, a count.
  package var details: JSONDocument?

  package init(
    id: Int64, at: HostTime, by: String, door: String, action: String, subject: String?, details: JSONDocument?
  ) {
    self.id = id
    self.at = at
    self.by = by
    self.door = door
    self.action = action
    self.subject = subject
    self.details = details
  }
}

extension AuditAnswer {
  /// About how many bytes of text it has.
  var weight: Int { by.utf8.count + (subject?.utf8.count ?? 0) + (details?.text.utf8.count ?? 0) }
}

/// Which lines of the audit. What is nil is not asked for.
package struct AuditQuery: Sendable, Equatable {
  package var action: String?
  package var subject: String?
  package var by: String?
  package var from: Instant?
  package var to: Instant?
  package var after: PageCursor?
  package var limit: Int

  package init(after: PageCursor? = nil, limit: Int = PageLimit.standard) {
    self.after = after
    self.limit = limit
  }
}

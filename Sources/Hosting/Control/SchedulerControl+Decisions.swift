internal import Chronology
internal import JobModel

/// Questions about what became of due instants, and who changed what.
extension SchedulerControl {
  package func decisions(_ query: DecisionsQuery) async throws(ControlError) -> Page<DecisionAnswer> {
    let limit = try PageLimit.checked(query.limit)
    return try await away { () throws(ControlError) in
      if let job = query.job { try self.checkKnown(job) }
      var stored = DecisionQuery(job: query.job, limit: limit)
      if query.from != nil || query.to != nil {
        stored.at = query.from ?? .distantPast
        stored.before = query.to ?? .distantFuture
      }
      let question = stored
      let found = try self.reading { () throws(StoreError) in try self.stores.decisions(question) }
      return Page(
        found.map { DecisionAnswer($0, sentence: $0.words(in: self.parts.zone), in: self.parts.zone) })
    }
  }

  package func audit(_ query: AuditQuery) async throws(ControlError) -> Page<AuditAnswer> {
    try await away { () throws(ControlError) in try self.auditNow(query) }
  }

  func auditNow(_ query: AuditQuery) throws(ControlError) -> Page<AuditAnswer> {
    let limit = try PageLimit.checked(query.limit)
    var stored = AuditLineQuery(limit: limit + 1)
    stored.before = try query.after?.id()
    stored.action = query.action
    stored.subject = query.subject
    stored.by = query.by
    stored.from = query.from
    stored.to = query.to
    var found: [AuditLine] = []
    for (_, store) in parts.stores {
      found += try reading { () throws(StoreError) in try store.audit(stored) }
    }
    found.sort { $0.id > $1.id }
    let page = found.map { line in
      AuditAnswer(
        id: line.id, at: time(line.at), by: line.by, door: line.door, action: line.action, subject: line.subject,
        details: line.details.map { JSONDocument($0) })
    }
    return Page(page, limit: limit, weigh: \.weight) { PageCursor(id: $0.id) }
  }
}

internal import JobModel

/// Who changed what, as a memory store keeps it: the latest lines. Owned by the lock of its store.
struct MemoryAudit {
  /// By id.
  private var lines: [AuditLine] = []
  private(set) var lastID: Int64 = 0
  var limit = Retention().auditLines

  mutating func append(_ line: AuditLine) {
    guard line.id > lastID else { return }
    lastID = line.id
    lines.append(line)
    // Half of them at once: moving the rest costs no more than adding did.
    if lines.count > 2 * limit { lines.removeFirst(lines.count - limit) }
  }

  /// Newest first.
  func lines(_ query: AuditLineQuery) -> [AuditLine] {
    Array(lines.suffix(limit).reversed().lazy.filter(query.matches).prefix(max(0, query.limit)))
  }
}

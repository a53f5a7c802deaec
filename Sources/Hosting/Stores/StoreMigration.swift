package import JobModel

/// Moves everything that one store holds into another one, of whatever kind (`moondial migrate`).
///
///     let migration = StoreMigration(from: source, to: target)
///     let result = try migration.run { progress in … }
///
/// Rows go in pages in a fixed order. Each page is added together with a mark that says where the next one begins, so a
/// migration that was cut off goes on there; it begins anew when the source may have changed meanwhile. At the end all
/// rows of both stores are read and compared (``RowDigest``), and only then a host may schedule from the target.
///
/// Threading: one thread; blocks on both stores.
package struct StoreMigration {
  private let source: any TransferableStore
  private let target: any TransferableStore

  /// - Parameters: both opened with ``StoreAccess/transfer``.
  package init(from source: any TransferableStore, to target: any TransferableStore) {
    self.source = source
    self.target = target
  }

  /// How far it is.
  package struct Progress: Sendable, Equatable {
    package enum Phase: Sendable, Equatable { case moving, comparing }
    package var phase: Phase
    package var section: StoreSection
    /// Rows of the section, done and altogether.
    package var done: Int
    package var total: Int
  }

  package struct Result: Sendable, Equatable {
    /// What both stores hold.
    package var digests: [StoreSection: RowDigest] = [:]
    /// Rows that this call has moved.
    package var moved = 0
    /// Whether it went on where an earlier one was cut off.
    package var isResumed = false
    /// Whether both held the same already.
    package var wasDone = false
  }

  /// Moves everything, and compares.
  ///
  /// - Throws: one sentence: the target holds something else, a store fails, or the two differ at the end.
  package func run(_ report: (Progress) -> Void) throws(StoreError) -> Result {
    var result = Result()
    let fingerprint = try source.fingerprint()
    let found = try target.transferMark()
    if found == nil, try !Self.isEmpty(target) {
      result.digests = try Self.digests(of: target, report)
      guard try result.digests == Self.digests(of: source, report), try source.counters() == target.counters() else {
        throw StoreError(
          .io,
          "\(target.location): the store is not empty, and holds something else than \(source.location): name an empty one"
        )
      }
      result.wasDone = true
      return result
    }
    var mark = found.flatMap { TransferMark($0) } ?? TransferMark(source: "")
    if found != nil, mark.source == fingerprint {
      result.isResumed = true
    } else {
      mark = TransferMark(source: fingerprint)
      try target.clear(mark: mark.text)
    }
    for section in StoreSection.allCases.drop(while: { $0 != mark.section }) {
      let cursor = section == mark.section ? mark.cursor : nil
      result.moved += try move(section, from: cursor, fingerprint, report)
    }
    result.digests = try compare(fingerprint, report)
    try target.finishTransfer(source.counters())
    return result
  }

  /// Whether a store holds nothing.
  package static func isEmpty(_ store: any TransferableStore) throws(StoreError) -> Bool {
    for section in StoreSection.allCases where try store.count(of: section) > 0 { return false }
    return try store.counters() == StoreCounters()
  }

  private func move(
    _ section: StoreSection, from start: String?, _ fingerprint: String, _ report: (Progress) -> Void
  ) throws(StoreError) -> Int {
    let total = try source.count(of: section)
    var done = start == nil ? 0 : try target.count(of: section)
    var moved = 0
    report(Progress(phase: .moving, section: section, done: done, total: total))
    var cursor = start
    repeat {
      let page = try source.page(of: section, after: cursor)
      cursor = page.next
      // The last page is handed over again when it was cut off behind it: rows are replaced by themselves.
      var mark = TransferMark(source: fingerprint)
      mark.section = section
      mark.cursor = cursor
      if cursor == nil, let next = StoreSection.allCases.drop(while: { $0 != section }).dropFirst().first {
        mark.section = next
      }
      try target.receive(page.rows, mark: mark.text)
      moved += page.rows.count
      done += page.rows.count
      report(Progress(phase: .moving, section: section, done: done, total: total))
    } while cursor != nil
    return moved
  }

  private func compare(
    _ fingerprint: String, _ report: (Progress) -> Void
  ) throws(StoreError) -> [StoreSection: RowDigest] {
    let sent = try Self.digests(of: source, report)
    let arrived = try Self.digests(of: target, report)
    for section in StoreSection.allCases {
      let (left, right) = (sent[section] ?? RowDigest(), arrived[section] ?? RowDigest())
      guard left != right else { continue }
      // The next one begins anew.
      try target.receive([], mark: TransferMark(source: "").text)
      throw StoreError(
        .io,
        "the two stores differ in \(section.rawValue): \(left.count) rows (\(left.hex)) in \(source.location), "
          + "\(right.count) (\(right.hex)) in \(target.location): something was writing meanwhile; run it again")
    }
    return sent
  }

  /// Reads all rows.
  private static func digests(
    of store: any TransferableStore, _ report: (Progress) -> Void
  ) throws(StoreError) -> [StoreSection: RowDigest] {
    var digests: [StoreSection: RowDigest] = [:]
    for section in StoreSection.allCases {
      let total = try store.count(of: section)
      var digest = RowDigest()
      var cursor: String?
      repeat {
        let page = try store.page(of: section, after: cursor)
        for row in page.rows { digest.add(row) }
        cursor = page.next
        report(Progress(phase: .comparing, section: section, done: digest.count, total: total))
      } while cursor != nil
      digests[section] = digest
    }
    return digests
  }
}

/// What the target remembers of a migration into it: three lines.
private struct TransferMark {
  var source: String
  var section = StoreSection.allCases[0]
  var cursor: String?

  init(source: String) { self.source = source }

  /// nil: an unknown one.
  init?(_ text: String) {
    let lines = text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
    guard lines.count >= 2, let section = StoreSection(rawValue: String(lines[1])) else { return nil }
    source = String(lines[0])
    self.section = section
    cursor = lines.count == 3 ? String(lines[2]) : nil
  }

  var text: String {
    ([source.replacing("\n", with: " "), section.rawValue] + (cursor.map { [$0] } ?? [])).joined(separator: "\n")
  }
}

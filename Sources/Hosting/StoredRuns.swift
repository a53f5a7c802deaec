internal import Chronology
package import JobModel

/// A run with the name of the store that has it.
package struct StoredRun: Sendable {
  package var record: RunRecord
  /// As the configuration calls it; empty: a store that was named by its file.
  package var store: String

  package init(record: RunRecord, store: String) {
    self.record = record
    self.store = store
  }
}

/// Several stores, asked as one. One number counts the runs of all stores of a host, so that their order is one.
package struct StoreUnion: Sendable {
  package typealias Member = (name: String, store: any JobStore)
  package let members: [Member]

  package init(_ members: [Member]) { self.members = members }

  package subscript(name: String) -> (any JobStore)? { members.first { $0.name == name }?.store }

  /// Newest first.
  func runs(_ query: RunQuery) throws(StoreError) -> [StoredRun] {
    var found: [StoredRun] = []
    for (name, store) in members { found += try store.runs(query).map { StoredRun(record: $0, store: name) } }
    if members.count > 1 { found.sort { $0.record.id > $1.record.id } }
    return Array(found.prefix(query.limit))
  }

  /// The run, wherever it is.
  package func run(_ id: RunID) throws(StoreError) -> StoredRun? { try runs(RunQuery(id: id, limit: 1)).first }

  /// Newest first.
  package func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    var found: [DecisionRange] = []
    for (_, store) in members { found += try store.decisions(query) }
    if members.count > 1 { found.sort { $0.decidedAt > $1.decidedAt } }
    return Array(found.prefix(query.limit))
  }

  func schedules(of job: String) throws(StoreError) -> [ScheduleRecord] {
    var found: [ScheduleRecord] = []
    for (_, store) in members { found += try store.schedules(of: [job]) }
    return found
  }

  func files(of job: String) throws(StoreError) -> [FileMark] {
    var found: [FileMark] = []
    for (_, store) in members { found += try store.files(of: job) }
    return found
  }

  func starts(of job: String, since: Instant) throws(StoreError) -> [RecordedStart] {
    var found: [RecordedStart] = []
    for (_, store) in members { found += try store.starts(of: job, since: since) }
    return found
  }
}

/// Runs of all stores as one list, newest first, read some at a time.
package struct MergedRuns {
  private struct Source {
    let name: String
    let store: any JobStore
    var query: RunQuery
    /// Newest last.
    var buffer: [RunRecord] = []
    var isOver = false
  }
  private var sources: [Source]

  package init(_ stores: StoreUnion, _ query: RunsQuery, before: RunID?) {
    var plain = RunQuery(job: query.job, outcomes: query.outcomes, limit: min(query.limit + 1, 1_000))
    plain.from = query.from
    plain.to = query.to
    plain.before = before
    sources = stores.members.map { Source(name: $0.name, store: $0.store, query: plain) }
  }

  /// nil: there are no more.
  package mutating func next() throws(StoreError) -> StoredRun? {
    for index in sources.indices where sources[index].buffer.isEmpty && !sources[index].isOver {
      let found = try sources[index].store.runs(sources[index].query)
      sources[index].isOver = found.count < sources[index].query.limit
      sources[index].query.before = found.last?.id ?? sources[index].query.before
      sources[index].buffer = found.reversed()
    }
    let newest = sources.indices.filter { !sources[$0].buffer.isEmpty }
      .max { sources[$0].buffer.last!.id < sources[$1].buffer.last!.id }
    guard let newest else { return nil }
    return StoredRun(record: sources[newest].buffer.removeLast(), store: sources[newest].name)
  }
}

/// One page of what a question about runs finds in stores.
package struct RunPage {
  package private(set) var runs: [StoredRun] = []
  package private(set) var next: PageCursor?

  /// - Parameters:
  ///   - tagged: the jobs that carry the tag of the question; nil: it has none.
  ///   - before: the run after which the page begins.
  package init(
    _ stores: StoreUnion, _ query: RunsQuery, tagged: Set<String>?, before: RunID?
  ) throws(StoreError) {
    var all = MergedRuns(stores, query, before: before)
    var (bytes, looked) = (0, 0)
    while let found = try all.next() {
      looked += 1
      if RunPage.fits(found, stores, query, tagged) {
        if runs.count == query.limit || bytes > RunPaging.bytes {
          next = PageCursor(id: runs.last!.record.id.number)
          return
        }
        bytes += found.record.textBytes
        runs.append(found)
      }
      // What is looked for by its text may be rare: the page ends, and says from where to go on.
      if looked == RunPaging.looks(query), runs.count < query.limit {
        next = PageCursor(id: found.record.id.number)
        return
      }
    }
  }

  private static func fits(
    _ run: StoredRun, _ stores: StoreUnion, _ query: RunsQuery, _ tagged: Set<String>?
  ) -> Bool {
    if let tagged, !tagged.contains(run.record.job) { return false }
    guard let text = query.text else { return true }
    if let error = run.record.error, containsText(text, in: error.message) { return true }
    let lines = (try? stores[run.store]?.log(of: run.record.id, limit: RunPaging.logLines)) ?? []
    return lines.contains {
      containsText(text, in: $0.message) || $0.fields.map { containsText(text, in: $0.text) } ?? false
    }
  }
}

/// How much of the history one page looks at.
enum RunPaging {
  /// Bytes of texts on a page.
  static let bytes = 512 << 10
  /// Texts of one run in a list; longer ones are only in the answer about the run.
  static let textBytes = 16 << 10
  /// Lines of a run in which a text is looked for.
  static let logLines = 1_000

  /// Runs that are looked at for one page: of each its log is read, or its tags are compared, at about 50 and 2 µs.
  static func looks(_ query: RunsQuery) -> Int {
    query.text != nil ? 500 : query.tag != nil ? 10_000 : .max
  }
}

extension RunsQuery {
  /// The run after which the page begins. Throws for what is no question.
  package func checked() throws(ControlError) -> RunID? {
    _ = try PageLimit.checked(limit)
    if let from, let to, from >= to {
      throw ControlError(.invalid, "the end of the span must be later than its beginning")
    }
    return try after.map { (cursor) throws(ControlError) in RunID(try cursor.id()) }
  }
}

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

/// Runs of all stores as one list, newest first, read some at a time.
package struct MergedRuns {
  private struct Source {
    let name: String
    let store: any JobStore
    /// Its limit is that of the next part.
    var query: RunQuery
    /// Newest last.
    var buffer: [RunRecord] = []
    var isOver = false
  }
  private var sources: [Source]

  package init(_ stores: StoreUnion, _ query: RunsQuery, before: RunID?) {
    let first = min(query.limit + 1, RunPaging.firstPart)
    var plain = RunQuery(job: query.job, outcomes: query.outcomes, limit: first)
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
      sources[index].query.limit = RunPaging.nextPart(after: found)
      sources[index].buffer = found.reversed()
    }
    let newest = sources.indices.filter { !sources[$0].buffer.isEmpty }
      .max { sources[$0].buffer.last!.id < sources[$1].buffer.last!.id }
    guard let newest else { return nil }
    return StoredRun(record: sources[newest].buffer.removeLast(), store: sources[newest].name)
  }
}

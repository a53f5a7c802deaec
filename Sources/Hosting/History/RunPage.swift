package import JobModel

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
      // What is looked for may be rare: the page ends, full or not, and says from where to go on.
      if looked >= RunPaging.looks(query) {
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

internal import GRDB
internal import JobModel

/// Between which instants the runs of each 1,024 ids were scheduled (`run_spans`): a block range index.
///
/// Ids rise with the order of claims, and that is nearly the order of time, so a question about an hour finds a few
/// blocks and reads only those. A run that was late by a week widens its own block and no other. One row per 1,024
/// runs: 1,000 rows for a million.
///
/// Invariant: the span of a run's block contains the run, for every run that is filed (see `RunIndex`). A span may be
/// wider than its runs, after some were pruned, and may outlive them all.
enum RunSpans {
  /// A block is the ids with the same bits above this many.
  static let shift: Int64 = 10

  /// A row to write: a block, with the earliest and latest instant of the runs that join it.
  struct Span {
    var block: Int64
    var first: Int64
    var last: Int64

    init(run: Int64, at instant: Int64) {
      block = run >> shift
      first = instant
      last = instant
    }
  }

  /// The spans of `entries`, in the order of blocks. O(n); neighbours in a stroke are mostly of one block.
  static func spans(of entries: [RunIndex.Entry]) -> [Span] {
    var spans: [Int64: Span] = [:]
    var current: Span?
    for entry in entries {
      let next = Span(run: entry.run, at: entry.at)
      if var open = current, open.block == next.block {
        open.first = min(open.first, next.first)
        open.last = max(open.last, next.last)
        current = open
      } else {
        if let current { spans[current.block] = current }
        current =
          spans[next.block].map { known in
            Span(block: known.block, first: min(known.first, next.first), last: max(known.last, next.last))
          } ?? next
      }
    }
    if let current { spans[current.block] = current }
    return spans.values.sorted { $0.block < $1.block }
  }

  /// Widens a block's row, or makes it; changes no page when the row is wide enough.
  static let widening = """
    INSERT INTO run_spans(block, first, last) VALUES(?1, ?2, ?3) ON CONFLICT(block) DO UPDATE \
    SET first = min(first, excluded.first), last = max(last, excluded.last) \
    WHERE excluded.first < first OR excluded.last > last
    """

  /// Rows of blocks that lie wholly before the oldest run: pruning empties blocks from the oldest on.
  static let removal = "DELETE FROM run_spans WHERE block < coalesce((SELECT min(id) FROM runs) >> \(shift), 0)"

  /// The ids, up to `through`, that may belong to runs scheduled within `[from, to)`: ranges, newest first. Reads one
  /// row per block.
  static func ranges(
    from: Int64?, to: Int64?, through: Int64, read: (String) throws(StoreError) -> PreparedStatement
  ) throws(StoreError) -> [ClosedRange<Int64>] {
    let find = try read(
      "SELECT block FROM run_spans WHERE last >= ?1 AND first < ?2 AND block <= ?3 ORDER BY block DESC")
    find.bind(1, from ?? .min)
    find.bind(2, to ?? .max)
    find.bind(3, through >> shift)
    var ranges: [ClosedRange<Int64>] = []
    for block in try find.all({ $0.integer(0) }) {
      let first = block << shift
      let last = min(first | ((1 << shift) - 1), through)
      if let newer = ranges.last, newer.lowerBound == last + 1 {
        ranges[ranges.count - 1] = first...newer.upperBound
      } else if first <= last {
        ranges.append(first...last)
      }
    }
    return ranges
  }
}

extension RunSpans.Span {
  fileprivate init(block: Int64, first: Int64, last: Int64) {
    self.block = block
    self.first = first
    self.last = last
  }
}

internal import GRDB
internal import JobModel

/// The index of finished runs by job (`job_runs`), filled in sorted strokes.
///
/// Invariant: every run with an id up to `filedTo` has its entry, and lies within the span of its block (`RunSpans`); a
/// run above it may have neither yet. So the runs of a job are its entries up to `filedTo` and a scan of the tail of
/// `runs` above it. Entries may outlive their run (pruning removes them later); readers join with `runs` and never
/// notice.
///
/// Why: entries in arrival order would dirty one page per job and run, five times as slow with a thousand jobs. Many
/// thousand of them in the order of (job, run) touch each page once. This is the idea of a log-structured merge tree
/// (O'Neil et al., 1996) with one memory component; the tail of `runs` itself is its log, so a crash loses nothing.
///
/// Owned by the writer. O(log n) per entry.
struct RunIndex {
  struct Entry: Comparable {
    var job: Int64
    var run: Int64
    /// When it was scheduled.
    var at: Int64
    static func < (a: Entry, b: Entry) -> Bool { a.job != b.job ? a.job < b.job : a.run < b.run }
  }

  /// Committed runs without an entry, all above `filedTo`, and whose they are.
  private var pending: [Entry] = []
  private var jobs: Set<Int64> = []
  /// The same, of the open transaction.
  private var uncommitted: [Entry] = []
  /// The stroke under way, sorted, and how much of it has been written (`committedPosition`: by committed
  /// transactions).
  private var stroke: [Entry] = []
  /// Of the stroke's runs; written with its last entries.
  private var spans: [RunSpans.Span] = []
  private var position = 0
  private var committedPosition = 0
  /// Where `filedTo` will be after the stroke. Runs up to it that finish meanwhile get their entries at once.
  private var strokeTarget: Int64
  private(set) var filedTo: Int64

  /// Entries at once, for a writer alongside a host: the strokes belong to the host.
  private let isImmediate: Bool
  private let largestTail: Int
  private let insert: PreparedStatement
  private let widen: PreparedStatement
  private let setFiledTo: PreparedStatement

  /// - Parameter largestTail: how many runs may wait for a stroke.
  init(on database: Database, isImmediate: Bool, largestTail: Int, failure: SQLiteFailure) throws(StoreError) {
    self.isImmediate = isImmediate
    self.largestTail = largestTail
    insert = try PreparedStatement(Self.insertion, on: database, failure: failure)
    widen = try PreparedStatement(RunSpans.widening, on: database, failure: failure)
    setFiledTo = try PreparedStatement(
      "INSERT OR REPLACE INTO meta(key, value) VALUES('filed_to', ?1)", on: database, failure: failure)
    let filedTo =
      try PreparedStatement("SELECT value FROM meta WHERE key = 'filed_to'", on: database, failure: failure)
      .first { $0.integer(0) } ?? 0
    self.filedTo = filedTo
    strokeTarget = filedTo
    guard !isImmediate else { return }
    let tail = try PreparedStatement(
      "SELECT job, id, scheduled_at FROM runs WHERE id > ?1", on: database, failure: failure)
    tail.bind(1, filedTo)
    try tail.forEachRow { row throws(StoreError) in
      pending.append(Entry(job: row.integer(0), run: row.integer(1), at: row.integer(2)))
      jobs.insert(row.integer(0))
      return true
    }
  }

  static let insertion = "INSERT OR IGNORE INTO job_runs(job, run) VALUES(?1, ?2)"

  /// A run of `job` has finished.
  mutating func add(_ entry: Entry) throws(StoreError) {
    if isImmediate || entry.run <= strokeTarget {
      try file(entry)
      try file(RunSpans.Span(run: entry.run, at: entry.at))
    } else {
      uncommitted.append(entry)
    }
  }

  /// Whether there is something to write now. With the runs of few jobs strokes are cheap and come early: each question
  /// about a job that is not in the tail scans the whole of it. An answer about one job took 2.4 ms of a processor when
  /// another job ran 100 times a second beside 10,000 others, and takes 0.3 ms.
  var isDue: Bool { !stroke.isEmpty || pending.count >= min(largestTail, max(256, 16 * jobs.count)) }

  /// Writes the next `limit` entries. `ofJob` is told how many entries each job got, in the order of jobs.
  mutating func write(limit: Int, ofJob: (Int64, Int) throws(StoreError) -> Void) throws(StoreError) {
    if stroke.isEmpty { begin() }
    let end = min(stroke.count, position + limit)
    var firstOfJob = position
    while position < end {
      try file(stroke[position])
      position += 1
      if position == stroke.count || stroke[position].job != stroke[firstOfJob].job || position == end {
        try ofJob(stroke[firstOfJob].job, position - firstOfJob)
        firstOfJob = position
      }
    }
    if position == stroke.count {
      for span in spans { try file(span) }
      setFiledTo.bind(1, strokeTarget)
      try setFiledTo.run()
    }
  }

  /// Starts a stroke over everything committed. The runs of the open transaction are not among it, so those at or below
  /// its target are filed by it too.
  private mutating func begin() {
    stroke = pending
    pending.removeAll(keepingCapacity: true)
    jobs.removeAll(keepingCapacity: true)
    strokeTarget = stroke.reduce(filedTo) { max($0, $1.run) }
    for entry in uncommitted where entry.run <= strokeTarget { stroke.append(entry) }
    uncommitted.removeAll { $0.run <= strokeTarget }
    spans = RunSpans.spans(of: stroke)
    stroke.sort()
    position = 0
    committedPosition = 0
  }

  private func file(_ entry: Entry) throws(StoreError) {
    insert.bind(1, entry.job)
    insert.bind(2, entry.run)
    try insert.run()
  }

  private func file(_ span: RunSpans.Span) throws(StoreError) {
    widen.bind(1, span.block)
    widen.bind(2, span.first)
    widen.bind(3, span.last)
    try widen.run()
  }

  mutating func transactionCommitted() {
    pending += uncommitted
    for entry in uncommitted { jobs.insert(entry.job) }
    uncommitted.removeAll(keepingCapacity: true)
    committedPosition = position
    if !stroke.isEmpty, position == stroke.count {
      filedTo = strokeTarget
      stroke.removeAll(keepingCapacity: true)
      position = 0
      committedPosition = 0
    }
  }

  mutating func transactionRolledBack() {
    uncommitted.removeAll(keepingCapacity: true)
    position = committedPosition
  }
}

internal import JobModel

/// The log lines that a memory store keeps: the newest ones, as far as their number and their bytes reach, over all
/// runs and of each job.
///
/// Owned by the lock of its store.
struct MemoryLog {
  /// In the order in which they came, from `first` on.
  private var lines: [RunLogLine] = []
  private var first = 0
  private var bytes = 0
  /// Of the jobs that have lines here.
  private var bytesOfJob: [String: Int] = [:]
  /// How far runs say they are, and the order in which they first said so.
  private var progress: [RunID: RunLogLine] = [:]
  private var progressOrder: [RunID] = []
  private var limit = Retention().logBytes
  private var jobLimit = Retention().logBytesPerJob

  mutating func set(_ retention: Retention) {
    limit = retention.logBytes
    jobLimit = retention.logBytesPerJob
    trim()
  }

  mutating func append(_ more: [RunLogLine]) {
    var crowded: Set<String> = []
    for line in more {
      if line.isProgress {
        setProgress(line)
        continue
      }
      lines.append(line)
      bytes += line.bytes
      let own = bytesOfJob[line.job, default: 0] + line.bytes
      bytesOfJob[line.job] = own
      if own > jobLimit { crowded.insert(line.job) }
    }
    for job in crowded { trim(job) }
    trim()
  }

  /// What the run said last of how far it is.
  func progress(of run: RunID) -> RunLogLine? { progress[run] }

  private mutating func setProgress(_ line: RunLogLine) {
    if progress.updateValue(line, forKey: line.run) == nil { progressOrder.append(line.run) }
    guard progressOrder.count > 2 * MemoryStore.progressRuns else { return }
    // Half of them at once: moving the rest costs no more than adding did.
    for run in progressOrder.prefix(MemoryStore.progressRuns) { progress[run] = nil }
    progressOrder.removeFirst(MemoryStore.progressRuns)
  }

  /// The last `limit` lines of a run, oldest first.
  func lines(of run: RunID, limit: Int) -> [RunLogLine] {
    Array(lines[first...].filter { $0.run == run }.suffix(max(0, limit)))
  }

  /// Oldest first.
  private mutating func trim() {
    while first < lines.count, lines.count - first > MemoryStore.logLines || bytes > limit {
      forget(lines[first])
      first += 1
    }
    // Half of it is over: moving the rest costs no more than its appends did.
    if first > 64, first * 2 > lines.count {
      lines.removeFirst(first)
      first = 0
    }
  }

  /// The oldest lines of one job, down to an eighth below its limit: it is searched for in all lines.
  private mutating func trim(_ job: String) {
    var kept: [RunLogLine] = []
    kept.reserveCapacity(lines.count - first)
    for line in lines[first...] {
      if line.job == job, bytesOfJob[job] ?? 0 > jobLimit - jobLimit / 8 { forget(line) } else { kept.append(line) }
    }
    lines = kept
    first = 0
  }

  private mutating func forget(_ line: RunLogLine) {
    bytes -= line.bytes
    let left = (bytesOfJob[line.job] ?? 0) - line.bytes
    bytesOfJob[line.job] = left > 0 ? left : nil
  }
}

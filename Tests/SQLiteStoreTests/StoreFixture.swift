import Chronology
import GRDB
import Glibc
import JobModel
import MoondialTesting
import SQLiteStore
import TestSupport
import Testing

let start = Instant(seconds: 1_767_225_600)

func options(_ edit: (inout SQLiteStore.Options) -> Void = { _ in }) -> SQLiteStore.Options {
  var options = SQLiteStore.Options()
  options.synchronous = .normal
  options.clock = StandingClock(start)
  options.busySeconds = 30
  edit(&options)
  return options
}

func claim(_ id: Int64, _ job: String) -> RunRecord {
  RunRecord(
    id: RunID(id), job: job, cause: .schedule, scheduledAt: start.advanced(byNanoseconds: id),
    claimedAt: start.advanced(byNanoseconds: id))
}

func finished(_ id: Int64, _ job: String, _ outcome: Outcome = .succeeded, at time: Instant = start) -> RunRecord {
  var run = claim(id, job)
  run.outcome = outcome
  run.attempts = 1
  run.finishedAt = time
  return run
}

func batch(_ edit: (inout StoreBatch) -> Void) -> StoreBatch { .make(edit) }

/// Runs SQL on the file behind the store's back.
func tamper(_ path: String, _ sql: String) throws {
  var configuration = Configuration()
  // The store's writer may still be at the entries of its index.
  configuration.busyMode = .timeout(30)
  let queue = try DatabaseQueue(path: path, configuration: configuration)
  try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
  try queue.close()
}

/// Runs `body` while another connection is in the middle of writing.
func holdingWriteLock(_ path: String, _ body: () throws -> Void) throws {
  var configuration = Configuration()
  // The store's own writer may hold the lock at this moment, as it does when it has just been opened.
  configuration.busyMode = .timeout(60)
  let queue = try DatabaseQueue(path: path, configuration: configuration)
  try queue.inTransaction(.immediate) { _ in
    try body()
    return .rollback
  }
  try queue.close()
}

struct FileFailure: Error {}

func bytes(of path: String) throws -> [UInt8] {
  let descriptor = unsafe open(path, O_RDONLY)
  guard descriptor >= 0 else { throw FileFailure() }
  defer { close(descriptor) }
  var content: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = unsafe read(descriptor, &chunk, chunk.count)
    guard count > 0 else { return content }
    content += chunk[..<count]
  }
}

func write(_ content: [UInt8], to path: String) throws {
  let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  guard descriptor >= 0 else { throw FileFailure() }
  defer { close(descriptor) }
  var written = 0
  while written < content.count {
    let count = unsafe content.withUnsafeBytes {
      unsafe Glibc.write(descriptor, $0.baseAddress! + written, content.count - written)
    }
    guard count > 0 else { throw FileFailure() }
    written += count
  }
}

/// Commits until `isDone`; background work rides along with commits, so there is nothing to wait for but them.
func settle(_ store: SQLiteStore, until isDone: () throws -> Bool) throws {
  for _ in 0..<2_000 {
    if try isDone() { return }
    try store.commit(batch { $0.clockEpoch = ClockEpoch(0) })
  }
  Issue.record("2,000 commits did not bring it about")
}

internal import Chronology
internal import FileWatching
package import JobModel

/// The sum over rows of a section by which two stores are compared: how many they are, and the sum of their hashes,
/// which does not depend on their order.
///
/// A hash is the first half of the SHA-256 of the row's fields, each with its length; sums are modulo 2⁶⁴ in two
/// halves. Who adds a field to a row adds it here.
package struct RowDigest: Sendable, Equatable {
  package private(set) var count = 0
  private var high: UInt64 = 0
  private var low: UInt64 = 0

  package init() {}

  package mutating func add(_ row: StoreRow) {
    var fields = RowFields()
    fields.add(row)
    let hash = SHA256.hash(fields.bytes)
    count += 1
    high &+= Self.word(hash[..<8])
    low &+= Self.word(hash[8..<16])
  }

  private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

  /// 32 hexadecimal digits.
  package var hex: String {
    [high, low].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}

/// The fields of a row, one after the other, so that no two rows have the same bytes.
private struct RowFields {
  private(set) var bytes: [UInt8] = []

  private mutating func add(_ number: Int64?) {
    guard let number else { return bytes.append(0) }
    bytes.append(1)
    // Safe: the eight bytes of a local.
    unsafe withUnsafeBytes(of: number.littleEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  private mutating func add(_ number: Int?) { add(number.map { Int64($0) }) }
  private mutating func add(_ number: Int32) { add(Int64(number)) }
  private mutating func add(_ flag: Bool) { bytes.append(flag ? 3 : 2) }

  private mutating func add(_ text: String?) {
    add(text?.utf8.count)
    if let text { bytes.append(contentsOf: text.utf8) }
  }

  mutating func add(_ row: StoreRow) {
    switch row {
    case .schedule(let record): add(record)
    case .run(let run): add(run)
    case .step(let step): add(step)
    case .intent(let intent):
      for number in [intent.id, intent.run.number, Int64(intent.position), intent.at.nanoseconds] { add(number) }
      add(intent.job)
      add(intent.operations.text)
    case .logLine(let line, let number): add(line, number)
    // Where it stands among others is each store's own way to number them.
    case .decision(let range, _): add(range)
    case .keyValue(let value, let key, let space):
      add(space)
      add(key)
      add(value.value.text)
      add(value.version)
      add(value.expiresAt?.nanoseconds)
    case .file(let mark): add(mark)
    case .audit(let line): add(line)
    }
  }

  /// What the runs returned that a join has seen is a matter of the runs.
  private mutating func add(_ record: ScheduleRecord) {
    add(record.job)
    add(record.trigger)
    for instant in [record.nextFire, record.anchor, record.lastFire, record.orphanedAt] { add(instant?.nanoseconds) }
    add(record.fireCount)
    add(record.registeredAt.nanoseconds)
    add(record.clockEpoch.number)
    add(record.isPaused)
    add(record.pause?.reason)
    add(record.pause?.by)
    add(record.pause?.at.nanoseconds)
    add(record.arrivals.count)
    for arrival in record.arrivals {
      add(arrival.job)
      add(arrival.run.number)
    }
    add(record.id)
    guard let options = record.dynamic?.options else { return }
    add(options.params?.text)
    add(options.jitter)
    add(options.timeZone)
    add(options.misfireGraceTime)
    add(options.coalesce.map { "\($0)" })
    add(options.maxInstances)
    add(options.priority)
  }

  private mutating func add(_ run: RunRecord) {
    add(run.id.number)
    add(run.job)
    add(run.cause.rawValue)
    add(run.outcome?.rawValue)
    for instant in [run.scheduledAt, run.claimedAt, run.startedAt, run.finishedAt, run.retriedAt, run.resumesAt] {
      add(instant?.nanoseconds)
    }
    add(run.clockEpoch.number)
    add(run.missed)
    add(run.memoryPeakBytes)
    add(run.duration)
    add(run.attempts)
    for text in [run.result, run.params, run.event] { add(text?.text) }
    add(run.schedule)
    add(run.recovers?.number)
    add(run.park?.position.description)
    add(run.park?.until?.nanoseconds)
    add(run.park?.event)
    guard let error = run.error else { return }
    for text in [error.message, error.file, error.traceback, error.data] { add(text) }
    add(error.line)
  }

  private mutating func add(_ step: RunStep) {
    add(step.run.number)
    add(step.position)
    add(step.kind.rawValue)
    add(step.name)
    add(step.attempt)
    for instant in [step.startedAt, step.finishedAt, step.until] { add(instant?.nanoseconds) }
    add(step.result?.text)
  }

  private mutating func add(_ line: RunLogLine, _ number: Int64) {
    add(line.run.number)
    add(number)
    add(line.job)
    add(line.at.nanoseconds)
    add(line.level)
    add(line.message)
    add(line.fields?.text)
  }

  private mutating func add(_ range: DecisionRange) {
    add(range.job)
    add(range.schedule)
    add(range.kind.rawValue)
    add(range.reason?.rawValue)
    add(range.first.nanoseconds)
    add(range.last.nanoseconds)
    add(range.count)
    add(range.isAtLeast)
    add(range.clockEpoch.number)
    add(range.decidedAt.nanoseconds)
    add(range.run?.number)
  }

  private mutating func add(_ mark: FileMark) {
    add(mark.job)
    add(mark.path)
    add(mark.version.map { Int64(bitPattern: $0.device) })
    add(mark.version.map { Int64(bitPattern: $0.inode) })
    add(mark.version?.size)
    add(mark.version?.modified)
    add(mark.run?.number)
    add(mark.outcome?.rawValue)
    add(mark.at.nanoseconds)
  }

  private mutating func add(_ line: AuditLine) {
    add(line.id)
    add(line.at.nanoseconds)
    for text in [line.by, line.door, line.action, line.subject, line.details?.text] { add(text) }
  }
}

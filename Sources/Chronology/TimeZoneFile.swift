/// What a TZif file says (RFC 9636, versions 1 to 4): changes of offset, and a POSIX rule for the time after them.
///
/// Files come from the system, but a directory may be pointed anywhere, so every length is checked. Leap seconds are
/// read over: "right" files count them in their times, which are converted back to POSIX time.
struct TimeZoneFile {
  /// The offset before the first change.
  var firstOffset = 0
  /// Ascending, in POSIX seconds.
  var changes: [(at: Int, offset: Int)] = []
  /// The rule after the last change; empty when there is none.
  var footer = ""
  /// Leap seconds that were removed from the times, if any.
  var leapSeconds: [(at: Int, total: Int)] = []

  init(bytes: [UInt8]) throws(TimeZoneError) {
    var reader = TimeZoneFileReader(bytes: bytes)
    let first = try reader.header()
    if first.version >= 2 {
      // The 32-bit block is there for old readers only.
      try reader.skip(first.size(timeSize: 4))
      let second = try reader.header()
      try read(second, timeSize: 8, from: &reader)
      footer = try reader.footer()
    } else {
      try read(first, timeSize: 4, from: &reader)
    }
  }

  private mutating func read(
    _ header: TimeZoneFileHeader, timeSize: Int, from reader: inout TimeZoneFileReader
  ) throws(TimeZoneError) {
    guard header.types > 0, header.types <= 256 else { throw TimeZoneError("it has no local time types") }
    try reader.require(header.size(timeSize: timeSize))
    var times: [Int] = []
    times.reserveCapacity(header.times)
    for _ in 0..<header.times { times.append(reader.integer(timeSize)) }
    var indices: [Int] = []
    indices.reserveCapacity(header.times)
    for _ in 0..<header.times { indices.append(Int(reader.byte())) }
    var offsets: [Int] = []
    for _ in 0..<header.types {
      let offset = reader.integer(4)
      guard offset.magnitude < 26 * 3600 else { throw TimeZoneError("it has an offset of \(offset) seconds") }
      offsets.append(offset)
      _ = reader.byte()
      _ = reader.byte()
    }
    try reader.skip(header.characters)
    for _ in 0..<header.leaps {
      let at = reader.integer(timeSize)
      leapSeconds.append((at, reader.integer(4)))
    }
    try reader.skip(header.standardIndicators + header.universalIndicators)
    firstOffset = offsets[0]
    for (time, index) in zip(times, indices) {
      guard index < offsets.count else { throw TimeZoneError("a change refers to a type that is not there") }
      let at = posixTime(time)
      if let last = changes.last, at < last.at { throw TimeZoneError("its changes are out of order") }
      changes.append((at, offsets[index]))
    }
  }

  /// `time` without the leap seconds counted in it.
  private func posixTime(_ time: Int) -> Int {
    guard let leap = leapSeconds.last(where: { $0.at <= time }) else { return time }
    // Counted back from the beginning of time there is nothing before it.
    return time.subtractingReportingOverflow(leap.total).overflow ? time : time - leap.total
  }
}

/// The counts at the head of a block.
struct TimeZoneFileHeader {
  var version = 1
  var universalIndicators = 0
  var standardIndicators = 0
  var leaps = 0
  var times = 0
  var types = 0
  var characters = 0

  /// The bytes of the block that follows.
  func size(timeSize: Int) -> Int {
    times * (timeSize + 1) + types * 6 + characters + leaps * (timeSize + 4) + standardIndicators
      + universalIndicators
  }
}

/// Reads big-endian fields, in order. Callers `require` the size of a block once and then read its fields.
struct TimeZoneFileReader {
  private let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  func require(_ count: Int) throws(TimeZoneError) {
    guard count <= bytes.count - position else { throw TimeZoneError("it is cut short") }
  }

  mutating func skip(_ count: Int) throws(TimeZoneError) {
    try require(count)
    position += count
  }

  mutating func byte() -> UInt8 {
    defer { position += 1 }
    return bytes[position]
  }

  /// A signed integer of 4 or 8 bytes.
  mutating func integer(_ size: Int) -> Int {
    var value: UInt64 = 0
    for _ in 0..<size { value = value << 8 | UInt64(byte()) }
    return size == 8 ? Int(Int64(bitPattern: value)) : Int(Int32(truncatingIfNeeded: value))
  }

  mutating func header() throws(TimeZoneError) -> TimeZoneFileHeader {
    try require(44)
    guard bytes[position..<position + 4].elementsEqual("TZif".utf8) else {
      throw TimeZoneError("it does not begin with TZif")
    }
    var header = TimeZoneFileHeader()
    let version = bytes[position + 4]
    header.version = version == 0 ? 1 : Int(version) - 48
    position += 20
    var counts: [Int] = []
    for _ in 0..<6 {
      let count = integer(4)
      guard count >= 0, count <= bytes.count else { throw TimeZoneError("it is cut short") }
      counts.append(count)
    }
    header.universalIndicators = counts[0]
    header.standardIndicators = counts[1]
    header.leaps = counts[2]
    header.times = counts[3]
    header.types = counts[4]
    header.characters = counts[5]
    return header
  }

  /// The line after the 64-bit block.
  mutating func footer() throws(TimeZoneError) -> String {
    try require(2)
    guard byte() == 10 else { throw TimeZoneError("its footer is missing") }
    guard let end = bytes[position...].firstIndex(of: 10) else { throw TimeZoneError("its footer has no end") }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }
}

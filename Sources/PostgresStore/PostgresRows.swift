internal import CPostgres
internal import Chronology

/// What one statement answered: rows of values in binary format.
///
/// Columns are read by their number; a column of another type than the one it is read as, or one that is null where a
/// value is asked for, reads as zero or empty: the statements are this target's own, and a table that somebody changed
/// by hand must not trap.
@safe final class PostgresRows {
  // `@safe`: the pointer is owned by this object alone, never leaves it, and is freed once in deinit.
  private let result: OpaquePointer
  let count: Int

  /// Takes over `result`.
  init(_ result: OpaquePointer) {
    unsafe self.result = unsafe result
    count = unsafe Int(PQntuples(result))
  }

  deinit { unsafe PQclear(result) }

  func isNull(_ row: Int, _ column: Int32) -> Bool { unsafe PQgetisnull(result, Int32(row), column) != 0 }

  private func bytes<R>(_ row: Int, _ column: Int32, _ read: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    let size = unsafe Int(PQgetlength(result, Int32(row), column))
    let start = unsafe PQgetvalue(result, Int32(row), column)
    // Safe: the bytes belong to the result, which lives as long as self; they are only read inside the call.
    guard let start = unsafe start else { return unsafe read(UnsafeBufferPointer(start: nil, count: 0)) }
    return unsafe start.withMemoryRebound(to: UInt8.self, capacity: size) {
      unsafe read(UnsafeBufferPointer(start: $0, count: size))
    }
  }

  func integer(_ row: Int, _ column: Int32) -> Int64 {
    // bigint, and boolean as 0 or 1.
    unsafe bytes(row, column) { bytes in
      unsafe bytes.count <= 8 ? bytes.reduce(0) { $0 << 8 | Int64($1) } : 0
    }
  }
  func optionalInteger(_ row: Int, _ column: Int32) -> Int64? { isNull(row, column) ? nil : integer(row, column) }

  func text(_ row: Int, _ column: Int32) -> String { PostgresText.unescaped(key(row, column)) }

  func byteList(_ row: Int, _ column: Int32) -> [UInt8] { unsafe bytes(row, column) { unsafe Array($0) } }

  /// A value of bytes, as a text.
  func key(_ row: Int, _ column: Int32) -> String {
    unsafe bytes(row, column) { unsafe String(decoding: $0, as: UTF8.self) }
  }
  func optionalText(_ row: Int, _ column: Int32) -> String? { isNull(row, column) ? nil : text(row, column) }

  func instant(_ row: Int, _ column: Int32) -> Instant? {
    optionalInteger(row, column).map { Instant(nanoseconds: $0) }
  }

  /// A number of things, 0...2⁵³: what another program wrote must not make a sum overflow.
  func count(_ row: Int, _ column: Int32) -> Int { Int(min(max(0, integer(row, column)), 1 << 53)) }
  /// A number of attempts, or of clock epochs: 0...10⁹.
  func smallCount(_ row: Int, _ column: Int32) -> Int32 { Int32(min(max(0, integer(row, column)), 1_000_000_000)) }
  /// A span of time in nanoseconds: 0...146 years.
  func span(_ row: Int, _ column: Int32) -> Int64 { min(max(0, integer(row, column)), 1 << 62) }
}

internal import CLuaShim

/// What a job's functions can reach, taken from the state that declared them: it makes the job's state, any number of
/// times.
///
///     let capture = try LuaCapture(of: [["run": reference]], in: declaration)
///     let state = try runtime.makeState(capture.capsules[0])
///
/// Immutable; may be used from any thread and sent to another process (`encoded()`). What is in it, and the invariants
/// it keeps, is in docs/capsules.md; in short: function prototypes shared by the whole process, captured locals with
/// their sharing, tables with cycles and metatables, host objects by name, and the globals and modules that the code
/// can name.
@safe package final class LuaCapsule: LuaOrigin, @unchecked Sendable {
  // The C object is immutable and its count of owners is atomic, so the class is Sendable; owned from `init` to
  // `deinit`.
  private let capsule: OpaquePointer

  /// Takes over an owned C capsule.
  init(owning capsule: OpaquePointer) { unsafe self.capsule = capsule }

  deinit { unsafe moon_capsule_release(capsule) }

  /// A hash of what the job can reach, the same in every process.
  package struct Hash: Sendable, Hashable, CustomStringConvertible {
    /// SHA-256.
    package let bytes: [UInt8]

    /// The first 16 digits in hexadecimal: enough to tell versions of one job apart.
    package var description: String {
      let digits = Array("0123456789abcdef")
      return String(bytes.prefix(8).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
  }

  /// Hashes of everything, and of everything but line information (lines, chunk names, names of locals). `full`
  /// different and `code` equal: lines have moved, the program is the same. O(what the job reaches).
  package func hashes() -> (full: Hash, code: Hash) {
    var full = [UInt8](repeating: 0, count: Int(MOON_CAPSULE_HASH))
    var code = full
    // Both arrays have the size that the function writes.
    precondition(unsafe moon_capsule_hashes(capsule, &full, &code), "out of memory while hashing a capsule")
    return (Hash(bytes: full), Hash(bytes: code))
  }

  /// How two capsules compare.
  package enum Difference: Sendable {
    /// The same program and data: a job that has it is unchanged.
    case none
    /// Only line information differs.
    case lines
    /// Something that runs differs, or may differ.
    case code
  }

  /// How this capsule differs from another one. A capsule that has a table with objects as keys, which have no order,
  /// is taken to differ from every other one.
  package func difference(from other: LuaCapsule) -> Difference {
    if self === other { return .none }
    if isNeverEqual || other.isNeverEqual { return .code }
    let mine = hashes()
    let theirs = other.hashes()
    return mine.full == theirs.full ? .none : mine.code == theirs.code ? .lines : .code
  }

  /// Whether it has a table whose keys have no order.
  package var isNeverEqual: Bool { unsafe moon_capsule_never_equal(capsule) }

  /// Bytes in memory, without prototypes and the part shared with other jobs of the script.
  package var byteCount: Int { unsafe moon_capsule_size(capsule) }

  /// Bytes of the part that it shares with other jobs of its script.
  package var sharedByteCount: Int { unsafe moon_capsule_shared_size(capsule) }

  /// The names of the functions to start at, sorted by their bytes.
  package var entries: [String] {
    (0..<(unsafe moon_capsule_entry_count(capsule))).map { index in
      var length = 0
      let bytes = unsafe moon_capsule_entry(capsule, index, &length)
      // The name lies in the capsule, which lives as long as self.
      return unsafe String(decoding: UnsafeRawBufferPointer(start: bytes, count: length), as: UTF8.self)
    }
  }

  // MARK: Building

  /// Builds into a fresh job state and registers the entries.
  package func build(_ state: LuaState) throws(LuaError) {
    // The capsule is immutable and lives as long as self, which the caller retains.
    switch unsafe moon_capsule_install(state.lua, capsule) {
    case MOON_OK: return
    case MOON_ERROR: throw unsafe state.popError(from: state.lua, .host)
    default: throw state.abandoned()
    }
  }

  // MARK: Other processes

  /// The canonical bytes of everything that the job can reach: equal code gives equal bytes in every process.
  package func encoded() -> [UInt8] {
    var length = 0
    guard let bytes = unsafe moon_capsule_encode(capsule, &length) else {
      preconditionFailure("out of memory while encoding a capsule")
    }
    defer { unsafe moon_capsule_free(bytes) }
    // The function returned `length` bytes, which are ours.
    return unsafe Array(UnsafeBufferPointer(start: bytes, count: length))
  }

  /// A capsule from `encoded()`'s bytes. They contain bytecode: decode only what a trusted process encoded.
  ///
  /// - Throws: when the bytes are damaged, or come from another version of Moondial or Lua.
  package init(decoding bytes: [UInt8]) throws(LuaError) {
    var error: UnsafePointer<CChar>?
    guard let capsule = unsafe moon_capsule_decode(bytes, bytes.count, &error) else {
      throw LuaError(.host, unsafe error.map { unsafe String(cString: $0) } ?? "the capsule cannot be read")
    }
    unsafe self.capsule = capsule
  }
}

internal import CZlib

/// Undoes gzip and deflate, in pieces: it never makes more than its caller has asked for.
///
/// Threading: one thread at a time.
@safe final class Inflater {  // `stream` is its own, made and freed here
  enum Coding { case gzip, deflate }
  enum Step: Equatable {
    /// So many bytes of output.
    case output(Int)
    /// All of the input is used.
    case hungry
    case broken
  }

  private let stream: UnsafeMutablePointer<z_stream>
  private let coding: Coding
  private var input: [UInt8] = []
  private var used = 0
  private var hasMade = false
  /// The last output was filled, so more of it may be waiting inside zlib.
  private var wasFull = false
  /// A stream of deflate without its frame, which some servers send.
  private var isRaw = false
  /// It has come to an end, and nothing is open.
  private(set) var isComplete = false

  /// Nil when there is no memory for it.
  init?(_ coding: Coding) {
    self.coding = coding
    unsafe stream = .allocate(capacity: 1)
    // Safe: a structure of zeros is what zlib asks for.
    unsafe stream.initialize(to: z_stream())
    // 15 is the largest window, 32 asks for gzip and zlib frames alike.
    guard unsafe moon_inflate_start(stream, 15 + 32) == Z_OK else {
      unsafe stream.deallocate()
      return nil
    }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// More input; what was given before is used up.
  func give(_ bytes: UnsafeRawBufferPointer) {
    unsafe input = Array(bytes)
    used = 0
  }

  /// Fills `output` as far as the input goes.
  func step(into output: UnsafeMutableRawBufferPointer) -> Step {
    while true {
      if isComplete, !startsAgain() { return .hungry }
      guard used < input.count || wasFull else { return .hungry }
      let (code, made) = unsafe turn(into: output)
      wasFull = made == output.count
      if made > 0 { hasMade = true }
      switch code {
      case Z_STREAM_END: isComplete = true
      case Z_OK, Z_BUF_ERROR: break
      case Z_DATA_ERROR where coding == .deflate && !hasMade && !isRaw:
        guard tryRaw() else { return .broken }
        continue
      default: return .broken
      }
      if made > 0 { return .output(made) }
      if code == Z_BUF_ERROR { return .hungry }
    }
  }

  private func turn(into output: UnsafeMutableRawBufferPointer) -> (code: Int32, made: Int) {
    // Safe: the input's bytes outlive the call, which reads `avail_in` of them and writes `avail_out` at most.
    unsafe input.withUnsafeMutableBytes { bytes in
      unsafe stream.pointee.next_in = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + used
      unsafe stream.pointee.avail_in = UInt32(bytes.count - used)
      unsafe stream.pointee.next_out = output.baseAddress!.assumingMemoryBound(to: UInt8.self)
      unsafe stream.pointee.avail_out = UInt32(output.count)
      let code = unsafe inflate(stream, Z_NO_FLUSH)
      unsafe used = bytes.count - Int(stream.pointee.avail_in)
      return (code, unsafe output.count - Int(stream.pointee.avail_out))
    }
  }

  /// gzip may have several members; what follows the last one is no part of it.
  private func startsAgain() -> Bool {
    guard coding == .gzip, used < input.count, input[used] == 0x1f, unsafe inflateReset(stream) == Z_OK else {
      used = input.count
      return false
    }
    isComplete = false
    return true
  }

  private func tryRaw() -> Bool {
    isRaw = true
    used = 0
    return unsafe inflateReset2(stream, -15) == Z_OK
  }
}

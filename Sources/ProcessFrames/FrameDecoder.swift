internal import Basics
package import JobModel

/// The bytes of a connection are no frames.
package struct FrameError: Error, Sendable, Equatable, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}

/// A frame is four bytes with the length of what follows (little-endian), then so many bytes: the kind of message, and
/// its fields.
package enum Frame {
  /// The version of everything that is in frames. Both sides are the same program; it catches one that was exchanged.
  package static let version: UInt32 = 1
  /// Bytes in front of a frame.
  package static let head = 4
  /// Bytes that a frame may have, head not counted, whatever the quotas are.
  package static let largest = 256 << 20
  /// Bytes that an answer without a quota of its own may have.
  package static let answerMost = 16 << 20

  /// Bytes that a frame of a worker may have: twice the largest thing that a quota allows, and room for the rest.
  package static func most(under quotas: Quotas) -> Int {
    let largest = max(quotas.kvValueBytes, quotas.eventBytes, quotas.paramsBytes, quotas.resultBytes)
    return max(2 * Quotas.transactionBytes, 2 * largest + (1 << 20))
  }

  /// A message with its length in front. Whoever makes one has bounded what is in it.
  package static func wrap(_ body: [UInt8]) -> [UInt8] {
    precondition(body.count <= largest, "a frame has at most \(largest) bytes")
    let length = UInt32(body.count)
    return (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + body
  }
}

/// Takes the bytes of a connection as they come, and gives whole frames.
///
///     decoder.add(bytes)
///     while let body = try decoder.next() { … }
///
/// It keeps what it was given and no frame has taken; a frame that says it is longer than `limit` is an error before
/// its bytes have come. After an error the connection is of no use.
package struct FrameDecoder: Sendable {
  private var buffer: [UInt8] = []
  private var position = 0
  /// Bytes that a frame may have; what is changed holds from the next frame on.
  package var limit: Int {
    didSet { limit = min(limit, Frame.largest) }
  }

  package init(limit: Int) { self.limit = min(limit, Frame.largest) }

  /// Bytes that no frame has taken yet.
  package var waiting: Int { buffer.count - position }

  package mutating func add(_ bytes: ArraySlice<UInt8>) { buffer += bytes }

  /// The next whole frame; nil: more bytes are needed.
  package mutating func next() throws(FrameError) -> ArraySlice<UInt8>? {
    guard waiting >= Frame.head else {
      compact()
      return nil
    }
    var length = 0
    for index in 0..<Frame.head { length |= Int(buffer[position + index]) << (8 * index) }
    guard length > 0 else { throw FrameError("a frame without a message") }
    guard length <= limit else { throw FrameError("a frame of \(length) bytes, where \(limit) are allowed") }
    guard waiting >= Frame.head + length else {
      compact()
      return nil
    }
    let start = position + Frame.head
    position = start + length
    return buffer[start..<position]
  }

  /// Gives back what frames have taken.
  private mutating func compact() {
    guard position > 0 else { return }
    buffer.removeFirst(position)
    position = 0
  }
}

import Basics
import Glibc
import Hosting
import Testing

@Suite("Lines that wait for a reader")
struct LineQueueTests {
  private let read: Int32
  private let write: Int32

  init() throws {
    var ends: [Int32] = [-1, -1]
    // Safe: the array has room for the two that are written.
    try #require(unsafe pipe(&ends) == 0)
    (read, write) = (ends[0], ends[1])
  }

  private func queue() throws -> LineQueue { try LineQueue(to: write) { "\($0) lines dropped" } }

  /// Everything until `count` lines have come.
  private func lines(_ count: Int) -> [String] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var ends = 0
    // Each byte is looked at once: a reader that looks at all of them anew for each piece is slower than the longest
    // flush when the machine has other things to do.
    while ends < count {
      // Safe: reads at most the buffer's size into it.
      let got = unsafe Glibc.read(read, &buffer, buffer.count)
      guard got > 0 else { break }
      for byte in buffer[..<got] where byte == 10 { ends += 1 }
      bytes += buffer[..<got]
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  @Test("in order, whole, and flushed while somebody reads")
  func order() throws {
    let queue = try queue()
    let thread = try NamedThread("reader-test") { [self] in
      #expect(lines(20_000) == (0..<20_000).map { "line \($0)" })
    }
    for number in 0..<20_000 { queue.add("line \(number)") }
    #expect(queue.flush(stall: 60_000_000_000, most: 60_000_000_000))
    thread.join()
  }

  @Test("nobody reads: adding never waits, what is too much is counted where it would have stood, flushing gives up")
  func stalled() throws {
    let queue = try queue()
    let long = 1 << 20
    // The pipe takes a part of it. When that is there, the writer has the rest and has come for nothing else.
    queue.add(String(repeating: "w", count: long))
    var byte: UInt8 = 0
    // Safe: reads one byte into the variable.
    #expect(unsafe Glibc.read(read, &byte, 1) == 1)
    for _ in 0..<40 { queue.add(String(repeating: "x", count: long)) }
    #expect(!queue.flush(stall: 1_000_000))
    let thread = try NamedThread("reader-test") { [self] in
      // What the writer had and one queue full is kept; the count stands after what was there when the others came.
      let full = (LineQueue.mostBytes - 1) / (long + 1)
      let kept = lines(.max).map { $0.utf8.count < 100 ? $0 : "\($0.utf8.count) \($0.prefix(1))" }
      #expect(
        kept == ["\(long - 1) w"] + Array(repeating: "\(long) x", count: full)
          + ["\(40 - full) lines dropped", "last"])
    }
    #expect(queue.flush(stall: 60_000_000_000, most: 60_000_000_000))
    queue.add("last")
    #expect(queue.flush(stall: 60_000_000_000, most: 60_000_000_000))
    close(write)
    thread.join()
  }

  @Test("a reader that has gone costs its lines and nothing else")
  func gone() throws {
    signal(SIGPIPE, SIG_IGN)
    let queue = try queue()
    close(read)
    for number in 0..<1_000 { queue.add("line \(number)") }
    #expect(queue.flush(stall: 60_000_000_000, most: 60_000_000_000))
  }

  @Test("a descriptor that somebody made non-blocking loses nothing")
  func nonBlocking() throws {
    #expect(fcntl(write, F_SETFL, O_NONBLOCK) == 0)
    let queue = try queue()
    for number in 0..<50_000 { queue.add("line \(number)") }
    #expect(lines(50_000).count == 50_000)
  }
}

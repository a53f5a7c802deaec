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
    let long = String(repeating: "x", count: 1 << 20)
    queue.add("first")
    for _ in 0..<40 { queue.add(long) }
    #expect(!queue.flush(stall: 1_000_000))
    // What the pipe holds and the writer has, and one queue full, is kept.
    let thread = try NamedThread("reader-test") { [self] in
      let kept = lines(.max)
      let dropped = kept.first { $0.hasSuffix("lines dropped") }.flatMap { Int($0.split(separator: " ")[0]) } ?? 0
      #expect(kept.first == "first" && kept.last == "last")
      #expect(kept.count { $0.count == 1 << 20 } + dropped == 40)
      #expect((20..<40).contains(dropped), "\(dropped)")
      let place = kept.firstIndex { $0.hasSuffix("lines dropped") }
      #expect(place == kept.count - 2, "after what was there when they came")
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

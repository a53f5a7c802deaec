import Basics
import Chronology
import Glibc
import JobModel
import ProcessFrames
import TestSupport
import Testing

/// What comes over the socket of a worker may be anything.
@Suite("Frames between a host and its workers")
struct FrameTests {
  private static let rounds = unsafe getenv("MOONDIAL_LONG_TESTS") != nil ? 1_000_000 : 30_000

  private static func samples() -> [[UInt8]] {
    let details = AttemptDetails(
      error: RunError(message: "no", file: "a.lua", line: 3, traceback: "t", data: "[1]"), result: JSONText("7"),
      retry: RetryRequest(delay: 5), isFinal: true)
    let result = WorkerResult(outcome: .failed, duration: 5, memoryPeakBytes: 9, details: details, isReusable: true)
    let worker: [WorkerMessage] = [
      .ready(version: 1, lua: "Lua 5.4.4"), .bound(["no Landlock"]), .failed("why"), .began(4), .ended(4, result),
      .log(4, .warn, "hello", fields: JSONText("{}")), .progress(4, .fraction(0.5)), .progress(4, .text("half")),
      .call(1, of: 4, .value(key: "k", upTo: 9)), .call(2, of: 4, .keys(prefix: "", limit: 3, upTo: 4)),
      .call(3, of: 4, .change(key: "k", value: JSONText("1"), expiresAt: .epoch, expecting: 3)),
      .call(4, of: 4, .jobs), .call(5, of: 4, .emit("e", JSONText("1"))), .call(6, of: 4, .subscribe("e")),
      .unsubscribe(6), .looks(4), .hook(4),
    ]
    return worker.map(\.frame)
  }

  @Test("come back whole, however they are cut")
  func whole() throws {
    var random = SeededGenerator(1)
    let frames = Self.samples()
    for _ in 0..<200 {
      var decoder = FrameDecoder(limit: 1 << 20)
      var stream = frames.flatMap(\.self)[...]
      var found: [[UInt8]] = []
      while !stream.isEmpty {
        let count = min(stream.count, 1 + random.below(40))
        decoder.add(stream.prefix(count))
        stream = stream.dropFirst(count)
        while let body = try decoder.next() { found.append(try WorkerMessage(body).frame) }
      }
      #expect(found == frames)
      #expect(decoder.waiting == 0)
    }
  }

  @Test("of random and mutated bytes are messages or errors: nothing traps, nothing is kept beyond what came")
  func fuzzed() throws {
    var random = SeededGenerator(2)
    let samples = Self.samples()
    var (messages, errors) = (0, 0)
    for round in 0..<Self.rounds {
      var bytes: [UInt8]
      if round % 3 == 0 {
        bytes = (0..<random.below(60)).map { _ in UInt8(random.below(256)) }
        if random.chance(70) { bytes = Frame.wrap(bytes.isEmpty ? [0] : bytes) }
      } else {
        bytes = random.pick(samples)
        for _ in 0...random.below(4) {
          switch random.below(4) {
          case 0 where !bytes.isEmpty: bytes[random.below(bytes.count)] = UInt8(random.below(256))
          case 1 where !bytes.isEmpty: bytes.remove(at: random.below(bytes.count))
          case 2: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count + 1))
          default: bytes += random.pick(samples)
          }
        }
      }
      var decoder = FrameDecoder(limit: 4_096)
      decoder.add(bytes[...])
      do {
        while let body = try decoder.next() {
          _ = try WorkerMessage(body)
          messages += 1
        }
      } catch { errors += 1 }
      var other = FrameDecoder(limit: 4_096)
      other.add(bytes[...])
      while let body = try? other.next() { _ = try? HostMessage(body) }
      #expect(decoder.waiting <= bytes.count)
    }
    #expect(messages > 0 && errors > 0, "both were tried")
  }

  @Test("that say they are larger than may be are refused before they have come")
  func large() {
    var decoder = FrameDecoder(limit: 100)
    decoder.add([101, 0, 0, 0])
    #expect(throws: FrameError("a frame of 101 bytes, where 100 are allowed")) { try decoder.next() }
  }

  @Test(
    "JSON is looked at before it is believed",
    arguments: [
      ("{}", true), ("[1,2,{\"a\":[]}]", true), (" -1.5e+3 ", true), ("\"\\u00e9\"", true), ("true", true),
      ("", false), ("{", false), ("[1,]", false), ("{\"a\"}", false), ("01", false), ("nul", false), ("1 2", false),
      ("\"a", false), ("\"\u{1}\"", false), ("{\"a\":1,}", false), (String(repeating: "[", count: 5_000), false),
    ])
  func json(text: String, isDocument: Bool) { #expect(JSONCheck.isDocument(text) == isDocument) }
}

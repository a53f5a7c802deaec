import Basics
import Chronology
import Executors
import Glibc
import JobModel
import ProcessFrames
import ScriptRuntime
import TestSupport
import Testing
import Triggers

/// What comes over the socket of a worker may be anything.
@Suite("Frames between a host and its workers")
struct FrameTests {
  private static let rounds = unsafe getenv("MOONDIAL_LONG_TESTS") != nil ? 1_000_000 : 30_000

  @Test("come back whole, however they are cut")
  func whole() throws {
    var random = SeededGenerator(1)
    let (workers, hosts) = (FrameSamples.workerMessages.map(\.frame), FrameSamples.hostMessages.map(\.frame))
    for _ in 0..<100 {
      #expect(try cut(workers, &random) { try WorkerMessage($0).frame } == workers)
      #expect(try cut(hosts, &random) { try HostMessage($0).frame } == hosts)
    }
  }

  private func cut(
    _ frames: [[UInt8]], _ random: inout SeededGenerator, _ read: (ArraySlice<UInt8>) throws -> [UInt8]
  ) throws -> [[UInt8]] {
    var decoder = FrameDecoder(limit: 1 << 20)
    var stream = frames.flatMap(\.self)[...]
    var found: [[UInt8]] = []
    while !stream.isEmpty {
      let count = min(stream.count, 1 + random.below(40))
      decoder.add(stream.prefix(count))
      stream = stream.dropFirst(count)
      while let body = try decoder.next() { found.append(try read(body)) }
    }
    #expect(decoder.waiting == 0)
    return found
  }

  @Test("of each kind are among the samples, and no kind of theirs is without a sample")
  func kinds() {
    // The byte behind the head says the kind; behind the numbers of a call that of the question or the answer.
    let (workers, hosts) = (FrameSamples.workerMessages.map(\.frame), FrameSamples.hostMessages.map(\.frame))
    #expect(Self.bytes(at: 4, of: workers) == Array(0...10))
    #expect(Self.bytes(at: 4, of: hosts) == Array(0...8))
    #expect(Self.bytes(at: 21, of: workers.filter { $0[4] == 7 }) == Array(0...17))
    #expect(Self.bytes(at: 13, of: hosts.filter { $0[4] == 6 }) == Array(0...14))
    for body in [[UInt8(11)], [200]] { #expect(throws: WireError.self) { try WorkerMessage(body[...]) } }
    #expect(throws: WireError.self) { try HostMessage([9]) }
  }

  private static func bytes(at index: Int, of frames: [[UInt8]]) -> [UInt8] { Set(frames.map { $0[index] }).sorted() }

  @Test("of random and mutated bytes are messages or errors: nothing traps, nothing is kept beyond one frame")
  func fuzzed() throws {
    var random = SeededGenerator(2)
    let samples = (FrameSamples.workerMessages.map(\.frame) + FrameSamples.hostMessages.map(\.frame))
    var (messages, errors, kept) = (0, 0, 0)
    let limit = 4_096
    for round in 0..<Self.rounds {
      let bytes = Self.mutated(round, samples, &random)
      for isWorker in [true, false] {
        var decoder = FrameDecoder(limit: limit)
        var rest = bytes[...]
        do {
          while !rest.isEmpty {
            let chunk = rest.prefix(1 + random.below(200))
            decoder.add(chunk)
            rest = rest.dropFirst(chunk.count)
            while let body = try decoder.next() {
              if isWorker { _ = try WorkerMessage(body) } else { _ = try HostMessage(body) }
              messages += 1
            }
            // What is left is the beginning of one frame.
            kept = max(kept, decoder.waiting)
          }
        } catch { errors += 1 }
      }
    }
    #expect(messages > 0 && errors > 0, "both were tried")
    #expect(kept < Frame.head + limit)
  }

  private static func mutated(_ round: Int, _ samples: [[UInt8]], _ random: inout SeededGenerator) -> [UInt8] {
    guard round % 3 != 0 else {
      let bytes = (0..<random.below(60)).map { _ in UInt8(random.below(256)) }
      return random.chance(70) ? Frame.wrap(bytes.isEmpty ? [0] : bytes) : bytes
    }
    var bytes = random.pick(samples)
    for _ in 0...random.below(4) {
      switch random.below(4) {
      case 0 where !bytes.isEmpty: bytes[random.below(bytes.count)] = UInt8(random.below(256))
      case 1 where !bytes.isEmpty: bytes.remove(at: random.below(bytes.count))
      case 2: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count + 1))
      default: bytes += random.pick(samples)
      }
    }
    return bytes
  }

  @Test("that say they are larger than may be are refused before they have come, by the limit of that moment")
  func large() throws {
    var decoder = FrameDecoder(limit: 100)
    decoder.add([101, 0, 0, 0])
    decoder.limit = 101
    #expect(try decoder.next() == nil)
    decoder.limit = 100
    #expect(throws: FrameError("a frame of 101 bytes, where 100 are allowed")) { try decoder.next() }
    decoder = FrameDecoder(limit: .max)
    decoder.add([255, 255, 255, 255])
    #expect(throws: FrameError.self, "whatever the limit is") { try decoder.next() }
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

/// A message of each kind that a host and a worker say, with a question and an answer of each kind.
enum FrameSamples {
  static var workerMessages: [WorkerMessage] {
    let details = AttemptDetails(
      error: RunError(message: "no", file: "a.lua", line: 3, traceback: "t", data: "[1]"), result: JSONText("7"),
      retry: RetryRequest(delay: 5), isFinal: true, park: step)
    let result = WorkerResult(
      outcome: .failed, duration: 5, memoryPeakBytes: 9, details: details, isReusable: true, outbox: transaction)
    let messages: [WorkerMessage] = [
      .ready(version: 1, lua: "Lua 5.4.4"), .bound(["no Landlock"]), .failed("why"), .began(4), .ended(4, result),
      .log(4, .warn, "hello", fields: JSONText("{}")), .progress(4, .fraction(0.5)), .progress(4, .text("half")),
      .unsubscribe(6), .looks(4), .hook(4),
    ]
    return messages + questions.enumerated().map { index, question in .call(UInt64(index), of: 4, question) }
  }

  private static var step: RunStep {
    var step = RunStep(run: RunID(0), position: 3, kind: .wait, name: "paid", attempt: 1, startedAt: .epoch)
    step.finishedAt = .epoch
    step.until = Instant(seconds: 9)
    step.result = JSONText("1")
    return step
  }

  private static var transaction: WireTransaction {
    var transaction = RunTransaction()
    transaction.step = step
    transaction.keyValues = [
      KeyValueChange(space: "", key: "k", value: JSONText("1"), expiresAt: .epoch, expecting: 2),
      KeyValueChange(space: "", key: "l", value: nil),
    ]
    let request = ScheduleRequest(job: "a", trigger: .at([.epoch]))
    return WireTransaction(
      transaction,
      asking: [.emit("e", data: nil), .run("a", params: JSONText("{}")), .schedule(request), .unschedule("a-1")])
  }

  private static var questions: [ServiceCall] {
    var request = ScheduleRequest(job: "a", id: "a-1", trigger: .at([.epoch]))
    request.options.params = JSONText("{}")
    request.options.coalesce = .earliest
    request.options.priority = -3
    request.options.maxInstances = 2
    request.options.jitter = 5
    request.options.misfireGraceTime = .max
    request.options.timeZone = "UTC"
    let change = MetricRegistry.Change(kind: .gauge, name: "m", labels: [(key: "a", value: "b")], value: 1.5)
    return [
      .value(key: "k", upTo: 9), .keys(prefix: "", limit: 3, upTo: 4),
      .change(key: "k", value: JSONText("1"), expiresAt: .epoch, expecting: 3), .jobs,
      .run(job: "a", params: JSONText("{}")), .schedule(WireSchedule(request)), .unschedule("a-1"),
      .pause(job: "a", reason: "why"), .resume(job: "a"), .emit("e", JSONText("1")), .subscribe("e"), .module("m"),
      .variable("PATH"), .secret("s"), .metric(change), .steps, .keep(step), .commit(transaction),
    ]
  }

  static var hostMessages: [HostMessage] {
    let binding = WorkerBinding(
      host: 1, script: "a.lua", baseDirectory: "/", libraries: .all, memory: 5, processorTime: nil,
      hasNamespaces: true, grants: [1, 2],
      limits: WorkerLimits(keptBytes: 1, answerBytes: 2, logLines: 3, hookTimeout: 4, cancelPatience: 5))
    var definition = JobDefinition(
      name: "a", source: SourceLocation(file: "a.lua", line: 3), payload: ClosurePayload { _ in nil })
    definition.retry = RetryPolicy(max: 3)
    definition.params = JSONText("{}")
    definition.timeout = 7
    let job = JobCode(key: 2, definition, capsule: [3], declared: ["x"], memoryLimit: 9, isFailureHook: false)
    let order = RunOrder(
      token: RunToken(slot: 1, use: 1), id: RunID(8), job: JobEntry(definition), attempt: 2, scheduledAt: .epoch,
      context: OrderContext(params: JSONText("{}"), event: JSONText("{}"), schedule: "s"))
    let former = RunCommand.Former(outcome: .crashed, error: RunError(message: "SIGSEGV"))
    let run = RunCommand(
      number: 4, key: 2, order, quotas: Quotas(), threshold: .info, hasValues: true, former: former)
    let messages: [HostMessage] = [
      .bind(binding), .job(job), .forget(2), .run(run), .cancel(4), .windDown, .event(3, JSONText("1")), .event(3, nil),
      .end,
    ]
    return messages + answers.enumerated().map { index, answer in .answer(UInt64(index), answer) }
  }

  private static var answers: [ServiceAnswer] {
    var summary = JobSummary(name: "a", script: "a.lua", nextFire: .epoch, lastOutcome: .failed, tags: ["x"])
    summary.schedules = [ScheduleSummary(id: "a-1", trigger: "every \"1s\"", nextFire: nil, params: JSONText("{}"))]
    return [
      .done, .refused(HostRefusal("no", isMisuse: true)), .storeFailed(StoreError(.quota, "full")),
      .value(.value(KeyValue(value: JSONText("1"), version: 3, expiresAt: .epoch))), .value(.value(nil)),
      .value(.larger(9)), .keys(.value(["a"])), .keys(.larger(9)), .changed(true), .jobs([summary]), .run(5),
      .schedule("a-1"), .source([1], chunkName: "@m"), .text("x"), .text(nil), .secret(.value([1])), .secret(.missing),
      .secret(.refused("no")), .metric(nil), .metric(.misuse("no")), .metric(.full("no", isFirst: true)),
      .metric(.full("no", isFirst: false)), .steps([step]), .conflict,
    ]
  }
}

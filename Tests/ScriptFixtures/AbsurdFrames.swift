internal import Chronology
internal import JobModel
package import ProcessFrames
internal import ScriptRuntime
internal import TestSupport
internal import Triggers

/// Messages of a worker that are well formed, and mean what nobody can mean: numbers at their ends, names that are
/// none, JSON that is none, triggers of any depth.
package struct AbsurdFrames {
  private var random: SeededGenerator
  /// The run that they are about.
  private let run: UInt64
  private let mayEnd: Bool
  private var call: UInt64 = 0

  /// - Parameter mayEnd: whether they may say that the run is over, so that the next one has another number than its
  ///   worker knows.
  package init(seed: UInt64, run: UInt64, mayEnd: Bool = true) {
    random = SeededGenerator(seed)
    self.run = run
    self.mayEnd = mayEnd
  }

  /// Some messages behind one another, as frames.
  package mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).flatMap { _ in message().frame } }

  /// Questions that used to end a host, by themselves.
  package static func schedules(run: UInt64) -> [WorkerMessage] {
    let edits: [(inout ScheduleOptions) -> Void] = [
      { $0.priority = 1 << 31 }, { $0.priority = -(1 << 31) }, { $0.priority = .min }, { $0.misfireGraceTime = .min },
      { $0.jitter = .min }, { $0.jitter = .max }, { $0.maxInstances = .min }, { $0.maxInstances = .max },
      { $0.params = JSONText("[") }, { $0.timeZone = String(repeating: "x", count: 100_000) },
    ]
    return edits.enumerated().map { index, edit in
      var request = ScheduleRequest(job: "good", id: "absurd-\(index)", trigger: .at([Instant(seconds: 1_000)]))
      edit(&request.options)
      return .call(UInt64(index + 1), of: run, .schedule(WireSchedule(request)))
    }
  }

  // MARK: Values

  private mutating func number() -> Int64 {
    random.chance(10) ? Int64(bitPattern: random.next()) : random.pick(Self.numbers)
  }

  private static let numbers: [Int64] = [
    0, 1, -1, 7, 100, -101, 100_001, 2_147_483_647, 2_147_483_648, -2_147_483_648, 4_294_967_296,
    9_007_199_254_740_992, .max, .max - 1, .min, .min + 1,
  ]

  private mutating func optionalNumber() -> Int64? { random.chance(50) ? number() : nil }

  private mutating func text() -> String {
    random.pick([
      "", "a", "good", "other", "*", "../../etc/passwd", "a\u{0}b", "é\u{202E}", "\u{1}\n", "MOONDIAL_SECRET_X",
      "PATH",
      String(repeating: "n", count: 201), String(repeating: "ü", count: 40_000),
    ])
  }

  private mutating func json() -> JSONText? {
    let texts: [String?] = [
      nil, "{}", "[]", "null", "1", "\"x\"", "{\"a\":", "", "1e999999", "-0", "{\"a\":1,\"a\":2}",
      String(repeating: "[", count: 900) + String(repeating: "]", count: 900), String(repeating: "[", count: 5_000),
      "{\"a\":\"" + String(repeating: "x", count: 300_000) + "\"}", "{\"n\":123456789012345678901234567890}",
    ]
    return random.pick(texts).map { JSONText($0) }
  }

  private mutating func trigger() -> String {
    let simple = [
      "every \"1s\"", "every(\"1ms\")", "every(1e300)", "every(-1)", "every \"99999999999999999999y\"", "at {}",
      "at \"0000-00-00\"", "at \"9999-12-31 23:59:59\"", "cron \"* * * * *\"", "cron \"0 0 30 2 *\"", "1 2 3",
      "calendar { months = 99999999999, hour = 99 }", "calendar { months = -1 }", "rrule \"FREQ=YEARLY;COUNT=0\"", "",
      "os.exit()", "every \"1s\" every \"1s\"", "cron { minute = \"*/0\" }",
    ]
    let one = random.pick(simple)
    switch random.below(6) {
    case 0:
      let depth = random.below(300)
      return String(repeating: "any_of { ", count: depth) + one + String(repeating: " }", count: depth)
    case 1:
      let members = (0..<random.below(2_000)).map { "every \"\($0 + 1)s\"" }
      return "all_of { " + members.joined(separator: ", ") + " }"
    case 2:
      let times = (0..<random.below(20_000)).map { "\"2027-01-01 00:00:\($0 % 60)\"" }
      return "at { " + times.joined(separator: ",") + "}"
    default: return one
    }
  }

  private mutating func schedule() -> WireSchedule {
    var request = ScheduleRequest(job: text(), id: random.chance(50) ? text() : nil, trigger: .at([.epoch]))
    request.replaceExisting = random.chance(50)
    request.options.params = json()
    request.options.jitter = optionalNumber()
    request.options.timeZone = random.chance(30) ? text() : nil
    request.options.misfireGraceTime = optionalNumber()
    request.options.coalesce = random.pick([nil, .latest, .earliest, .all])
    request.options.maxInstances = optionalNumber().map { Int($0) }
    request.options.priority = optionalNumber().map { Int($0) }
    var wire = WireSchedule(request)
    wire.trigger = trigger()
    return wire
  }

  private static let values: [Double] = [
    0, -1, .nan, .infinity, -.infinity, 1e308, .leastNonzeroMagnitude, 9.3e18,
  ]

  private mutating func change() -> MetricRegistry.Change {
    let labels = (0..<random.below(4)).map { _ in (key: text(), value: text()) }
    return MetricRegistry.Change(
      kind: random.pick([.counter, .gauge]), name: text(), labels: labels,
      value: random.pick(Self.values))
  }

  // MARK: Messages

  private mutating func question() -> ServiceCall {
    switch random.below(19) {
    case 0: .value(key: text(), upTo: Int(number()))
    case 1: .keys(prefix: text(), limit: Int(number()), upTo: Int(number()))
    case 2:
      .change(
        key: text(), value: json(), expiresAt: optionalNumber().map { Instant(nanoseconds: $0) },
        expecting: optionalNumber())
    case 3: .jobs
    case 4: .run(job: text(), params: json())
    case 5, 6: .schedule(schedule())
    case 7: .unschedule(text())
    case 8: .pause(job: text(), reason: random.chance(50) ? text() : nil)
    case 9: .resume(job: text())
    case 10: .emit(text(), json())
    case 11: .subscribe(text())
    case 12: random.chance(50) ? .module(text()) : .variable(text())
    case 13: .secret(text())
    case 14: .steps
    case 15: .keep(step())
    case 16, 17: .commit(transaction())
    default: .metric(change())
    }
  }

  private mutating func step() -> RunStep {
    var step = RunStep(
      run: RunID(number()), position: Int32(truncatingIfNeeded: number()), kind: random.pick(RunStep.Kind.allCases),
      name: text(), attempt: Int32(truncatingIfNeeded: number()), startedAt: Instant(nanoseconds: number()))
    if random.chance(50) { (step.position, step.name) = (1, step.kind == .step || step.kind == .wait ? "a" : "") }
    step.finishedAt = optionalNumber().map { Instant(nanoseconds: $0) }
    step.until = random.chance(20) ? Instant(nanoseconds: number()) : nil
    step.result = json()
    return step
  }

  private mutating func transaction() -> WireTransaction {
    var transaction = RunTransaction()
    transaction.step = random.chance(80) ? step() : nil
    transaction.keyValues = (0..<random.below(4)).map { _ in
      KeyValueChange(
        space: text(), key: text(), value: json(), expiresAt: optionalNumber().map { Instant(nanoseconds: $0) },
        expecting: optionalNumber())
    }
    var wire = WireTransaction(transaction, asking: [])
    wire.operations = (0..<random.below(4)).map { _ in
      switch random.below(4) {
      case 0: .emit(text(), data: json())
      case 1: .run(text(), params: json())
      case 2: .schedule(schedule())
      default: .unschedule(text())
      }
    }
    return wire
  }

  private mutating func details() -> AttemptDetails {
    AttemptDetails(
      error: random.chance(50)
        ? RunError(
          message: text(), file: text(), line: optionalNumber().map { Int($0) }, traceback: text(), data: json()?.text)
        : nil,
      result: json(), retry: random.chance(50) ? RetryRequest(delay: optionalNumber()) : nil,
      isFinal: random.chance(50), park: random.chance(30) ? step() : nil)
  }

  private mutating func message() -> WorkerMessage {
    // Mostly about the run that there is: the rest ends the worker at once.
    let run = random.chance(95) ? run : UInt64(bitPattern: number())
    switch random.below(20) {
    case 0: return .ready(version: UInt32(truncatingIfNeeded: number()), lua: text())
    case 1: return .bound((0..<random.below(20)).map { _ in text() })
    case 2: return .failed(text())
    case 3: return .began(run)
    case 4 where mayEnd:
      return .ended(
        run,
        WorkerResult(
          outcome: random.pick(Outcome.allCases), duration: number(), memoryPeakBytes: Int(number()),
          details: random.chance(70) ? details() : nil, isReusable: random.chance(50),
          outbox: random.chance(30) ? transaction() : nil))
    case 5: return .log(run, random.pick(LogLevel.allCases), text(), fields: json())
    case 6: return .progress(run, random.chance(50) ? .fraction(random.pick([0, 1, 0.5])) : .text(text()))
    case 7: return .unsubscribe(UInt64(bitPattern: number()))
    case 8: return .looks(run)
    case 9: return .hook(run)
    default:
      call += 1
      return .call(random.chance(90) ? call : UInt64(bitPattern: number()), of: run, question())
    }
  }
}

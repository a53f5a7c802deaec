import Chronology
import JobModel
import Triggers

/// `sustain`: a rate of fires that is held for a minute with a SQLite store, once keeping all history and once pruning
/// it, and what the pruning adds to the lateness of starts.
///
/// n interval jobs with evenly spread phases, each of whose instants is wanted. The two halves have files of their own,
/// one after the other. What falls due in the first `warm_s` seconds is not counted: pruning begins when a job has more
/// runs than `keep`.
enum SustainBench {
  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let plan = try Plan(parameters)
    let keeping = try half(plan, keep: nil, parameters)
    let pruning = try half(plan, keep: plan.keep, parameters)
    var result = JSONObject()
    result.set("rate", plan.rate)
    result.set("seconds", plan.seconds)
    keeping.set("all", into: &result)
    pruning.set("pruned", into: &result)
    result.set("added_p50_ms", pruning.lateness(0.5) - keeping.lateness(0.5))
    result.set("added_p99_ms", pruning.lateness(0.99) - keeping.lateness(0.99))
    result.set("peak_kb", ProcessStatus.peakResidentKB)
    return result
  }

  private struct Plan {
    let n, rate, seconds, warm, keep: Int
    let interval: Int64
    let synchronous: CommitDurability

    init(_ parameters: BenchParameters) throws {
      n = try parameters.integer("n")
      rate = try parameters.integer("rate")
      seconds = try parameters.integer("seconds")
      warm = try parameters.integer("warm_s", atLeast: 0)
      keep = try parameters.integer("keep")
      synchronous = try parameters.choice("sync", among: ["full", "normal"]) == "normal" ? .normal : .full
      interval = Int64(n) * 1_000_000_000 / Int64(rate)
      guard interval >= 1_000_000 else {
        throw CommandFailure(
          .usage,
          "bench sustain: \(n) jobs at \(rate) a second are due each \(interval) ns: give n=\(rate / 1_000) or more")
      }
    }

    /// When job `number` is due for the `index`-th time, after the first instant of all.
    func due(_ number: Int, _ index: Int) -> Int64 {
      Int64(number) * interval / Int64(n) / 1_000 * 1_000 + Int64(index) * interval
    }
  }

  /// What came of one half.
  private struct Half {
    /// Nanoseconds, sorted.
    var late: [Int64] = []
    /// Instants that had not begun when the time was over.
    var missed = 0
    var perSecond = 0.0

    /// Milliseconds.
    func lateness(_ share: Double) -> Double {
      late.isEmpty ? 0 : Double(late[min(late.count - 1, Int(share * Double(late.count)))]) / 1e6
    }

    func set(_ name: String, into result: inout JSONObject) {
      result.set("\(name)_per_s", perSecond)
      result.set("\(name)_missed", missed)
      result.set("\(name)_p50_ms", lateness(0.5))
      result.set("\(name)_p99_ms", lateness(0.99))
      result.set("\(name)_max_ms", lateness(1))
    }
  }

  private static func half(_ plan: Plan, keep: Int?, _ parameters: BenchParameters) throws -> Half {
    let expected = plan.rate * (plan.seconds + 2)
    let recorder = FireRecorder(capacity: expected + expected / 4)
    var options = try BenchHost.Options(parameters)
    options.durability = plan.synchronous
    options.retention.standard = Retention.Limit(runs: keep, age: nil)
    let host = try BenchHost(
      script: """
        for i = 0, \(plan.n - 1) do
          job("fire" .. i) {
            every = "1h", coalesce = false, overlap = "queue", state = "\(try parameters.state())",
            run = function() bench.record(i) end,
          }
        end
        """, options, module: BenchModule.recording(recorder))
    defer { host.stop() }
    try host.load()
    let base = BenchClock.wall / 1_000_000 * 1_000_000 + 1_000_000_000
    try host.start(
      host.definitions { number in
        AnyTrigger(
          IntervalTrigger(
            nanoseconds: plan.interval, anchor: Instant(nanoseconds: base + plan.due(number, 0)), startsAtAnchor: true))
      })
    let length = Int64(plan.seconds) * 1_000_000_000
    BenchClock.sleep(until: base + length)
    host.stop()
    return judge(plan, recorder, base: base, length: length)
  }

  /// The k-th start of a job is that of its k-th instant: all are wanted, and one runs after the other.
  private static func judge(_ plan: Plan, _ recorder: FireRecorder, base: Int64, length: Int64) -> Half {
    var half = Half()
    var seen = [Int](repeating: 0, count: plan.n)
    let warm = Int64(plan.warm) * 1_000_000_000
    var starts: [[Int64]] = Array(repeating: [], count: plan.n)
    recorder.forEach { job, at in starts[Int(job)].append(at) }
    for (number, times) in starts.enumerated() {
      for at in times.sorted() {
        let due = plan.due(number, seen[number])
        seen[number] += 1
        if due >= warm, due < length { half.late.append(at - base - due) }
      }
      // What fell due in the last second may still have been on its way.
      let due = Int((length - 1_000_000_000 - plan.due(number, 0)) / plan.interval) + 1
      half.missed += max(0, due - seen[number])
    }
    half.late.sort()
    half.perSecond = Double(half.late.count) * 1e9 / Double(max(1, length - warm))
    return half
  }
}

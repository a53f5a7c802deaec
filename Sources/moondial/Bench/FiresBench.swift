import Chronology
import JobModel
import Triggers

/// `fires`: n interval jobs with evenly spread phases, whose bodies only record when they began. The driver computes
/// from the records what was missed and how late the rest was.
///
/// `coalesce = false` and `overlap = "queue"`: every instant is wanted, even when a run is late by more than an
/// interval.
enum FiresBench {
  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let n = try parameters.integer("n")
    let interval = try Int64(parameters.integer("interval_ms")) * 1_000_000
    let lead = try Int64(parameters.integer("lead_ms", atLeast: 0)) * 1_000_000
    let length =
      try Int64(parameters.integer("warm_ms", atLeast: 0) + parameters.integer("dur_ms") + 300) * 1_000_000
    guard let out = parameters.text("out") else {
      throw CommandFailure(.usage, "bench fires: give out=FILE for the records")
    }
    let expected = Int(length / interval + 2) * n
    let recorder = FireRecorder(capacity: expected + expected / 2)
    var options = try BenchHost.Options(parameters)
    if try parameters.choice("store", among: ["memory", "sqlite"]) == "sqlite" { options.durability = .full }
    let host = try BenchHost(
      script: """
        for i = 0, \(n - 1) do
          job("fire" .. i) {
            every = "1h", coalesce = false, overlap = "queue", state = "\(try parameters.state())",
            run = function() bench.record(i) end,
          }
        end
        """, options, module: BenchModule.recording(recorder))
    defer { host.stop() }
    // The load takes its part of the lead.
    let base = BenchClock.wall / 1_000_000 * 1_000_000 + lead
    try host.load()
    let definitions = host.definitions { index in
      let phase = Int64(index) * interval / Int64(n) / 1_000 * 1_000
      return AnyTrigger(
        IntervalTrigger(nanoseconds: interval, anchor: Instant(nanoseconds: base + phase), startsAtAnchor: true))
    }
    try host.start(definitions)
    BenchClock.sleep(until: base + length)
    host.stop()
    try recorder.write(to: out)
    var result = JSONObject()
    result.set("base_ns", base)
    result.set("dropped", recorder.dropped)
    result.set("peak_kb", ProcessStatus.peakResidentKB)
    return result
  }
}

import Basics
import Chronology
import JobModel
internal import SchedulerService
import Triggers

/// `drain` and `durable`: n jobs that do nothing, all due at one instant; the clock runs from that instant until the
/// outcome of the last run is in the store.
///
/// The jobs are declared by a script and registered while nothing is due, as one-shots at an instant shortly ahead: so
/// adding them and running them are separate figures, and both take the way of a user's job. `warm=k` drains once, lets
/// a reload make the same jobs due again, k times, and reports the last drain, whose jobs have kept their states.
enum DrainBench {
  static func run(_ parameters: BenchParameters, isDurable: Bool) throws -> JSONObject {
    let n = try parameters.integer("n")
    let warm = isDurable ? 0 : try parameters.integer("warm", atLeast: 0)
    var options = try BenchHost.Options(parameters)
    // Every job's state is to be there when it is due again: 64 KB of address space each, less of memory.
    if warm > 0 { options.keptBytes = max(512 << 20, n << 16) }
    if isDurable {
      options.durability = try synchronous(parameters)
      options.address = parameters.text("store").map { StoreAddress($0) }
    }
    let host = try BenchHost(
      script: """
        for i = 1, \(n) do
          job("noop" .. i) { at = "2000-01-01", state = "\(try parameters.state())", run = function() end }
        end
        """, options)
    defer { host.stop() }
    let begun = monotonicNow()
    try host.load()
    let loaded = monotonicNow()
    // Time to register in, with room: what is late for the instant cannot be measured, and is refused below.
    let lead = try Int64(parameters.integer("lead_ms", atLeast: 0)) * 1_000_000
    let patience = lead > 0 ? lead : 500_000_000 + Int64(n) * 50_000
    let added = monotonicNow()
    var due = BenchClock.wall + patience
    try host.start(host.definitions(allAt: due))
    try host.awaitDurable()
    let registered = monotonicNow()
    let cold = try drain(host, n, due: due)
    var last = cold
    for _ in 0..<warm {
      due = BenchClock.wall + patience
      host.service.reload(host.definitions(allAt: due))
      try host.awaitDurable()
      last = try drain(host, n, due: due)
    }
    return result(
      n, registered: registered - added, loaded: loaded - begun, drained: last, cold: warm > 0 ? cold : nil)
  }

  /// - Returns: nanoseconds from `due` to the record of the last outcome.
  private static func drain(_ host: BenchHost, _ n: Int, due: Int64) throws -> Int64 {
    host.store.expect(n)
    // One reading of both clocks turns the due time into one of the clock that nobody sets.
    let ahead = due - BenchClock.wall
    guard ahead > 0 else {
      throw CommandFailure(
        "registering took \(-ahead / 1_000_000) ms longer than foreseen: give lead_ms=, in milliseconds")
    }
    let start = monotonicNow() + ahead
    return try host.store.awaitGoal() - start
  }

  private static func synchronous(_ parameters: BenchParameters) throws -> CommitDurability {
    if let name = try parameters.choice("sync", among: ["full", "normal"]) { return name == "full" ? .full : .normal }
    // The words of other harnesses: `wal=1` stands for synchronous=NORMAL there, `fsync=0` for less than FULL.
    return try parameters.flag("wal") || !parameters.flag("fsync") ? .normal : .full
  }

  private static func result(_ n: Int, registered: Int64, loaded: Int64, drained: Int64, cold: Int64?) -> JSONObject {
    let seconds = { (nanoseconds: Int64) in Double(nanoseconds) / 1e9 }
    var result = JSONObject()
    result.set("n", n)
    result.set("reg_s", seconds(registered))
    result.set("drain_s", seconds(drained))
    result.set("drain_per_s", Double(n) / seconds(drained))
    result.set("add_per_s", Double(n) / seconds(registered))
    result.set("load_s", seconds(loaded))
    if let cold { result.set("cold_per_s", Double(n) / seconds(cold)) }
    result.set("peak_kb", ProcessStatus.peakResidentKB)
    return result
  }
}

extension BenchHost {
  /// The script's jobs, each due once at `instant` (nanoseconds since 1970).
  func definitions(allAt instant: Int64) -> [JobDefinition] {
    let trigger = AnyTrigger.at([Instant(nanoseconds: instant)])
    return definitions { _ in trigger }
  }
}

import Basics

/// `sleep`: n one-shot jobs, all due at once, each of which sleeps: how many sleep at the same time, and what that
/// takes.
enum SleepBench {
  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let n = try parameters.integer("n")
    let milliseconds = try parameters.integer("sleep_ms", atLeast: 0)
    let presence = PresenceCounter()
    let host = try BenchHost(
      script: """
        for i = 1, \(n) do
          job("sleep" .. i) {
            at = "2000-01-01", state = "\(try parameters.state())",
            run = function() bench.enter() sleep("\(milliseconds)ms") bench.leave() end,
          }
        end
        """, BenchHost.Options(parameters), module: BenchModule.counting(presence))
    defer { host.stop() }
    try host.load()
    host.store.expect(n)
    let due = BenchClock.wall + 500_000_000 + Int64(n) * 50_000
    try host.start(host.definitions(allAt: due))
    let start = monotonicNow() + (due - BenchClock.wall)
    let done = try host.store.awaitGoal() - start
    var result = JSONObject()
    result.set("n", n)
    result.set("peak", presence.peak)
    result.set("started_all_s", Double(presence.lastEntry - due) / 1e9)
    result.set("done_s", Double(done) / 1e9)
    result.set("rss_peak_kb", ProcessStatus.peakResidentKB)
    return result
  }
}

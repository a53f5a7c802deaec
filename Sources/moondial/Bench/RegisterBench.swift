import Basics
import Hosting
import JobModel
internal import SchedulerService
internal import Scheduling

/// `register`: a script that declares n cron jobs is saved into the directory of a running, empty host. None of them
/// fires meanwhile.
///
/// `us_per_job` and `kb_per_job` are of everything: Lua that declares, fields checked, expressions parsed, functions
/// captured, schedules computed, recorded. `add_us` is the scheduler's share, which is what a program that brings its
/// own definitions pays.
enum RegisterBench {
  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let n = try parameters.integer("n")
    let hour = Int(BenchClock.wall / 3_600_000_000_000 % 24)
    let host = try BenchHost(
      script: """
        for i = 0, \(n - 1) do
          local hour = (\(hour) + 2 + (i // 60) % 20) % 24
          job("cron" .. i) {
            cron = (i % 60) .. " " .. hour .. " * * *", timezone = "UTC", state = "\(try parameters.state())",
            run = function() end,
          }
        end
        """, BenchHost.Options(parameters))
    defer { host.stop() }
    try host.start([])
    try host.awaitDurable()
    let before = ProcessStatus.residentKB
    let begun = monotonicNow()
    try host.load()
    let loaded = monotonicNow()
    let definitions = host.definitions
    let reconciled = host.service.reload(definitions)
    // As a host does after each load.
    SpareMemory.release()
    try host.awaitDurable()
    let ended = monotonicNow()
    guard reconciled.added == n else { throw CommandFailure("\(reconciled.added) jobs were added instead of \(n)") }
    let after = ProcessStatus.residentKB
    var result = JSONObject()
    result.set("n", n)
    result.set("reg_s", Double(ended - begun) / 1e9)
    result.set("us_per_job", Double(ended - begun) / 1e3 / Double(n))
    result.set("kb_per_job", Double(after - before) / Double(n))
    result.set("rss_kb", after)
    result.set("load_us", Double(loaded - begun) / 1e3 / Double(n))
    result.set("add_us", Double(ended - loaded) / 1e3 / Double(n))
    return result
  }
}

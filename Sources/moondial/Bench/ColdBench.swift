import Glibc
import Hosting
import JobModel

/// `cold`: nine daily jobs and one that is due at the start. Its first run prints the line; then the process stays up,
/// so that the driver sees what an idle host costs. It ends by a signal.
enum ColdBench {
  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let hour = Int(BenchClock.wall / 3_600_000_000_000 % 24)
    var options = try BenchHost.Options(parameters)
    if try parameters.choice("store", among: ["memory", "sqlite"]) == "sqlite" { options.durability = .full }
    let host = try BenchHost(
      script: """
        for i = 0, 8 do
          job("daily" .. i) { cron = i .. " \((hour + 2) % 24) * * *", timezone = "UTC", run = function() end }
        end
        job "first" { run_at_start = true, state = "\(try parameters.state())", run = function() bench.first() end }
        """, options, module: BenchModule.announcing())
    try host.startWatching()
    // As a host does.
    SpareMemory.forgetStart()
    while true { pause() }
  }
}

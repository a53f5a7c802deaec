import Foundation
import Glibc
import Testing

/// What becomes of runs that are late, many, or in each other's way.
extension JobFieldRow {
  private static let often = "every = '20ms', max_instances = 500, state = 'run', run = function() print('beats') end"

  /// After some beats the host ends, and another one finds fire times that were missed.
  ///
  /// - Parameter holds: of the longest time between two runs, and of what `explain` says.
  private static func afterPause(
    _ holds: @escaping @Sendable (_ longestGap: Double, _ explained: String) -> Bool
  ) -> @Sendable (Place, HostProcess, String) throws -> Void {
    { place, host, name in
      for _ in 0..<3 { try host.awaitLine(containing: "beats") }
      host.signal(SIGTERM)
      try host.awaitExit()
      let next = try place.host()
      for _ in 0..<12 { try next.awaitLine(containing: "beats") }
      next.signal(SIGTERM)
      try next.awaitExit()
      let gap = longestGap(try times(place, name))
      let explained = try place.run("explain", name, "--limit", "1000").output.joined(separator: "\n")
      #expect(holds(gap, explained), "\(gap) s, \(explained)")
    }
  }

  /// When the job's runs were due, in order. Seconds.
  private static func times(_ place: Place, _ name: String) throws -> [Double] {
    let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
    return try place.run("history", name, "--json", "--limit", "2000").output.map { line in
      let start = try #require(line.firstRange(of: "\"scheduled_at\":\""))
      let text = String(line[start.upperBound...].prefix(23)) + "Z"
      return try Date(text, strategy: format).timeIntervalSince1970
    }.sorted()
  }

  /// `explain` says so, once what the host has decided is in the store; of a run that waits also when any number of
  /// fire times were skipped since.
  private static func explained(_ place: Place, _ name: String, _ text: String) throws {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    var said = ""
    while !said.contains(text), Date() < end {
      said = try place.run("explain", name).output.joined(separator: "\n")
    }
    #expect(said.contains(text), "\(said)")
  }

  private static func longestGap(_ times: [Double]) -> Double {
    zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? 0
  }

  static let policies: [JobFieldRow] = [
    JobFieldRow(
      field: "coalesce", text: "coalesce = 'all'", rest: often,
      seen: afterPause { gap, _ in gap < 0.03 }),
    JobFieldRow(
      field: "on_nodes", text: "on_nodes = 'gpu'", rest: often,
      seen: { place, host, name in
        _ = try host.awaitAnywhere("on_nodes: this host has no label \"gpu\"")
        let list = try place.run("list", "--stored", "--set", "node.labels=gpu").output
        #expect(list.first?.contains("NOW") == true && list.first?.contains("HOSTS WITH  SCRIPT") == true, "\(list)")
        #expect(list.contains { $0.hasPrefix(name) && $0.contains("  gpu  ") }, "\(list)")
        #expect(
          try place.run("list", "--stored", "--json", "--set", "node.labels=gpu").output.joined().contains(
            "\"on_nodes\":[\"gpu\"]"))
      }),
    JobFieldRow(
      field: "catch_up_max", text: "catch_up_max = 1", rest: "coalesce = 'all', " + often,
      seen: afterPause { gap, explained in gap > 0.03 && explained.contains("catch_up_max") }),
    JobFieldRow(
      field: "misfire_grace_time", text: "misfire_grace_time = '30ms'", rest: often,
      seen: afterPause { _, explained in explained.contains("misfired") }),
    JobFieldRow(
      field: "jitter", text: "jitter = '200ms'",
      rest: "every = '200ms', run = function(ctx) print('late ' .. (ctx.started_at - ctx.scheduled_at) * 1000) end",
      seen: { _, host, name in
        var late: [Double] = []
        for _ in 0..<12 {
          late.append(Double(try host.awaitLine(containing: "late ").split(separator: " ").last ?? "") ?? 0)
        }
        #expect(late.count { $0 > 20 } > 5, "\(late)")
      }),
    JobFieldRow(
      field: "max_instances", text: "max_instances = 3",
      rest: "run = function() print('in') wait('never') end",
      after: "job 'asks' { run_at_start = true, run = function() for i = 1, 3 do jobs.run(NAME) end end }",
      seen: { _, host, name in for _ in 0..<3 { try host.awaitLine(containing: ": in") } }),
    JobFieldRow(
      field: "overlap", text: "overlap = 'queue'", rest: "run = function() print('in') sleep('50ms') end",
      after: "job 'asks' { run_at_start = true, run = function() for i = 1, 3 do jobs.run(NAME) end end }",
      seen: { _, host, name in for _ in 0..<3 { try host.awaitLine(containing: ": in") } }),
    // One worker, which is held until all wait.
    JobFieldRow(
      field: "priority", text: "priority = 50", rest: "on = 'go', run = function() print('turn') end",
      before: "job 'before' { on = 'go', priority = 0, run = function() print('turn') end }\n",
      after: "job 'behind' { on = 'go', priority = 0, run = function() print('turn') end }\n"
        + "job 'calls' { run_at_start = true, run = function() emit('go') end }",
      settings: "executors = { default = { workers = 1 } }",
      seen: { _, host, name in
        let first = try host.awaitLine(containing: ": turn")
        #expect(first.contains(" \(name) #"), "\(first)")
      }),
    JobFieldRow(
      field: "recover", text: "recover = true",
      rest: "run_at_start = true, run = function(ctx) print('attempt ' .. ctx.attempt) wait('never') end",
      seen: { place, host, name in
        try host.awaitLine(containing: "attempt 1")
        host.signal(SIGKILL)
        _ = try host.awaitExit()
        let next = try place.host()
        try next.awaitLine(containing: "attempt ")
        #expect(try place.run("history", name, "--json").output.contains { $0.contains("\"cause\":\"recover") })
        next.signal(SIGKILL)
      }),
    JobFieldRow(
      field: "group", text: "group = 'db'", rest: "run_at_start = true, run = function() print('in') wait('never') end",
      before:
        "job 'holder' { group = 'db', priority = 100, run_at_start = true, run = function() print('holds') wait('never') end }\n",
      settings: "groups = { db = { max = 1 } }",
      seen: { place, host, name in
        try host.awaitLine(containing: "holds")
        try explained(place, name, "waits for a slot in group \"db\"")
      }),
    JobFieldRow(
      field: "rate", text: "rate = '1/10m'", rest: "every = '20ms', run = function() print('beats') end",
      seen: { place, host, name in
        try host.awaitLine(containing: "beats")
        try host.awaitLine(containing: "Execution of job \"\(name)\" skipped")
        try explained(place, name, "waits for its rate (1/10m)")
      }),
  ]
}

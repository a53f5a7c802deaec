import Foundation
import Testing

/// What is kept, and what scripts may take.
extension SettingRow {
  /// Many runs, then the end of the host.
  private static func runs(
    _ count: Int, _ body: String = "", of job: String = "it", history check: @escaping @Sendable ([String]) -> Void
  ) -> Effect {
    .seen { place, host in
      try host.awaitLine(containing: "run \(count).")
      host.signal(SIGTERM)
      try host.awaitExit()
      check(try place.run("history", job, "--json", "--limit", "2000").output)
    }
  }

  private static let often = """
    local n = 0
    job "it" { every = "3ms", run = function() n = n + 1 print("run " .. n .. ". " .. ("x"):rep(200)) end }
    """

  static let kept: [SettingRow] = [
    SettingRow(
      key: "retention.runs", value: "5", script: often,
      effect: runs(300) { #expect($0.count < 200, "\($0.count)") }),
    SettingRow(
      key: "retention.jobs.*.runs", name: "it", value: "5", script: often,
      effect: runs(300) { #expect($0.count < 200, "\($0.count)") }),
    SettingRow(key: "retention.age", value: "\"1s\"", script: aging, effect: aged, isInFile: true),
    SettingRow(key: "retention.jobs.*.age", name: "it", value: "\"1s\"", script: aging, effect: aged, isInFile: true),
    SettingRow(
      key: "retention.decisions", value: "1",
      script: """
        local n = 0
        job "it" { every = "10ms", run = function() n = n + 1 print("run " .. n .. ".") sleep("25ms") end }
        """,
      effect: .seen { place, host in
        try host.awaitLine(containing: "run 60.")
        host.signal(SIGTERM)
        try host.awaitExit()
        let explained = try place.run("explain", "it", "--json", "--limit", "1000").output.joined()
        #expect(explained.components(separatedBy: "\"reason\"").count - 1 < 40, "\(explained)")
      }),
    SettingRow(
      key: "quotas.log_bytes_per_job", value: "\"2KB\"", script: often,
      effect: .seen { place, host in try forgotten(place, host) }),
    SettingRow(
      key: "quotas.log_store_bytes", value: "\"2KB\"", script: often,
      effect: .seen { place, host in try forgotten(place, host) }),
  ]

  /// The first run's lines are gone, and its row is not.
  private static func forgotten(_ place: Place, _ host: HostProcess) throws {
    try host.awaitLine(containing: "run 100.")
    host.signal(SIGTERM)
    try host.awaitExit()
    let first = try place.run("history", "--run", "1")
    #expect(first.status == 0)
    #expect(!first.output.contains { $0.contains("run 1.") })
  }

  /// A run at the start, and another job that says when it is old.
  private static let aging = """
    job "it" { run_at_start = true, run = function() print("new") end }
    job "later" { every = "1200ms", run = function() print("it is old") end }
    """

  /// The first host's run is gone when a second one has begun.
  private static let aged = Effect.seen { place, host in
    try host.awaitLine(containing: "it is old")
    host.signal(SIGTERM)
    try host.awaitExit()
    let next = try place.host()
    try next.awaitLine(containing: "it is old")
    next.signal(SIGTERM)
    try next.awaitExit()
    #expect(try place.run("history", "--run", "1").status == 1)
  }

  private static func asks(_ body: String) -> String {
    "job \"it\" { run_at_start = true, run = function() \(body) end }\n"
  }
  private static func refuses(_ body: String) -> String { asks("print(select(2, \(body)))") }

  static let quotas: [SettingRow] = [
    SettingRow(
      key: "quotas.schedules_per_job", value: "1",
      script: asks("for i = 1, 2 do print(jobs.schedule('it', { at = '2099-01-01' })) end"),
      effect: .log("quotas.schedules_per_job")),
    SettingRow(
      key: "quotas.log_bytes_per_run", value: "\"1KB\"", script: asks("for i = 1, 20 do print(('x'):rep(100)) end"),
      effect: .log("quotas.log_bytes_per_run")),
    SettingRow(
      key: "quotas.log_line_bytes", value: "256", script: asks("print(('x'):rep(300))"),
      effect: .log("(cut: 300 bytes, 256 are kept)")),
    SettingRow(
      key: "quotas.kv_bytes_per_script", value: "\"1KB\"",
      script: refuses("pcall(function() kv.set('a', ('x'):rep(600)) kv.set('b', ('x'):rep(600)) end)"),
      effect: .log("quotas.kv_bytes_per_script")),
    SettingRow(
      key: "quotas.kv_value_bytes", value: "1024", script: refuses("pcall(kv.set, 'a', ('x'):rep(1100))"),
      effect: .log("quotas.kv_value_bytes")),
    SettingRow(
      key: "quotas.event_bytes", value: "1024", script: refuses("pcall(emit, 'a', ('x'):rep(1100))"),
      effect: .log("quotas.event_bytes")),
    SettingRow(
      key: "quotas.params_bytes", value: "1024", script: refuses("pcall(jobs.run, 'it', { a = ('x'):rep(1100) })"),
      effect: .log("quotas.params_bytes")),
    SettingRow(
      key: "quotas.result_bytes", value: "1024", script: asks("return ('x'):rep(1100)"),
      effect: .log("quotas.result_bytes")),
    SettingRow(
      key: "quotas.metric_series_per_script", value: "1",
      script: asks("metric.gauge('a', 1) print(metric.gauge('b', 1))"), effect: .log("quotas.metric_series_per_script")),
    SettingRow(
      key: "quotas.metric_label_bytes", value: "\"1KB\"",
      script: asks(
        "for i = 1, 20 do local ok, why = metric.gauge('a', 1, { l = ('x'):rep(100) .. i }) "
          + "if not ok then print(why) end end"),
      effect: .log("quotas.metric_label_bytes")),
    SettingRow(
      key: "quotas.max_memory", value: "\"2MB\"", script: "job 'it' { memory = '3MB', run = print }",
      effect: .checked("memory must be at most 2MB")),
    SettingRow(
      key: "quotas.max_timeout", value: "\"1m\"", script: "job 'it' { timeout = '2m', run = print }",
      effect: .checked("quotas.max_timeout")),
    SettingRow(
      key: "quotas.load_timeout", value: "\"100ms\"", script: "while true do end",
      effect: .checked("quotas.load_timeout")),
    SettingRow(
      key: "quotas.jobs_per_script", value: "2", script: "for i = 1, 3 do job('a' .. i) { run = print } end",
      effect: .checked("quotas.jobs_per_script")),
    SettingRow(
      key: "quotas.jobs", value: "2", script: "for i = 1, 2 do job('a' .. i) { run = print } end",
      others: ["b.lua": "job 'b' { run = print }"], effect: .checked("quotas.jobs")),
    SettingRow(
      key: "quotas.trigger_parts_per_script", value: "5",
      script: "local t = every '1h' for i = 1, 5 do t = any_of { t, t } end job 'it' { trigger = t, run = print }",
      effect: .checked("quotas.trigger_parts_per_script")),
    SettingRow(
      key: "quotas.declared_bytes_per_script", value: "\"1KB\"",
      script: "job 'it' { description = ('x'):rep(900), tags = { ('y'):rep(400) }, run = print }",
      effect: .checked("quotas.declared_bytes_per_script")),
  ]
}

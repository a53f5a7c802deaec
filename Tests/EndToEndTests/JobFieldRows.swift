import Foundation
import Glibc
import Testing

/// A field of a job, and how its effect shows in the binary.
struct JobFieldRow: Sendable {
  let field: String
  /// The field as it is written.
  let text: String
  /// The other fields of the job, `run` among them.
  let rest: String
  /// What stands before the job, and after it.
  var before = ""
  var after = ""
  /// Settings that the host needs, as Lua; none may be `job_defaults`.
  var settings = ""
  /// The host's flags.
  var flags: [String] = []
  /// What is seen of the job called `name`, in a place whose host runs.
  let seen: @Sendable (_ place: Place, _ host: HostProcess, _ name: String) throws -> Void

  /// A line of the job's log with this text.
  static func says(_ text: String) -> @Sendable (Place, HostProcess, String) throws -> Void {
    { _, host, name in
      try host.awaitLine { $0.contains(text) && $0.split(separator: " ").dropFirst(2).first == name[...] }
    }
  }

  /// The times that `simulate` gives within a window.
  static func fires(_ from: String, _ to: String, _ times: [String])
    -> @Sendable (Place, HostProcess, String) throws
    -> Void
  {
    { place, _, name in
      let ended = try place.run("simulate", "scripts", "--from", from, "--to", to, "--job", name)
      #expect(ended.output.map { String($0.split(separator: " ")[0]) } == times, "\(name): \(ended)")
    }
  }

  /// What `list` has of the job, as JSON.
  static func listed(_ text: String) -> @Sendable (Place, HostProcess, String) throws -> Void {
    { place, _, name in
      let list = try place.run("list", "scripts", "--json").output.joined()
      let job = list.components(separatedBy: "{\"name\":").first { $0.hasPrefix("\"\(name)\"") }
      #expect(job?.contains(text) == true, "\(name): \(list)")
    }
  }
}

extension JobFieldRow {
  private static let starts = "run_at_start = true"

  /// What a job is and when it runs.
  static let triggers: [JobFieldRow] = [
    JobFieldRow(
      field: "run", text: "run = function() print('has run') end", rest: starts, seen: says("has run")),
    JobFieldRow(
      field: "description", text: "description = 'What it is for.'", rest: "run = print",
      seen: listed("\"description\":\"What it is for.\"")),
    JobFieldRow(
      field: "tags", text: "tags = { 'red', 'blue' }", rest: "run = print", seen: listed("[\"red\",\"blue\"]")),
    JobFieldRow(
      field: "params", text: "params = { word = 'given' }",
      rest: "\(starts), run = function(ctx) print('word ' .. ctx.params.word) end", seen: says("word given")),
    JobFieldRow(
      field: "cron", text: "cron = '30 4 * * *'", rest: "run = print",
      seen: fires("2027-01-01", "2027-01-02", ["2027-01-01T04:30:00Z"])),
    JobFieldRow(
      field: "every", text: "every = '20ms'", rest: "run = function() print('beats') end", seen: says("beats")),
    JobFieldRow(
      field: "at", text: "at = '2031-02-03 04:05'", rest: "run = print",
      seen: fires("2031-02-03", "2031-02-04", ["2031-02-03T04:05:00Z"])),
    JobFieldRow(
      field: "calendar", text: "calendar = { months = 1, day = 5, hour = 6 }", rest: "run = print",
      seen: fires("2027-01-01", "2027-02-01", ["2027-01-05T06:00:00Z"])),
    JobFieldRow(
      field: "trigger", text: "trigger = cron '0 5 * * *'", rest: "run = print",
      seen: fires("2027-01-01", "2027-01-02", ["2027-01-01T05:00:00Z"])),
    JobFieldRow(
      field: "on", text: "on = 'called'", rest: "run = function(ctx) print('heard ' .. ctx.event.name) end",
      after: "job 'calls' { run_at_start = true, run = function() emit('called') end }", seen: says("heard called")),
    JobFieldRow(
      field: "after", text: "after = 'first'", rest: "run = function(ctx) print('after ' .. ctx.event.job) end",
      before: "job 'first' { run_at_start = true, run = function() end }\n", seen: says("after first")),
    JobFieldRow(
      field: "watch", text: "watch = { path = 'in/*.csv', settle = '50ms' }",
      rest: "run = function(ctx) print('given ' .. #ctx.event.paths) end",
      settings: "grants = { ['*'] = { fs = { 'in:r' } } }", seen: says("given 1")),
    JobFieldRow(
      field: "timezone", text: "timezone = 'Asia/Tokyo'", rest: "\(starts), run = function() print(time.format(0)) end",
      seen: says("1970-01-01T09:00:00+09:00")),
    JobFieldRow(
      field: "dst", text: "dst = { gap = 'skip' }",
      rest: "cron = '30 2 * * *', timezone = 'Europe/Vienna', run = print",
      seen: fires(
        "2027-03-27T00:00Z", "2027-03-29T12:00Z", ["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"])),
    JobFieldRow(
      field: "start_date", text: "start_date = '2030-01-10'", rest: "cron = '0 0 * * *', run = print",
      seen: fires("2030-01-01", "2030-01-11", ["2030-01-10T00:00:00Z"])),
    JobFieldRow(
      field: "end_date", text: "end_date = '2030-01-10'", rest: "cron = '0 0 * * *', run = print",
      seen: fires("2030-01-10", "2030-01-13", ["2030-01-10T00:00:00Z"])),
    JobFieldRow(
      field: "limit", text: "limit = 2", rest: "every = '20ms', run = function() end",
      seen: { place, host, name in
        try host.awaitLine(containing: "\(name): its schedule has ended")
        try host.awaitLine(containing: "\(name) #")
        #expect(try place.run("history", name, "--json").output.count <= 2)
      }),
    JobFieldRow(
      field: "debounce", text: "debounce = '200ms'",
      rest: "on = 'e', run = function(ctx) print('told ' .. ctx.event.data) emit('heard') end",
      after: """
        job 'sends' { run_at_start = true, run = function() for i = 1, 5 do emit('e', i) end end }
        job 'ends' { on = 'heard', run = function() print('all is told') end }
        """,
      seen: { _, host, name in
        try host.awaitLine(containing: "told 5")
        try host.awaitLine(containing: "all is told")
        for number in 1...4 { #expect(!host.text.contains("told \(number)")) }
      }),
    JobFieldRow(
      field: "run_at_start", text: starts, rest: "run = function() print('at the start') end",
      seen: says("at the start")),
    JobFieldRow(
      field: "enabled", text: "enabled = false", rest: "every = '1h', run = print", seen: listed("\"enabled\":false")),
  ]

  /// One run.
  static let runs: [JobFieldRow] = [
    JobFieldRow(
      field: "timeout", text: "timeout = '50ms'", rest: "\(starts), run = function() while true do end end",
      seen: says("timed_out")),
    JobFieldRow(
      field: "memory", text: "memory = '2MB'",
      rest: "\(starts), run = function() local t = {} for i = 1, 1e7 do t[i] = {} end end", seen: says("out_of_memory")),
    JobFieldRow(
      field: "retry", text: "retry = { max = 1, base = '1ms', jitter = false }",
      rest: "\(starts), run = function(ctx) print('attempt ' .. ctx.attempt) error('no') end", seen: says("attempt 2")),
    JobFieldRow(
      field: "state", text: "state = 'run'",
      rest: "every = '20ms', run = function() n = (n or 0) + 1 print('count ' .. n) end",
      seen: { _, host, name in
        for _ in 0..<4 { try host.awaitLine(containing: "count ") }
        #expect(!host.text.contains("count 2"))
      }),
    JobFieldRow(
      field: "on_error", text: "on_error = function(ctx, err) print('error ' .. err.message) end",
      rest: "\(starts), run = function() error('no', 0) end", seen: says("error no")),
    JobFieldRow(
      field: "on_failure", text: "on_failure = function(ctx, err) print('failure ' .. err.message) end",
      rest: "\(starts), run = function() error('no', 0) end", seen: says("failure no")),
    JobFieldRow(
      field: "on_success", text: "on_success = function(ctx, result) print('success ' .. result) end",
      rest: "\(starts), run = function() return 7 end", seen: says("success 7")),
    JobFieldRow(
      field: "executor", text: "executor = 'own'",
      rest: "\(starts), run = function(ctx) print('on thread ' .. ctx.thread .. '.') sleep('10m') end",
      settings: "executors = { default = { workers = 1 }, own = { workers = 7 } }",
      seen: { _, host, name in
        // Threads of an executor follow each other: those of the default one come first.
        let line = try host.awaitLine(containing: "on thread ")
        let thread = Int(line.split(separator: " ").last?.dropLast() ?? "")
        let workers = try ThreadNames.workers(8, of: host)
        #expect(workers.count == 8)
        #expect(thread != workers.min())
      }),
    JobFieldRow(
      field: "store", text: "store = 'other'", rest: "\(starts), run = function() print('kept') end",
      settings: "stores = { other = 'sqlite:other.db' }",
      seen: { place, host, name in
        try host.awaitLine(containing: "kept")
        #expect(try place.run("history", "--store", "other.db").output.contains { $0.contains(name) })
      }),
  ]
}

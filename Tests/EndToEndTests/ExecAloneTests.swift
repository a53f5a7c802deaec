import Foundation
import ScriptFixtures
import Testing

/// `exec` of jobs that expect company: events, files, other jobs.
@Suite("exec without a scheduler, end to end", .onBothExecutors, .serialized, .timeLimit(.minutes(5)))
struct ExecAloneTests {
  private func place(_ script: String) throws -> Place {
    let place = try Place()
    try place.save("a.lua", script)
    return place
  }

  @Test("what a scheduler would do is dropped, and said: once when it is asked, all of it at the end")
  func dropped() throws {
    let place = try place(
      """
      job "first" { run = function()
        local ok, why = emit("made", { n = 1 })
        print(tostring(ok) .. ": " .. why)
        emit("made") jobs.run("second") jobs.pause("second")
        print(select(2, pcall(jobs.run, "secnd")))
        return #jobs.list()
      end }
      job "second" { after = "first", run = print }
      """)
    let ended = try place.run("exec", "first")
    #expect(ended.status == 0)
    let warnings = ended.errors.filter { $0.contains(" warn ") }
    #expect(
      warnings.count == 1 && warnings[0].contains("emit(\"made\") is dropped: exec runs this one job"), "\(ended)")
    #expect(ended.errors.contains { $0.contains("nil: exec runs one job without a scheduler") }, "\(ended)")
    #expect(ended.errors.contains { $0.contains("no job is named \"secnd\"; did you mean \"second\"?") }, "\(ended)")
    let summary =
      "moondial: nothing follows, exec has no scheduler; dropped: emit(\"made\") (2 times), "
      + "jobs.run(\"second\"), jobs.pause(\"second\")"
    #expect(ended.errors.contains(summary), "\(ended)")
    #expect(ended.errors.contains { $0.contains("in a host, second would run after this; here nothing follows") })
    #expect(try place.run("history", "--json").output.joined().contains(#""result":2"#))
    let json = try place.run("exec", "first", "--json").output.last ?? ""
    #expect(json.contains(#""left_out":["nothing follows"#), "\(json)")
  }

  @Test("--event and --file make ctx.event as a host does, and the run is recorded with it")
  func events() throws {
    let place = try place(
      """
      job "hears" { on = { "price.jump", "price.fall" }, run = function(ctx) return ctx.event end }
      job "reads" { watch = "in/*.csv", run = function(ctx) return { ctx.event.name, #ctx.event.paths, ctx.event.paths[1] } end }
      job "plain" { run = function(ctx) return ctx.event end }
      job "follows" { after = { job = "plain", outcome = "any" }, run = function(ctx)
        return ctx.event and { ctx.event.name, ctx.event.job, ctx.event.outcome, ctx.event.result }
      end }
      """)
    try Data().write(to: URL(fileURLWithPath: place.path + "/scripts/b.csv"))
    func result(_ arguments: String...) throws -> (String, HostProcess.Ended) {
      let ended = try HostProcess.run(["exec"] + arguments + ["--json"], in: place.path)
      #expect(ended.status == 0, "\(ended)")
      let line = ended.output.last ?? ""
      return (line.components(separatedBy: #","error""#)[0].components(separatedBy: #""result":"#).last ?? "", ended)
    }
    let data = try result("hears", "--event", #"{"to":3}"#)
    #expect(data.0 == #"{"data":{"to":3},"name":"price.jump"}"#)
    #expect(data.1.errors.contains { $0.contains("this is tried as price.jump") }, "\(data.1)")
    #expect(try result("hears", "--event", #"{"name":"price.fall","data":1}"#).0 == #"{"data":1,"name":"price.fall"}"#)
    let ended = try result("follows", "--event", #"{"job":"plain","outcome":"failed","result":7}"#)
    #expect(ended.0 == #"["after","plain","failed",7]"#, "\(ended)")
    #expect(try result("follows", "--event", #"{"job":"plain"}"#).0 == #"["after","plain","succeeded"]"#)
    #expect(
      try result("follows", "--event", #"{"job":"hears"}"#).1.errors.contains {
        $0.contains("does not run after hears")
      })
    #expect(try result("follows").1.errors.contains { $0.contains(#"--event '{"job": "plain"}' gives it one"#) })
    #expect(try !result("plain").1.errors.contains { $0.contains("ctx.event is nil") })
    let file = try result("reads", "--file", "scripts/b.csv", "--file", "scripts/a.lua").0
    #expect(file.hasPrefix(#"["watch",2,"/"#) && file.hasSuffix(#"/scripts/b.csv"]"#), "\(file)")
    #expect(try result("plain", "--file", "scripts/b.csv").1.errors.contains { $0.contains("plain watches no files") })
    #expect(try place.run("history", "hears", "--json").output.joined().contains(#""event":{"name":"price.fall""#))
  }

  @Test("a run that waits for an event that nobody can bring has failed in its first attempt")
  func waits() throws {
    let place = try place("job 'waits' { run = function(ctx) ctx:wait_for('x') end }")
    let ended = try place.run("exec", "waits", "--json")
    #expect(ended.status == 1, "\(ended)")
    #expect(ended.output.last?.contains("has no timeout, and exec has no scheduler") == true, "\(ended)")
    #expect(ended.output.last?.contains(#""attempts":1"#) == true, "\(ended)")
  }

  @Test("beside a host, exec says which limits do not hold it")
  func limits() throws {
    let place = try place(
      """
      job "slow" { group = "db", run_at_start = true, run = function(ctx)
        print("begins")
        if ctx.params.long ~= false then sleep("1h") end
      end }
      """)
    let host = try place.host("--set", "groups.db.max=1")
    try host.awaitLine(containing: "begins")
    let ended = try place.run("exec", "slow", "--set", "groups.db.max=1", "--param", "long=false")
    #expect(ended.status == 0, "\(ended)")
    #expect(
      ended.errors.contains {
        $0.contains("run 1 of this job is under way (max_instances = 1): this one runs at the same time")
      },
      "\(ended)")
    #expect(ended.errors.contains { $0.contains("this run does not count in group \"db\"") }, "\(ended)")
  }
}

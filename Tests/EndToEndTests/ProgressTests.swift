import Foundation
import Glibc
import ScriptFixtures
import Testing

@Suite("Progress and metrics, end to end", .serialized, .onBothExecutors, .timeLimit(.minutes(5)))
struct ProgressTests {
  @Test("list and history tell how far a run is, while it runs and after")
  func progress() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "long" { run_at_start = true, run = function(ctx)
        for i = 0, 1000 do ctx:progress(i / 4000) end
        print("quarter done")
        wait("go on", "10m")
        ctx:progress("packing") ctx:progress("all packed")
      end }
      job "go" { on = "never", run = function() end }
      """)
    let host = try place.host("-v")
    try host.awaitLine(containing: "quarter done")
    try host.awaitLine(containing: "progress: 25 %")
    #expect(try place.run("list", "scripts").output.joined().contains(": 25 %"))
    let list = try place.run("list", "scripts", "--json").output.joined()
    #expect(list.contains(#""progress":{"text":"25 %","fraction":0.25,"at":""#), "\(list)")
    // Of the thousand words of the loop, one at once and one when the second was over.
    #expect(host.lines.count { $0.text.contains("progress: ") } <= 4)
    host.signal(SIGTERM)
    try host.awaitAnywhere("stopping: waiting for")
    host.signal(SIGTERM)
    _ = try host.awaitExit()
    #expect(try place.run("history", "--run", "1").output.joined(separator: "\n").contains("progress         25 %, "))
    #expect(try place.run("history", "--run", "1", "--json").output.joined().contains(#""progress":{"text":"25 %""#))
  }

  @Test("what a run said last is kept, however soon it ends")
  func last() throws {
    let place = try Place()
    try place.save(
      "a.lua", "job 'it' { run = function(ctx) for i = 1, 9 do ctx:progress('step ' .. i) end print('said') end }")
    #expect(try place.run("exec", "it", "scripts").status == 0)
    let run = try place.run("history", "--run", "1").output
    #expect(run.contains { $0.hasPrefix("progress") && $0.contains("step 9, ") }, "\(run)")
    // It is no line of the log.
    #expect(run.count { $0.contains("step") } == 1 && run.contains { $0.contains("said") })
  }

  @Test("metrics shows what scripts count, while the host is up and when it is not; of scripts that are gone nothing")
  func metrics() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "counts" { run_at_start = true, run = function()
        metric.counter("rows_total", 3, { table = "a" }) metric.counter("rows_total", 4, { table = "a" })
        metric.gauge("fill", 0.5) metric.gauge("odd", 0/0)
        print("counted")
      end }
      """)
    let host = try place.host("-v")
    try host.awaitLine(containing: "counted")
    host.signal(SIGTERM)
    _ = try host.awaitExit()
    #expect(host.text.contains(#"a.lua: counter rows_total{table="a"} = 7"#), "\(host.text)")
    let table = try place.run("metrics").output
    #expect(table.contains { $0.contains(#"rows_total{table="a"}"#) && $0.contains("counter") && $0.contains("7") })
    let json = try place.run("metrics", "--json").output.joined()
    #expect(json.contains(#""name":"fill","kind":"gauge","labels":"","value":0.5,"script":"a.lua""#), "\(json)")
    #expect(json.contains(#""name":"odd","kind":"gauge","labels":"","value":"NaN""#))
    try place.remove("a.lua")
    try place.save(
      "b.lua", "job 'b' { run_at_start = true, run = function() metric.gauge('new', 1) print('measured') end }\n")
    let second = try place.host()
    try second.awaitLine(containing: "measured")
    // A running host writes within five seconds.
    let deadline = Date(timeIntervalSinceNow: HostProcess.patience)
    var said = ""
    while !said.contains("new"), Date() < deadline { said = try place.run("metrics").output.joined(separator: "\n") }
    #expect(said.contains("new") && !said.contains("rows_total"), "\(said)")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
  }
}

import CLinux
import Foundation
import Glibc
import ProcessFrames
import ScriptFixtures
import Testing

/// Jobs on an executor of processes, through the binary: whatever their code does, it costs its own run.
@Suite("Processes, end to end", .serialized, .timeLimit(.minutes(5)))
struct ProcessTests {
  private static let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"
  private static let isRoot = geteuid() == 0

  private func configuration(_ place: Place, more: String = "", workers: Int = 3) -> String {
    let user = Self.isRoot ? "user = 'nobody'," : ""
    return """
      return {
        executors = {
          isolated = { type = "process", workers = \(workers), memory = "96MB", libraries = "all", \(user) \(more) },
        },
        grants = { ["*"] = { fs = { "\(place.path):r" } } },
      }
      """
  }

  private func prepare(_ place: Place, more: String = "", workers: Int = 3) throws {
    try HostileCode.build(in: place)
    try configuration(place, more: more, workers: workers).write(
      toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
  }

  @Test("a process that a run leaves behind ends with the run's process, and cannot leave its group")
  func daemons() throws {
    let place = try Place()
    try prepare(place)
    try place.save(
      "a.lua",
      "job 'leaves' { executor = 'isolated', run_at_start = true, run = function(ctx) \(HostileCode.loading(place))"
        + "print('process ' .. h.daemonise()) end }")
    let host = try place.host()
    let line = try host.awaitLine(containing: "process ")
    let process = try #require(line.split(separator: " ").last.flatMap { Int32($0) })
    #expect(ProcessList.awaitEnd(of: process, within: 60), "the run's process is replaced")
    func sleepers() -> [ProcessList.Entry] {
      ProcessList().all.filter { getpgid($0.process) == process && $0.state != "Z" }
    }
    for sleeper in sleepers() { ProcessList.awaitEnd(of: sleeper.process, within: 60) }
    #expect(sleepers().isEmpty)
  }

  @Test("native code finds no call that leads out of its process, and its own ones are there")
  func gaps() throws {
    let place = try Place()
    try prepare(place)
    try place.save(
      "a.lua",
      "job 'tries' { executor = 'isolated', run_at_start = true, run = function(ctx) \(HostileCode.loading(place))"
        + "print('gaps: ' .. h.gaps() .. '.') end }")
    let line = try place.host().awaitLine(containing: "gaps: ")
    #expect(line.hasSuffix("gaps: ."), "\(line)")
  }

  @Test("what a run may do in namespaces of its own is without capabilities")
  func capabilities() throws {
    let place = try Place()
    try prepare(place, more: "namespaces = true,")
    try place.save(
      "a.lua",
      "job 'looks' { executor = 'isolated', run_at_start = true, run = function(ctx) "
        + "local text = io.open('/proc/self/status'):read('a') "
        + "print('capabilities ' .. text:match('CapEff:%s+(%x+)') .. text:match('CapBnd:%s+(%x+)')) end }")
    // Not every kernel gives a user namespaces; then the run says so.
    let line = try place.host().awaitLine {
      $0.contains("capabilities ") || $0.contains("the kernel gives this user none")
    }
    let none = "capabilities " + String(repeating: "0", count: 32)
    #expect(line.contains("gives this user none") || line.hasSuffix(none), "\(line)")
  }

  @Test("native code with the host's user is no operator: the host's socket is shut for it")
  func socket() throws {
    let place = try Place()
    try HostileCode.build(in: place)
    let configuration =
      "return { executors = { isolated = { type = 'process', libraries = 'all' } }, "
      + "grants = { ['*'] = { fs = { '\(place.path):r' } } } }"
    try configuration.write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    let path = place.path + "/.moondial/host.sock"
    try place.save(
      "a.lua",
      "job 'asks' { executor = 'isolated', run_at_start = true, run = function(ctx) \(HostileCode.loading(place))"
        + "print('answer: ' .. h.ask('\(path)') .. '.') end }")
    let host = try place.host()
    let line = try host.awaitLine(containing: "answer: ")
    #expect(line.hasSuffix("answer: .") || line.hasSuffix("answer: \(unsafe String(cString: strerror(ECONNRESET)))."))
    #expect(try place.run("status", "--state", place.path + "/.moondial").status == 0, "others are let in")
  }

  @Test("niceness is added to the host's own")
  func nice() throws {
    let place = try Place()
    try prepare(place, more: "nice = 3,")
    try place.save(
      "a.lua",
      "job 'looks' { executor = 'isolated', run_at_start = true, run = function(ctx) "
        + "local text = io.open('/proc/self/stat'):read('a'):match('%) (.*)') "
        + "print('nice ' .. text:match(('%S+ '):rep(16) .. '(%S+)') .. '.') end }")
    let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
    let host = try place.host(prefix: ["nice", "-n", "4"])
    #expect(try host.awaitLine(containing: "nice ").hasSuffix("nice \(min(19, own + 7))."))
  }

  @Test("whatever a worker asks its host for, the host goes on")
  func absurd() throws {
    let place = try Place()
    try HostileCode.build(in: place)
    // One worker, so that the n-th run is number n to its executor.
    let configuration =
      "return { executors = { isolated = { type = 'process', workers = 1, libraries = 'all' } }, "
      + "grants = { ['*'] = { fs = { '\(place.path):r' } } } }"
    try configuration.write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    let fixed = AbsurdFrames.schedules(run: 0).count
    let rounds = fixed + (Self.isLong ? 400 : 30)
    for round in 1...rounds {
      let known = AbsurdFrames.schedules(run: UInt64(round))
      var frames = AbsurdFrames(seed: UInt64(round), run: UInt64(round), mayEnd: false)
      let bytes = round <= fixed ? known[round - 1].frame : frames.bytes(4)
      try Data(bytes).write(to: URL(fileURLWithPath: place.path + "/frames-\(round)"))
    }
    try place.save(
      "a.lua",
      "job 'good' { every = '1h', run = function() end }\n"
        + "job 'absurd' { executor = 'isolated', every = '10ms', limit = \(3 * rounds), overlap = 'queue', "
        + "coalesce = 'all', "
        + "timeout = '5s', run = function(ctx) local n = (kv.get('n') or 0) + 1 kv.set('n', n) "
        + "\(HostileCode.loading(place)) print('round ' .. n) local f = io.open('\(place.path)/frames-' .. n) "
        + "if f then h.write(3, f:read('a')) end end }")
    // A run may end with its process before it has told its round: of what the run before it has said.
    let host = try place.host()
    for round in 1...rounds { try host.awaitLine(within: 60, containing: "round \(round)") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0, "\(host.text.suffix(2_000))")
  }

  @Test("native code cannot signal its host, nor read what its script is not granted")
  func outside() throws {
    let place = try Place()
    try prepare(place)
    try place.save(
      "a.lua",
      "job 'tries' { executor = 'isolated', run_at_start = true, run = function(ctx) \(HostileCode.loading(place))"
        + "print('signalled ' .. tostring(h.kill(h.host(), 0)) .. ', opened ' .. tostring(io.open('/proc/' .. h.host() "
        + ".. '/environ') ~= nil) .. ', wrote ' .. tostring(io.open('\(place.path)/new', 'w') ~= nil)) end }")
    let host = try place.host()
    let line = try host.awaitLine(containing: "signalled ")
    if Self.isRoot || linux_landlock_version() >= 6 {
      #expect(line.hasSuffix("signalled false, opened false, wrote false"), "\(line)")
    }
  }

  /// What workers do that hear nothing of their host's end, or do not mind it.
  private static let deaf = ["while true do end", "h.nap()", "h.ignore()", "os.execute('sleep 600')"]

  @Test("a host that is killed takes its workers along, whatever they do, and their runs are interrupted")
  func hostKilled() throws {
    let place = try Place()
    try prepare(place, workers: Self.deaf.count)
    let jobs = Self.deaf.enumerated().map { number, body in
      "job 'waits\(number)' { executor = 'isolated', run_at_start = true, run = function(ctx) "
        + HostileCode.loading(place) + "h.daemonise() print('pid ' .. ctx.process) \(body) end }\n"
    }
    try place.save("a.lua", jobs.joined())
    let host = try place.host()
    var groups: [Int32] = []
    for _ in jobs {
      let line = try host.awaitLine(containing: "pid ")
      groups.append(try #require(line.split(separator: " ").last.flatMap { Int32($0) }))
    }
    func left() -> [ProcessList.Entry] {
      ProcessList().all.filter { groups.contains(getpgid($0.process)) && $0.state != "Z" }
    }
    #expect(left().count >= 2 * groups.count, "each has left a process in its group")
    // Only now: the host gives up one that is stopped for long.
    #expect(kill(-groups[0], SIGSTOP) == 0)
    host.signal(SIGKILL)
    for process in groups { #expect(ProcessList.awaitEnd(of: process, within: 60), "a worker outlives its host") }
    for process in left() { ProcessList.awaitEnd(of: process.process, within: 60) }
    #expect(left().isEmpty)
    _ = try host.awaitExit()
    try place.save("a.lua", "job 'other' { every = '1h', run = function() end }")
    let next = try place.host()
    try next.awaitLine(containing: "1 job from")
    next.signal(SIGTERM)
    _ = try next.awaitExit()
    let runs = try place.run("history", "--store", place.store).output
    #expect(runs.count { $0.contains("interrupted") } == jobs.count, "\(runs)")
  }

  @Test("a run with a step, a sleep, a wait, a transaction and an outbox outlives its host, and is done once")
  func steps() throws {
    let place = try Place()
    try configuration(place).write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try StepsScript.live(in: place, on: "isolated")
  }

  @Test("a run whose process is killed between two steps is tried again, and does not do the first one again")
  func stepsOfKilledProcess() throws {
    let place = try Place()
    try prepare(place)
    try place.save(
      "a.lua",
      "job 'pays' { executor = 'isolated', run_at_start = true, "
        + "retry = { max = 2, base = '1ms', jitter = false }, run = function(ctx) \(HostileCode.loading(place))"
        + "local attempt = ctx:step('pay', function() print('paid in attempt ' .. ctx.attempt) return ctx.attempt end) "
        + "if ctx.attempt == 1 then h.segv() end "
        + "ctx.outbox.emit('paid', { attempt = attempt }) return attempt end }\n"
        + "job 'hears' { on = 'paid', run = function(ctx) print('heard ' .. ctx.event.data.attempt) end }")
    let host = try place.host()
    try host.awaitAnywhere("paid in attempt 1")
    try host.awaitAnywhere("heard 1")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(!host.text.contains("paid in attempt 2"))
    let runs = try place.run("history", "pays", "--json").output
    #expect(runs.count == 1 && runs[0].contains("\"succeeded\""), "\(runs)")
  }

  @Test("C modules of the distribution work there, each as it does in the lua program")
  func modules() throws {
    let cases = [
      ("cjson", "require('cjson').encode({ 1, 2 }) == '[1,2]'"), ("lfs", "require('lfs').currentdir() == '/'"),
      ("lpeg", "require('lpeg').match(require('lpeg').R('az')^1, 'ab1') == 3"),
      ("socket", "type(require('socket').gettime()) == 'number'"),
      (
        "luasql.sqlite3",
        "require('luasql.sqlite3').sqlite3():connect(''):execute('select 40 + 2'):fetch() == 42"
      ),
    ]
    let there = cases.filter { name, _ in
      FileManager.default.fileExists(
        atPath: "/usr/lib/x86_64-linux-gnu/lua/5.4/" + name.replacingOccurrences(of: ".", with: "/") + ".so")
        || FileManager.default.fileExists(atPath: "/usr/share/lua/5.4/\(name).lua")
    }
    for (name, _) in cases where !there.contains(where: { $0.0 == name }) {
      print("left out: Lua module \(name) (make test installs them)")
    }
    let place = try Place()
    try configuration(place).write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    var script = "job_defaults { executor = 'isolated', run_at_start = true }\n"
    for (name, test) in there {
      script += "job '\(name)' { run = function() print('\(name) ' .. tostring(\(test))) end }\n"
    }
    try place.save("a.lua", script)
    let host = try place.host()
    for (name, _) in there { #expect(try host.awaitAnywhere("\(name) ").contains("\(name) true"), "\(host.text)") }
    #expect(!host.text.contains("not found"))
  }

  @Test("the worker's command is not for people")
  func byHand() throws {
    let ended = try Place().run("worker", "default")
    #expect(ended.status == 2 && ended.errors.joined().contains("is started by a host"))
  }
}

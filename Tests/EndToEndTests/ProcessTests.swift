import CLinux
import Foundation
import Glibc
import Testing

/// Jobs on an executor of processes, through the binary: whatever their code does, it costs its own run.
@Suite("Processes, end to end", .serialized)
struct ProcessTests {
  private static let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"
  private static let isRoot = geteuid() == 0

  private func configuration(_ place: Place, more: String = "") -> String {
    let user = Self.isRoot ? "user = 'nobody', processes = 60," : ""
    return """
      return {
        executors = {
          isolated = { type = "process", workers = 3, memory = "96MB", libraries = "all", \(user) \(more) },
        },
        grants = { ["*"] = { fs = { "\(place.path):r" } } },
      }
      """
  }

  private func prepare(_ place: Place, more: String = "") throws {
    try HostileCode.build(in: place)
    try configuration(place, more: more).write(
      toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
  }

  /// What a job does, and how each of its runs ends.
  private struct Kind {
    let name: String
    let body: String
    let ending: String
    var fields = ""
    var needsRoot = false
  }

  private static let kinds: [Kind] = [
    Kind(name: "segv", body: "h.segv()", ending: "SIGSEGV"),
    Kind(name: "abort", body: "io.stderr:write('last words\n') h.abort()", ending: "it last wrote: last words"),
    Kind(name: "exit", body: "os.exit(3)", ending: "crashed"),
    Kind(name: "garbage", body: "h.write(3, ('garbage '):rep(20)) h.nap()", ending: "what is no message"),
    // Its end is seen at once, or when its own reader lets go of the socket: then it is the deadline's.
    Kind(name: "closed", body: "h.close() h.nap()", ending: "h_closed", fields: "timeout = '1s',"),
    Kind(name: "killed", body: "h.kill(ctx.process, 9)", ending: "SIGKILL"),
    Kind(name: "stuck", body: "h.nap()", ending: "timed_out", fields: "timeout = '400ms',"),
    Kind(name: "hog", body: "h.hog()", ending: "out_of_memory"),
    Kind(
      name: "bomb", body: "h.bomb()", ending: "timed_out", fields: "timeout = '500ms',", needsRoot: true),
  ]

  @Test("hostile code costs its own runs: the others go on, and nothing is left of it")
  func hostile() throws {
    let place = try Place()
    try prepare(place)
    let rounds = Self.isLong ? 600 : 3
    let kinds = Self.kinds.filter { !$0.needsRoot || Self.isRoot }
    var script = "job_defaults { executor = 'isolated', overlap = 'queue', coalesce = false }\n"
    for kind in kinds {
      script +=
        "job 'h_\(kind.name)' { every = '300ms', limit = \(rounds), \(kind.fields) run = function(ctx) "
        + HostileCode.loading(place) + kind.body + " end }\n"
    }
    try place.save("hostile.lua", script.replacingOccurrences(of: "\n') h.abort", with: "\\n') h.abort"))
    try place.save(
      "good.lua",
      "local n = 0 job 'good' { every = '200ms', run = function() n = n + 1 kv.set('n', n) return n end }\n"
        + "job 'mine' { every = '200ms', executor = 'isolated', run = function(ctx) return ctx.process end }")
    let host = try place.host()
    try host.awaitLine(containing: "jobs from")
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.pid)/fd").count
    var left = Dictionary(uniqueKeysWithValues: kinds.map { ($0.name, rounds) })
    while !left.isEmpty {
      let line = try host.awaitLine(within: 120) { line in line.contains(" error ") && line.contains(" h_") }
      let kind = try #require(kinds.first { line.contains(" h_\($0.name) #") })
      #expect(line.contains(kind.ending), "\(line)")
      left[kind.name, default: 0] -= 1
      if left[kind.name] == 0 { left[kind.name] = nil }
    }
    try expectNothingLeft(host, descriptors: descriptors)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let good = try place.run("history", "good", "--store", place.store).output
    #expect(good.count > 3 && !good.contains { $0.contains("failed") || $0.contains("crashed") })
    let mine = try place.run("history", "mine", "--store", place.store).output
    #expect(!mine.contains { $0.contains("failed") || $0.contains("crashed") }, "\(mine)")
  }

  /// Waits until there are no more children than workers and the keeper, none of them a zombie, and no more descriptors
  /// than these need.
  private func expectNothingLeft(_ host: HostProcess, descriptors before: Int) throws {
    let end = Date().addingTimeInterval(HostProcess.patience)
    var children = ProcessList().children(of: host.pid)
    while children.count > 4 || children.contains(where: { $0.state == "Z" }), Date() < end {
      usleep(50_000)
      children = ProcessList().children(of: host.pid)
    }
    #expect(children.count <= 4 && !children.contains { $0.state == "Z" }, "\(children)")
    let now = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.pid)/fd").count
    #expect(now <= before + 3 * 4 + 2, "\(before) descriptors, and \(now) now")
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
    let descriptor = linux_open_process(process)
    if descriptor >= 0 {
      var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      // Safe: the call reads and writes that one struct.
      #expect(unsafe poll(&asked, 1, 60_000) == 1, "the run's process is replaced")
      close(descriptor)
    }
    let end = Date().addingTimeInterval(HostProcess.patience)
    func sleepers() -> [ProcessList.Entry] { ProcessList().all.filter { getpgid($0.process) == process } }
    while !sleepers().isEmpty, Date() < end { usleep(20_000) }
    #expect(sleepers().isEmpty)
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

  @Test("a host that is killed takes its worker processes along, and their runs are interrupted")
  func hostKilled() throws {
    let place = try Place()
    try prepare(place)
    try place.save(
      "a.lua",
      "for i = 1, 3 do job('waits' .. i) { executor = 'isolated', run_at_start = true, run = function(ctx) "
        + HostileCode.loading(place) + "print('pid ' .. ctx.process) h.nap() end } end")
    let host = try place.host()
    var processes: [Int32] = []
    for _ in 1...3 {
      let line = try host.awaitLine(containing: "pid ")
      processes.append(try #require(line.split(separator: " ").last.flatMap { Int32($0) }))
    }
    let descriptors = processes.map { linux_open_process($0) }
    host.signal(SIGKILL)
    for descriptor in descriptors where descriptor >= 0 {
      var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      // Safe: the call reads and writes that one struct.
      #expect(unsafe poll(&asked, 1, 60_000) == 1, "a worker outlives its host")
      close(descriptor)
    }
    _ = try host.awaitExit()
    try place.save("a.lua", "job 'other' { every = '1h', run = function() end }")
    let next = try place.host()
    try next.awaitLine(containing: "1 job from")
    next.signal(SIGTERM)
    _ = try next.awaitExit()
    let runs = try place.run("history", "--store", place.store).output
    #expect(runs.count { $0.contains("interrupted") } == 3, "\(runs)")
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

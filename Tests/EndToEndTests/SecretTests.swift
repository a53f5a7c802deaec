import Foundation
import Glibc
import ScriptFixtures
import Testing

@Suite("Secrets, end to end", .serialized, .timeLimit(.minutes(5)))
struct SecretTests {
  /// A place whose scripts may read all secrets and print.
  private func place(_ settings: String, _ body: String) throws -> Place {
    let place = try Place()
    try "return { \(settings) grants = { ['*'] = { secret = { '*' }, exec = { 'cat' } } } }\n"
      .write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save("a.lua", "job \"it\" { run = function(ctx)\n\(body)\nend }\n")
    return place
  }

  private func exec(_ place: Place, _ variables: [String: String] = [:]) throws -> HostProcess.Ended {
    try HostProcess.run(
      ["exec", "it", "scripts", "--json"], in: place.path,
      prefix: ["/usr/bin/env"] + variables.map { "\($0.key)=\($0.value)" })
  }

  @Test("the directory goes first, then systemd's, then the variable, then the command")
  func order() throws {
    let place = try place(
      "secrets = { directory = 'run', command = { '/bin/sh', '-c', 'echo from command for $1', 'sh' } },",
      "local out = {} for i, n in ipairs { 'a', 'b', 'c', 'd' } do out[i] = #secret(n) .. ':' .. secret(n):sub(6, 8) end return out"
    )
    for directory in ["run", "credentials"] {
      try FileManager.default.createDirectory(atPath: "\(place.path)/\(directory)", withIntermediateDirectories: true)
    }
    try "from dir\n".write(toFile: place.path + "/run/a", atomically: false, encoding: .utf8)
    for name in ["a", "b"] {
      try "from systemd\r\n".write(toFile: place.path + "/credentials/" + name, atomically: false, encoding: .utf8)
    }
    let ended = try exec(
      place,
      [
        "CREDENTIALS_DIRECTORY": place.path + "/credentials", "MOONDIAL_SECRET_A": "from variable",
        "MOONDIAL_SECRET_B": "from variable", "MOONDIAL_SECRET_C": "from variable",
      ])
    #expect(
      ended.output.joined().contains(#""result":["8:dir","12:sys","13:var","18:com"]"#),
      "\(ended.output) \(ended.errors)")
  }

  @Test("settings may come from the environment and from flags")
  func settings() throws {
    let place = try place("", "return (secret('a') or 'none'):upper()")
    try "of the directory".write(toFile: place.path + "/a", atomically: false, encoding: .utf8)
    let found = try exec(place, ["MOONDIAL_SECRETS__DIRECTORY": place.path])
    #expect(found.output.joined().contains("OF THE DIRECTORY"))
    let told = try HostProcess.run(
      ["exec", "it", "scripts", "--json", "--set", "secrets.command=echo told"], in: place.path)
    #expect(told.output.joined().contains("TOLD A"))
  }

  @Test(
    "names that lead out, or look like options, are refused",
    arguments: ["../a", "/etc/passwd", "a/../b", ".hidden", "a/.b", "-h", "a b", "", "a//b", "a\\0b"])
  func names(_ name: String) throws {
    let place = try place(
      "secrets = { directory = '.', command = { 'echo', 'asked' } },",
      "local v, why = secret('\(name)') return { v == nil, why:find(\"a secret's name\", 1, true) }")
    #expect(try exec(place).output.joined().contains(#""result":[true,1,"#))
  }

  @Test("a command that fails, is missing or says too much is a reason, not an error of the run", .onBothExecutors)
  func failures() throws {
    for (command, reason) in [
      ("'/bin/sh', '-c', 'echo no such entry >&2; exit 3'", "ended with code 3 for the secret"),
      ("'no-such-program'", "there is no program"),
      ("'/bin/sh', '-c', 'head -c 2000000 /dev/zero'", "wrote more than 1048576 bytes"),
    ] {
      let place = try place("secrets = { command = { \(command) } },", "return (select(2, secret('x')))")
      let ended = try exec(place)
      #expect(ended.output.joined().contains(reason), "\(ended.output)")
      #expect(ended.status == 0)
    }
  }

  @Test("a run that is killed kills the command, and the workers go on meanwhile")
  func deadline() throws {
    let place = try Place()
    try "return { secrets = { command = { 'sh', '-c', 'sleep 600' } }, grants = { ['*'] = { secret = true } } }\n"
      .write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save(
      "a.lua",
      """
      for i = 1, 8 do job("asks" .. i) { run_at_start = true, timeout = "700ms", run = function() secret("x") end } end
      job "other" { run_at_start = true, run = function() print("others run") end }
      """)
    let host = try place.host("--set", "executors.default.workers=1")
    try host.awaitLine(containing: "others run")
    for _ in 1...8 { try host.awaitLine(containing: "timed_out") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  /// The value, a line of it that is long by itself, and one that is too short to hide.
  private static let value = "tr0ub4dor & \\\"3\\\"\\nsecond-line-of-it\\nab"
  private static let parts = ["tr0ub4dor", "second-line-of-it"]

  @Test("a run in a process that is killed kills the command as well")
  func deadlineOfProcess() throws {
    let place = try Place()
    try """
    return { executors = { isolated = { type = 'process', workers = 1 } }, grants = { ['*'] = { secret = true } },
      secrets = { command = { 'sh', '-c', 'echo $$ > asked; exec sleep 600' } } }
    """.write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save(
      "a.lua",
      "job 'asks' { executor = 'isolated', run_at_start = true, timeout = '700ms', run = function() secret('x') end }")
    let host = try place.host()
    try host.awaitLine(containing: "timed_out")
    let command = try #require(Int32(place.text("asked").split(separator: "\n").first ?? ""))
    #expect(ProcessList.awaitEnd(of: command, within: 60))
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("a value is hidden wherever it leaves a run", .onBothExecutors)
  func hidden() throws {
    let place = try place(
      "secrets = { directory = 'run' },",
      """
      local s, pin = secret("s"), secret("pin")
      log.info("log " .. s, { field = s, [s] = 1, deep = { { s } }, number = tonumber(pin) })
      print("print", s) io.write("written ", s, "\\n")
      log.warn({ s })
      ctx:progress("progress " .. s)
      metric.counter("seen", 1, { who = s })
      local r = exec({ "cat" }, { stdin = "output " .. s })
      log.info(r.stdout)
      if ctx.params.how == "error" then error("error " .. s) end
      if ctx.params.how == "long" then error(("x"):rep(4096 - #s // 2) .. s) end
      if ctx.params.how == "table" then error { code = s } end
      if ctx.params.how == "fail" then ctx:fail("failed " .. s, { s }) end
      if ctx.params.how == "nil" then return nil, "nil " .. s end
      return { result = s, list = { s }, pin = tonumber(pin) }
      """)
    try FileManager.default.createDirectory(atPath: place.path + "/run", withIntermediateDirectories: true)
    try "tr0ub4dor & \"3\"\nsecond-line-of-it\nab\n".write(
      toFile: place.path + "/run/s", atomically: false, encoding: .utf8)
    try "91827364\n".write(toFile: place.path + "/run/pin", atomically: false, encoding: .utf8)
    for how in ["", "error", "long", "table", "fail", "nil"] {
      for json in [["--json"], []] {
        let ended = try HostProcess.run(["exec", "it", "scripts", "--param", "how=\(how)"] + json, in: place.path)
        let said = (ended.output + ended.errors).joined(separator: "\n")
        #expect(said.contains("log ***"), "\(said)")
        for part in Self.parts + ["91827364"] { #expect(!said.contains(part), "\(how): \(part) in\n\(said)") }
      }
    }
    for arguments in [["history"], ["history", "--json"], ["explain", "it"], ["metrics"]] {
      let ended = try HostProcess.run(arguments, in: place.path)
      for part in Self.parts { #expect(!(ended.output + ended.errors).joined().contains(part), "\(arguments)") }
    }
    // The bytes of the store, its log of writes included.
    for file in try FileManager.default.contentsOfDirectory(atPath: place.path + "/.moondial") {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: place.path + "/.moondial/" + file))
      for part in Self.parts + ["91827364"] { #expect(bytes.range(of: Data(part.utf8)) == nil, "\(part) in \(file)") }
    }
  }

  @Test("a host hides it in events, parameters and schedules too, and says so")
  func told() throws {
    let place = try Place()
    try "return { grants = { ['*'] = { secret = true } } }\n"
      .write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save(
      "a.lua",
      """
      job "tells" { run_at_start = true, run = function(ctx)
        local s = secret("token")
        emit("told", { token = s })
        jobs.run("hears", { token = s })
        jobs.schedule("hears", { at = "2031-01-01", id = "later", params = { token = s } })
        print(pcall(emit, s, 1))
        print("all told")
      end }
      job "hears" { on = "told", max_instances = 9, run = function(ctx)
        print("heard " .. ((ctx.event and ctx.event.data or ctx.params).token or "nothing"))
      end }
      """)
    let host = try HostProcess(
      ["run", "scripts", "-v"], in: place.path, prefix: ["/usr/bin/env", "MOONDIAL_SECRET_TOKEN=hunter2hunter2"])
    defer { host.signal(SIGKILL) }
    try host.awaitLine(containing: "emit: the value of a secret in the data is hidden")
    try host.awaitLine(containing: "all told")
    while host.lines.count(where: { $0.text.contains("heard ***") }) < 2 { try host.awaitLine(containing: "heard") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(!host.text.contains("hunter2"), "\(host.text)")
    #expect(host.text.contains("an event's name is told to everybody"))
    let store = try Data(contentsOf: URL(fileURLWithPath: place.store))
    #expect(store.range(of: Data("hunter2".utf8)) == nil)
  }

  @Test("a grant of all variables is none for secrets")
  func variables() throws {
    let place = try Place()
    try "return { grants = { ['*'] = { env = true } } }\n"
      .write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save(
      "a.lua",
      "job 'it' { run = function() return { pcall(env.get, 'MOONDIAL_SECRET_X'), os.getenv('MOONDIAL_SECRET_X') or 'none' } end }"
    )
    let said = try exec(place, ["MOONDIAL_SECRET_X": "hunter2"]).output.joined()
    #expect(said.contains("[false,\"none\"]") && !said.contains("hunter2"), "\(said)")
  }
}

import Foundation
import Glibc
import Testing

/// Every command as a person meets it: what it prints, and its exit code (0 fine, 1 failed, 2 usage).
@Suite("The commands, end to end", .serialized, .timeLimit(.minutes(5)))
struct CommandTests {
  /// Twenty mistakes, one script each, and a part of the sentence that names it.
  static let mistakes: [(name: String, script: String, message: String)] = [
    ("a01", "job 'a01' { crom = '* * * * *', run = print }", #"unknown field "crom"; did you mean "cron"?"#),
    ("a02", "job 'a02' { cron = '61 3 * * *', run = print }", "minute 61 is outside 0-59"),
    ("a03", "job 'a03' { every = '5 minutes', run = print }", "has spaces in it: write 5m"),
    ("a04", "job 'a04' { every = '0s', run = print }", "an interval is at least 1 ms"),
    ("a05", "job 'a05' { cron = '0 0 30 2 *', run = print }", "day 30 never comes in month 2"),
    ("a06", "job 'a06' { timezone = 'Europe/Berln', every = '1m', run = print }", "did you mean Europe/Berlin?"),
    ("a07", "job 'a07' { every = '1m' }", "run is missing; add run = function(ctx) … end"),
    ("a08", "job { every = '1m', run = print }", #"it has no name; write job "name" { … }"#),
    ("a09", "job 'a09' { run = print }\njob 'a09' { run = print }", "is declared twice, first at a09.lua:1"),
    ("a10", "job 'a10' { run = print", "'}' expected (to close '{' at line 1) near <eof>"),
    ("a11", "local a = {}\nlocal b = a.b.c", "attempt to index a nil value (field 'b')"),
    ("a12", "job 'a12' { overlap = 'skp', run = print }", #"did you mean "skip"?"#),
    ("a13", "job 'a13' { max_instances = 0, run = print }", "max_instances must be 1 to 100000, not 0"),
    ("a14", "job 'a14' { priority = 500, run = print }", "priority must be -100 to 100, not 500"),
    ("a15", "job 'a15' { memory = 'lots', run = print }", #"memory must be a size like "64MB""#),
    ("a16", "job 'a16' { after = 'nobody', run = print }", #"after names "nobody", but no job of that name is loaded"#),
    ("a17", "job 'a17' { after = 'a17', run = print }", "would wait for itself"),
    ("a18", "require 'net.retry'", "module 'net.retry' not found"),
    (
      "a19", "local co = coroutine.create(print)\njob 'a19' { run = function() return co end }",
      "upvalue 'co' of run: cannot keep a coroutine"
    ),
    ("a20", "job 'a20' { retry = { max = 'a' }, run = print }", #"retry.max must be a whole number, not "a""#),
  ]

  @Test("the host's first line, doctor and --version name the release of liblua that is used")
  func release() throws {
    let place = try Place()
    try place.save("a.lua", "job 'a' { run_at_start = true, run = function() print('ran') end }\n")
    let host = try place.host()
    let first = try host.awaitLine(containing: "moondial ")
    let release = try #require(first.split(separator: ", ").last.map(String.init))
    // Three numbers: `_VERSION` alone says "Lua 5.4".
    #expect(release.hasPrefix("Lua 5.4.") && Int(release.dropFirst("Lua 5.4.".count)) != nil, "\(first)")
    try host.awaitLine(containing: "ran")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(try place.run("doctor").output.contains { $0.hasPrefix("library ") && $0.hasSuffix(" " + release) })
    #expect(try place.run("doctor", "--json").output.joined().contains("\"lua\":\"\(release)\""))
    #expect(try place.run("--version").output.joined().contains("(\(release))"))
  }

  @Test("check prints twenty messages for twenty mistakes, each with its file and line, and exits 1")
  func check() throws {
    let place = try Place()
    for mistake in Self.mistakes { try place.save(mistake.name + ".lua", mistake.script + "\n") }
    try place.save("good.lua", "job 'good' { every = '1m', run = print }\n")
    let ended = try place.run("check")
    #expect(ended.status == 1)
    for mistake in Self.mistakes {
      let lines = ended.errors.filter { $0.hasPrefix(mistake.name + ".lua:") }
      #expect(lines.count == 1, "\(mistake.name): \(lines)")
      #expect(lines.first?.contains(mistake.message) == true, "\(mistake.name): \(lines)")
    }
    #expect(ended.errors.last?.hasSuffix("20 mistakes") == true, "\(ended.errors.last ?? "")")
  }

  @Test("check of a sound directory says so and exits 0")
  func checkFine() throws {
    let place = try Place()
    try place.save("good.lua", "job 'good' { every = '1m', run = print }\n")
    let ended = try place.run("check")
    #expect(ended.status == 0)
    #expect(ended.output == ["1 job in 1 script, no mistakes"])
  }

  @Test(
    "next tells a trigger that never fires from one whose search broke off",
    arguments: [
      ("at '2020-01-01'", "  never"), ("all_of { cron '1 * * * * *', cron '0 * * * * *' }", "  none found up to 2"),
    ])
  func nextWithoutFires(expression: String, line: String) throws {
    let ended = try Place().run("next", expression)
    #expect(ended.status == 0)
    #expect(ended.output.last?.hasPrefix(line) == true, "\(ended)")
  }

  /// Bad input, the exit code, and a part of what is said about it.
  static let refused: [(arguments: [String], status: Int32, message: String)] = [
    (["frobnicate"], 2, "frobnicate"),
    (["run", "nowhere"], 2, "nowhere"),
    (["run", "scripts", "--grace", "soon"], 2, "--grace soon"),
    (["run", "scripts", "--set", "executors.default.workers"], 2, "--set executors.default.workers"),
    (["run", "scripts", "--set", "executors.default.workers=many"], 1, "workers must be a whole number"),
    (["run", "scripts", "--config", "missing.lua"], 2, "missing.lua"),
    (["run", "scripts", "--nonsense"], 2, "--nonsense"),
    (["check", "nowhere"], 2, "nowhere"),
    (["list", "nowhere"], 2, "nowhere"),
    (["next"], 2, "name a trigger expression or a job"),
    (["next", "61 * * * *"], 1, "minute 61 is outside 0-59"),
    (["next", "* * * * *", "-n", "0"], 2, "-n 0"),
    (["next", "god"], 1, #"no job is named "god" in scripts; did you mean "good"?"#),
    (["next", "no-such-job"], 1, #"no job is named "no-such-job" in scripts"#),
    (["next", "no-such-job", "--dir", "nowhere"], 1, "there is no directory nowhere to look for a job of that name"),
    (["next", "0 3 * *"], 1, "4 fields, but cron has 5"),
    (["next", "* * * * *", "--timezone", "Europe/Berln"], 2, "Europe/Berlin"),
    (["next", "* * * * *", "--after", "yesterday"], 2, "--after yesterday"),
    (["next", "* * * * *", "--after", "2026-01-01", "--from", "2026-01-01"], 2, "either --after"),
    (["exec", "nobody"], 1, #"no job is named "nobody""#),
    (["exec", "god"], 1, #"no job is named "god" in scripts; did you mean "good"?"#),
    (["exec", "good", "--event", "{"], 2, "--event {: write JSON"),
    (["exec", "good", "--event", "1"], 2, "good listens to no event"),
    (["exec", "good", "--event", "{}", "--file", "scripts"], 2, "give either --event or --file"),
    (["exec", "good", "--file", "nowhere"], 1, "--file nowhere: No such file"),
    (["simulate", "scripts", "--job", "goood"], 1, #"did you mean "good"?"#),
    (["exec", "good", "--param", "novalue"], 2, "write key=value"),
    (["exec"], 2, "<job>"),
    (["history"], 1, "start a host first"),
    (["explain", "good"], 1, "start a host first"),
    (["explain"], 2, "<job>"),
    (["doctor"], 1, "start a host first"),
    (["backup"], 2, "<file>"),
    (["backup", "copy.db"], 1, "start a host first"),
    (["import", "crontab", "nowhere"], 1, "cannot read nowhere: No such file"),
    (["import", "crontab", "scripts"], 1, "cannot read scripts: Is a directory"),
    (["import", "crontab", "-o", "scripts/good.lua"], 1, "scripts/good.lua exists already"),
    (["import", "systemd", "backup.service"], 2, "name files that end in .timer"),
    (["import", "systemd", "backup.timer"], 1, "cannot read backup.timer"),
    (["simulate", "scripts", "--from", "2026-01-02", "--to", "2026-01-01"], 2, "--to must be later than --from"),
  ]

  @Test(
    "bad input is one clear sentence and the right exit code, never a crash", arguments: 0..<CommandTests.refused.count)
  func badInput(index: Int) throws {
    let (arguments, status, message) = Self.refused[index]
    let place = try Place()
    try place.save("good.lua", "job 'good' { every = '1m', run = print }\n")
    let ended = try HostProcess.run(arguments, in: place.path)
    #expect(ended.status == status, "\(arguments): \(ended.errors)")
    #expect(ended.errors.contains { $0.contains(message) }, "\(arguments): \(ended.errors)")
    #expect(
      !ended.errors.contains { $0.contains("Fatal error") || $0.contains("Swift/") }, "\(arguments): \(ended.errors)")
  }

  @Test("a store that is not one is refused by every command that reads it, and left as it is")
  func foreignStore() throws {
    let place = try Place()
    try place.save("good.lua", "job 'good' { every = '1m', run = print }\n")
    try FileManager.default.createDirectory(atPath: place.path + "/.moondial", withIntermediateDirectories: true)
    try Data("this is no database, but it is longer than a header of one hundred bytes would be, so it is read\n".utf8)
      .write(to: URL(fileURLWithPath: place.store))
    for arguments in [
      ["history"], ["explain", "good"], ["doctor"], ["backup", "copy.db"], ["run", "scripts"], ["exec", "good"],
    ] {
      let ended = try HostProcess.run(arguments, in: place.path)
      #expect(ended.status == 1, "\(arguments): \(ended.errors)")
      #expect(ended.errors.last?.contains("moondial.db") == true, "\(arguments): \(ended.errors)")
    }
    #expect(place.text(".moondial/moondial.db").hasPrefix("this is no database"))
  }

  @Test("next answers a batch line by line, wrong lines with an error of their own")
  func batch() throws {
    let place = try Place()
    let ended = try place.run(
      "next", "--batch",
      input: """
        {"id": 1, "expr": "cron { hour = \\"9\\" }", "timezone": "Europe/Berlin", "after": "2026-03-28T00:00:00+01:00", "count": 2}
        {"id": "two", "expr": "every 'x'", "count": 1}
        nonsense

        """)
    #expect(ended.status == 0)
    #expect(ended.output.count == 3, "\(ended.output)")
    #expect(
      ended.output.first?.contains(#""2026-03-28T09:00:00+01:00","2026-03-29T09:00:00+02:00""#) == true,
      "\(ended.output)")
    #expect(ended.output.dropFirst().allSatisfy { $0.contains(#""error":"#) }, "\(ended.output)")
  }

  @Test("exec runs one job here, records it, and its exit code says the outcome")
  func exec() throws {
    let place = try Place()
    try place.save(
      "jobs.lua",
      """
      job "good" { run = function(ctx) return { sum = ctx.params.a + ctx.params.b } end }
      job "bad" { run = function() error("the disk is gone") end }
      """)
    let good = try place.run("exec", "good", "--param", "a=2", "--param", "b=40", "--json")
    #expect(good.status == 0)
    #expect(good.output.last?.contains(#""result":{"sum":42}"#) == true, "\(good.output)")
    let bad = try place.run("exec", "bad")
    #expect(bad.status == 1)
    #expect(bad.errors.contains { $0.contains("jobs.lua:2: the disk is gone") }, "\(bad.errors)")
    let history = try place.run("history", "--json")
    #expect(history.status == 0)
    let text = history.output.joined()
    #expect(text.contains("succeeded") && text.contains("failed"), "\(text)")
  }

  @Test("exec's parameters are JSON, and what is none is text: nothing is dropped, and what comes out is JSON")
  func parameters() throws {
    let place = try Place()
    try place.save(
      "jobs.lua",
      """
      job "shows" { run = function(ctx)
        local shown = {}
        for key, value in pairs(ctx.params) do shown[key] = type(value) .. ":" .. json.encode(value) end
        return shown
      end }
      job "declares" { params = { region = "eu" }, run = function(ctx) return ctx.params end }
      """)
    let given = [
      ("a", "5.", #"string:\"5.\""#), ("b", "nan", #"string:\"nan\""#), ("c", "inf", #"string:\"inf\""#),
      ("d", "-", #"string:\"-\""#), ("e", "1-2", #"string:\"1-2\""#), ("f", "01", #"string:\"01\""#),
      ("g", #"["x",1]"#, #"table:[\"x\",1]"#), ("h", #"{"y":2}"#, #"table:{\"y\":2}"#),
      ("i", #""q""#, #"string:\"q\""#),
      ("j", "1e3", "number:1000.0"), ("k", "9007199254740993", "number:9007199254740993"), ("l", "-0", "number:-0.0"),
      ("m", "", #"string:\"\""#), ("n", "a=b", #"string:\"a=b\""#), ("o", "1e999", #"string:\"1e999\""#),
      ("p", "true", "boolean:true"), ("q", ".5", #"string:\".5\""#), ("r", "[1", #"string:\"[1\""#),
      ("s", "0x10", #"string:\"0x10\""#), ("t", "1 2", #"string:\"1 2\""#), ("u", "+1", #"string:\"+1\""#),
    ]
    let ended = try HostProcess.run(
      ["exec", "shows", "--json"] + given.flatMap { ["--param", "\($0.0)=\($0.1)"] }, in: place.path)
    let document = try #require(
      try JSONSerialization.jsonObject(with: Data((ended.output.last ?? "").utf8)) as? [String: Any])
    let result = document["result"] as? [String: String] ?? [:]
    #expect(result.count == given.count)
    for (key, value, expected) in given {
      #expect(result[key] == expected.replacingOccurrences(of: "\\\"", with: "\""), "\(key)=\(value)")
    }
    for line in try place.run("history", "--json").output where !line.isEmpty {
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }

    let unknown = try place.run("exec", "declares", "--param", "regoin=us", "--json")
    #expect(unknown.output.last?.contains(#""result":{"region":"eu","regoin":"us"}"#) == true)
    #expect(
      unknown.errors.contains {
        $0.contains(#"--param regoin: the job declares no such parameter (did you mean "region"?); it has region"#)
      }, "\(unknown.errors)")
    let twice = try place.run("exec", "shows", "--param", "a=1", "--param", "a=2")
    #expect(twice.status == 2 && twice.errors.contains { $0.contains("--param a is given twice") })
  }

  @Test("an imported crontab is a script that check accepts and whose jobs run")
  func importCrontab() throws {
    let place = try Place()
    let made = try place.run(
      "import", "crontab", "-o", "scripts/cron.lua",
      input: "MAILTO=ops\n0 3 * * * cat; echo $GREETING%Hello%there\n61 * * * * never\n")
    #expect(made.status == 1)
    #expect(made.output == ["1 job in scripts/cron.lua"])
    #expect(made.errors.count == 2 && made.errors[1].contains("minute 61 is outside 0-59"), "\(made.errors)")
    #expect(try place.run("check").output == ["1 job in 1 script, no mistakes"])
    let ran = try place.run("exec", "cat", "--allow-all")
    #expect(ran.status == 0)
    // A line of output is a line of the log.
    #expect(ran.errors.contains { $0.contains("Hello") && !$0.contains("there") }, "\(ran.errors)")
    #expect(ran.errors.contains { $0.hasSuffix("there") }, "\(ran.errors)")
    try place.save("backup.timer", "[Timer]\nOnCalendar=daily\n")
    try place.save("backup.service", "[Service]\nExecStart=/bin/echo %p\n")
    let timer = try place.run("import", "systemd", "scripts/backup.timer")
    #expect(
      timer.status == 0 && timer.output.contains { $0.contains("{ \"/bin/echo\", \"backup\" }") }, "\(timer.output)")
  }

  private struct Help: Decodable {
    var commandName: String
    var discussion: String?
    var subcommands: [Help]?
    var defaultSubcommand: String?
    var shouldDisplay: Bool?

    /// Those that do something and are for people, by their whole names.
    func commands(_ before: [String] = []) -> [(name: String, help: Help)] {
      guard shouldDisplay != false, commandName != "help" else { return [] }
      let name = before + [commandName]
      let isGroup = subcommands != nil && defaultSubcommand == nil
      return (isGroup ? [] : [(name.joined(separator: " "), self)])
        + (subcommands ?? []).flatMap { $0.commands(name) }
    }
  }

  @Test("the help of every command has an example of it")
  func examples() throws {
    struct Dump: Decodable { var command: Help }
    let dump = try Place().run("--experimental-dump-help")
    let commands = try JSONDecoder().decode(Dump.self, from: Data(dump.output.joined(separator: "\n").utf8)).command
      .commands()
    #expect(commands.count > 30)
    for (name, help) in commands {
      // What a group does by itself is called by the group's name.
      let words = name == "moondial nodes show" ? "moondial nodes" : name
      #expect(help.discussion?.contains("Example") == true && help.discussion?.contains(words) == true, "\(name)")
      // What may be copied from a terminal of 80 columns stands on one line; prose is wrapped by the terminal's width.
      let lines = (help.discussion ?? "").split(separator: "\n", omittingEmptySubsequences: false)
      #expect(lines.allSatisfy { !$0.hasPrefix("  ") || $0.count <= 80 }, "\(name)")
      for (line, next) in zip(lines, lines.dropFirst())
      where !line.hasPrefix("  ") && !next.hasPrefix("  ") && !next.isEmpty {
        #expect(line.count <= 80, "\(name): \(line)")
      }
    }
  }
}

import Foundation
import Testing

/// Whatever is typed behind a command ends it with a sentence and an exit code, and with nothing worse.
@Suite("Bad input to every command, end to end", .timeLimit(.minutes(5)))
struct BadInputTests {
  private struct Command: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable {
        var kind: String
        var name: String
      }
      var kind: String
      var names: [Name]?
      var shouldDisplay: Bool
      /// Of an option that takes a value.
      var option: String? {
        kind == "option" && shouldDisplay ? names?.first { $0.kind == "long" }.map { "--" + $0.name } : nil
      }
    }
    var commandName: String
    var arguments: [Argument]?
    var subcommands: [Command]?
    var shouldDisplay: Bool?

    /// Those that do something, by their words.
    func leaves(_ before: [String] = []) -> [(words: [String], command: Command)] {
      guard shouldDisplay != false, commandName != "help" else { return [] }
      let below = subcommands ?? []
      return below.isEmpty
        ? [(before, self)] : below.flatMap { $0.leaves(before + [$0.commandName]) }
    }
  }

  /// What a command needs in addition to be asked about its options.
  private static let needed: [String: [String]] = [
    "exec": ["a"], "trigger": ["a"], "explain": ["a"], "retry": ["1"], "cancel": ["1"], "logs": ["a"], "pause": ["a"],
    "resume": ["a"], "schedule": ["a"], "unschedule": ["x"], "forget": ["zz"], "backup": ["copy.db"],
    "backfill": ["a", "--from", "2026-01-01", "--to", "2026-01-02"], "next": ["every(60)"],
    "migrate": ["--from", "memory:", "--to", "memory:"], "nodes drain": ["x"], "nodes resume": ["x"],
    "simulate": ["--from", "2026-01-01", "--to", "2026-01-02"],
  ]

  private static let values = [
    "", "no\u{1B}[31msuch\nthing", "-1", "99999999999999999999", "1e400", "2026-02-30T25:61", "{\"a\":", "\u{202E}x=",
    String(repeating: "x", count: 20_000),
  ]

  @Test("an exit code from 0 to 3, and a sentence where it is not 0, for every option and argument of every command")
  func everything() throws {
    struct Dump: Decodable { var command: Command }
    let place = try Place()
    try place.save("a.lua", "job 'a' { every = '1h', run = function() end }")
    let dump = try place.run("--experimental-dump-help").output.joined(separator: "\n")
    let leaves = try JSONDecoder().decode(Dump.self, from: Data(dump.utf8)).command.leaves()
    #expect(leaves.count > 30)
    var count = 0
    // These would host scripts, or measure, where the word is a good one.
    for (words, command) in leaves where !["run", "bench"].contains(words.joined(separator: " ")) {
      let needed = Self.needed[words.joined(separator: " ")] ?? []
      for value in Self.values { try look(at: words + [value], in: place) }
      for option in (command.arguments ?? []).compactMap(\.option) {
        // One value behind each, in turn: they are parsed alike, and a process is a process.
        count += 1
        let value = Self.values[count % Self.values.count]
        try look(at: words + needed + (value.hasPrefix("-") ? [option + "=" + value] : [option, value]), in: place)
      }
      try look(at: words, in: place)
      try look(at: words + ["--no-such-option"], in: place)
    }
  }

  private func look(at arguments: [String], in place: Place) throws {
    let ended = try HostProcess.run(arguments, in: place.path)
    let shown = arguments.map { $0.prefix(60) }.joined(separator: " ")
    #expect((0...3).contains(ended.status), "\(shown): \(ended.status), \(ended.errors.prefix(3))")
    if ended.status != 0 { #expect(!ended.errors.isEmpty || !ended.output.isEmpty, "\(shown): silent") }
    for line in ended.errors {
      #expect(line.utf8.count < 4_300, "\(shown): a line of \(line.utf8.count) bytes")
      #expect(!line.unicodeScalars.contains { $0.value < 32 || $0.value == 0x202E }, "\(shown): \(line.prefix(200))")
    }
  }

  @Test("a name that is empty, as that of a variable which is not set, is no root directory")
  func empty() throws {
    let place = try Place()
    try place.save("a.lua", "job 'a' { every = '1h', run = function() end }")
    for (arguments, sentence) in [
      (["exec", "a", "--state", ""], "Error: --state is empty"), (["run", "--state", ""], "Error: --state is empty"),
      (["status", "--state", ""], "Error: --state is empty"), (["list", "--config", ""], "Error: --config is empty"),
      (["history", "--dir", ""], "Error: --dir is empty"), (["history", "--store", ""], "Error: --store is empty"),
      (["next", "every(1)", "--dir", ""], "Error: --dir is empty"),
      (["status", "--server", ""], "Error: --server is empty"), (["list", "--server", ""], "Error: --server is empty"),
      (["init", ""], "moondial: the name of the directory to make is empty"),
      (["exec", "a", "--file", ""], "moondial: --file is empty"),
    ] {
      let ended = try HostProcess.run(arguments, in: place.path)
      let isSaid = ended.errors.contains { $0.hasPrefix(sentence) }
      #expect(ended.status == 2 && isSaid, "\(arguments): \(ended)")
    }
    // A variable that is empty names nothing.
    let list = try HostProcess.run(["exec", "a"], in: place.path, prefix: ["/usr/bin/env", "MOONDIAL_STATE="])
    #expect(list.status == 0 && FileManager.default.fileExists(atPath: place.path + "/.moondial/moondial.db"))
    let backup = try place.run("backup", "/proc/copy.db")
    #expect(backup.status == 1 && backup.errors.first?.contains("/proc/copy.db cannot be made: ") == true, "\(backup)")
  }

  @Test("what a full disk does not take is a failure, of every command that answers something")
  func fullDisk() throws {
    let place = try Place()
    try place.save("a.lua", "job 'a' { every = '1h', run = function() end }")
    try place.save("a_test.lua", "test('x', function(t) t:ok(true) end)")
    _ = try place.run("exec", "a")
    for arguments in [
      ["list"], ["list", "--json"], ["check"], ["history"], ["explain", "a"], ["next", "every(60)"], ["test"],
      ["doctor"],
      ["metrics", "--json"], ["simulate", "--from", "2026-01-01", "--to", "2026-01-02"], ["--help"],
      ["list", "--help"],
      ["exec", "a", "--json"],
    ] {
      let ended = try HostProcess.run(
        arguments, in: place.path, prefix: ["/bin/sh", "-c", "exec \"$0\" \"$@\" > /dev/full"])
      #expect(ended.status == 1, "\(arguments): \(ended)")
      #expect(
        ended.errors.last == "moondial: standard output cannot be written: No space left on device",
        "\(arguments): \(ended.errors)")
    }
  }

  @Test("a reader that goes away ends the command without a word")
  func closedPipe() throws {
    let place = try Place()
    try place.save("a.lua", "for i = 1, 2000 do job('a' .. i) { every = '1h', run = function() end } end")
    let list = try HostProcess.run(
      ["list"], in: place.path, prefix: ["/bin/sh", "-c", "\"$0\" \"$@\" | head -1"])
    #expect(list.output.count == 1 && list.errors.isEmpty, "\(list)")
  }
}

import Testing

/// Whom `list`, `history`, `explain` and `nodes` ask: a host that is named, or the stores, and never one of them
/// silently.
@Suite("A host and the stores on one command line, end to end", .timeLimit(.minutes(2)))
struct SourceOptionTests {
  private static let nobody = "http://127.0.0.1:1"

  private func place() throws -> Place {
    let place = try Place()
    try place.save("a.lua", "job 'a' { run = function() end }")
    #expect(try place.run("exec", "a").status == 0)
    return place
  }

  @Test(
    "both together are a mistake that names the two", arguments: [["list"], ["history"], ["explain", "a"], ["nodes"]],
    [
      ["--server", nobody, "--stored"], ["--server", nobody, "--set", "timezone=UTC"], ["--token", "x", "--stored"],
      ["--server", nobody, "--config", "moondial.lua"], ["--server", nobody, "--state", ".moondial"],
      ["--token", "x", "--set", "timezone=UTC"],
    ])
  func both(command: [String], options: [String]) throws {
    let said = try place().said(command + options)
    #expect(said.status == 2 && said.output.isEmpty, "\(said)")
    #expect(said.errors.split(separator: "\n").count == 1, "\(said)")
    for option in options where option.hasPrefix("--") { #expect(said.errors.contains(option), "\(said)") }
  }

  @Test("a token without a host over TCP is a mistake, of every command that talks to a host")
  func token() throws {
    let place = try place()
    for command in [["list"], ["history"], ["explain", "a"], ["nodes"], ["status"], ["trigger", "a"], ["top"]] {
      let said = try place.said(command + ["--token", "x"])
      #expect(said.status == 2 && said.errors.contains("--server URL"), "\(command): \(said)")
    }
    let two = try place.said(["status", "--server", Self.nobody, "--state", ".moondial"])
    #expect(two.status == 2 && two.errors.contains("two hosts"), "\(two)")
  }

  @Test(
    "what means the stores goes before a server in the environment",
    arguments: [["--stored"], ["--set", "timezone=UTC"]])
  func environment(options: [String]) throws {
    let place = try place()
    let reads = try HostProcess(
      ["history"] + options, in: place.path, shell: "export MOONDIAL_SERVER=\(Self.nobody)")
    #expect(try reads.awaitExit() == 0 && reads.text.contains("succeeded"), "\(reads.text)")
    let asks = try HostProcess(["history"], in: place.path, shell: "export MOONDIAL_SERVER=\(Self.nobody)")
    #expect(try asks.awaitExit() == 3, "\(asks.text)")
  }
}

import Foundation
import Glibc
import Testing

@Suite("A host that watches for files, end to end", .serialized, .timeLimit(.minutes(5)))
struct WatchTests {
  private static let script = """
    job "import" {
      watch = { path = "in/*.csv", settle = "50ms" },
      run = function(ctx)
        for _, path in ipairs(ctx.event.paths) do print("got " .. path:match("[^/]*$") .. " of " .. #ctx.event.paths) end
        if ctx.event.paths[1]:match("bad") then error("not a table") end
      end,
    }
    """

  private func place(grants: String = #"return { grants = { ["*"] = { fs = "in" } } }"#) throws -> Place {
    let place = try Place()
    try FileManager.default.createDirectory(atPath: place.path + "/in", withIntermediateDirectories: true)
    try place.save("../moondial.lua", grants)
    try place.save("a.lua", Self.script)
    return place
  }

  /// Moves a finished file in: it has one version.
  private func drop(_ name: String, in place: Place) throws {
    try Data(name.utf8).write(to: URL(fileURLWithPath: place.path + "/in/" + name), options: .atomic)
  }

  @Test("files are given when they come, and those that came while no host was up; handled ones are not given again")
  func restarts() throws {
    let place = try place()
    try drop("old.csv", in: place)
    try drop("old.txt", in: place)
    let host = try place.host()
    try host.awaitLine(containing: "got old.csv of 1")
    try drop("new.csv", in: place)
    try host.awaitLine(containing: "got new.csv of 1")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    try drop("a.csv", in: place)
    try drop("b.csv", in: place)
    let again = try place.host()
    try again.awaitLine(containing: "got a.csv of 2")
    try again.awaitLine(containing: "got b.csv of 2")
    try drop("last.csv", in: place)
    try again.awaitLine(containing: "got last.csv of 1")
    again.signal(SIGTERM)
    #expect(try again.awaitExit() == 0)
    #expect(!again.text.contains("got old.csv") && !again.text.contains("got new.csv"))
    let history = try place.run("history", "--json").output.joined()
    #expect(history.components(separatedBy: #""cause":"watch""#).count == 5, "four runs: \(history)")
  }

  @Test("a file whose run failed is not given again before it is changed")
  func fails() throws {
    let place = try place()
    let host = try place.host()
    try drop("bad.csv", in: place)
    try host.awaitLine(containing: "got bad.csv")
    try host.awaitLine(containing: "not a table")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let again = try place.host()
    try drop("good.csv", in: place)
    try again.awaitLine(containing: "got good.csv of 1")
    try Data("better".utf8).write(to: URL(fileURLWithPath: place.path + "/in/bad.csv"))
    try again.awaitLine(containing: "got bad.csv of 1")
    try again.awaitLine(containing: "not a table")
    again.signal(SIGTERM)
    #expect(try again.awaitExit() == 0)
    #expect(again.lines.count { $0.text.contains("got bad.csv") } == 1)
    let explained = try place.run("explain", "import").output
    #expect(explained.first == "no trigger: runs with files in/*.csv or when asked")
    #expect(explained.contains("2 files known: given to runs that have ended, or passed over"))
    #expect(explained.contains { $0.hasPrefix(place.path + "/in/bad.csv failed in run 3 at ") }, "\(explained)")
  }

  @Test("without a grant the host and check say which line is missing, and saving that line is enough")
  func grants() throws {
    let place = try place(grants: "return {}")
    try drop("a.csv", in: place)
    let missing = #"add  grants = { ["a.lua"] = { fs = { "in:r" } } }  to moondial.lua"#
    let check = try place.run("check", "scripts")
    #expect(check.status == 1)
    #expect(
      check.errors.contains { $0.hasPrefix("a.lua:1: job \"import\": ") && $0.contains(missing) }, "\(check.errors)")
    let host = try place.host()
    try host.awaitLine(containing: missing)
    try place.save("../moondial.lua", #"return { grants = { ["a.lua"] = { fs = { "in:r" } } } }"#)
    try host.awaitLine(containing: "got a.csv of 1")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(try place.run("check", "scripts").status == 0)
  }

  @Test("list, simulate and check say it in words")
  func words() throws {
    let place = try place()
    #expect(try place.run("list", "scripts").output.joined().contains("with files in/*.csv"))
    let simulated = try place.run("simulate", "scripts")
    #expect(simulated.errors.contains("import also runs with files in/*.csv, which nobody can foresee"))
    #expect(simulated.status == 0)
    try place.save("b.lua", "job 'x' { watch = 'in/', run = print }\n")
    let check = try place.run("check", "scripts")
    #expect(
      check.errors.contains(#"b.lua:1: job "x": watch "in/": it names a directory; write in/* for the files in it"#))
  }
}

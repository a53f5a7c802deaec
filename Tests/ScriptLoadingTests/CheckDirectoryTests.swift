import JobModel
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("check")
struct CheckDirectoryTests {
  /// One script for each mistake, and the line that it is on.
  private static let mistakes: [(script: String, line: Int)] = [
    ("job 'a1' { crom = '* * * * *', run = print }", 1),
    ("\njob 'a2' { cron = '61 * * * *', run = print }", 2),
    ("job 'a3' { every = '5 minutes', run = print }", 1),
    ("job 'a4' { every = '5m' }", 1),
    ("job 'a5' { timeout = {}, run = print }", 1),
    ("job 'a6' { priority = 1000, run = print }", 1),
    ("job 'a7' { executor = 'fast', run = print }", 1),
    ("job 'a8' { timezone = 'Europe/Vlenna', run = print }", 1),
    ("job 'a9' { retry = { tries = 3 }, run = print }", 1),
    ("job 'b1' { overlap = 'wait', run = print }", 1),
    ("job 'b2' { cron = '0 0 31 2 *', run = print }", 1),
    ("job 'b3' { after = 'nobody', run = print }", 1),
    ("job 'b4' { run = print", 1),
    ("local x = nil + 1", 1),
    ("require 'missing'", 1),
    ("job { run = print }", 1),
    ("job 'b5' { run = print }\njob 'b5' { run = print }", 2),
    ("local co = coroutine.create(print)\n\njob 'b6' { run = function() return co end }", 3),
    ("string.split = function() end\njob 'b7' { run = function() return string.split() end }", 1),
    ("undefined_function()", 1),
  ]

  @Test("twenty mistakes in twenty scripts give twenty messages, and the good script is loaded")
  func twenty() throws {
    var files = Self.mistakes.enumerated().map { index, mistake in
      let path = ScriptPath("script\(index < 9 ? "0" : "")\(index + 1).lua")
      return ScriptFile(path, .script, .success(FileContent(Array(mistake.script.utf8))))
    }
    files.append(
      ScriptFile(ScriptPath("good.lua"), .script, .success(FileContent(Array("job 'good' { run = print }".utf8)))))
    let generation = try LoadFixture().loader.load(DirectorySnapshot(files))
    let errors = generation.errors
    #expect(errors.count == 20, "\(errors.map(\.description).joined(separator: "\n"))")
    #expect(errors.map(\.location.file) == files.dropLast().map(\.path.text))
    #expect(errors.map(\.location.line) == Self.mistakes.map(\.line))
    // What b3 waits for might be in one of the others, so its script is not kept out.
    #expect(generation.jobs.map(\.name) == ["good", "b3"])
    #expect(errors.allSatisfy { !$0.message.contains("\n") && $0.description.utf8.count < 300 })
  }

  @Test("a file name or a text in a script cannot forge a line of the log")
  func forged() throws {
    let problems = try LoadFixture().problems("job 'x\\ny' { run = print }")
    #expect(problems.count == 1 && !problems[0].contains("\n"), "\(problems)")
  }
}

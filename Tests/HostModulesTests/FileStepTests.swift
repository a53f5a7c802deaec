import Basics
import Foundation
import JobModel
import Lua
import ScriptFixtures
import TestSupport
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptRuntime

@Suite("fs: copies, searches, temporary files, pieces", .onBothExecutors)
struct FileStepTests {
  private let directory: TemporaryDirectory
  private let fixture: PoolFixture

  init() throws {
    directory = try TemporaryDirectory()
    try directory.write("own/a.csv", "a")
    try directory.write("own/deep/er/b.csv", "b")
    try directory.write("seen/c.csv", "c")
    try directory.write("outside/secret.csv", "s")
    try directory.link("own/out", to: "../outside")
    try directory.link("own/out.csv", to: "../outside/secret.csv")
    let table = try GrantTable(["test.lua": ["fs": ["own:rw", "seen:r"]]], baseDirectory: directory.path)
    fixture = try PoolFixture(grants: table.grants(for: ScriptPath("test.lua")), base: directory.path)
  }

  private func run(_ body: String, fields: String = "") throws -> String {
    let report = try fixture.run(body, fields: fields)
    if report.outcome != .succeeded, report.outcome != .failed { return report.outcome.rawValue }
    return report.result ?? report.error?.message ?? ""
  }

  @Test("a copy and a move are whole, and stay within the grants")
  func copies() throws {
    #expect(
      try run(
        "return { fs.copy('own/a.csv', 'own/n'), fs.read('own/n'), fs.move('own/n', 'own/m'), fs.stat('own/n') == nil, fs.copy('seen/c.csv', 'own/c') }"
      ) == #"[1,"a",true,true,1]"#)
    #expect(
      try run(
        "return { fs.copy('own/none', 'own/x') == nil, fs.move('own/none', 'own/x') == nil, fs.copy('own/deep', 'own/x') == nil, fs.copy('own/a.csv', 'own/deep') == nil }"
      ) == "[true,true,true,true]")
    for call in [
      "fs.copy('own/a.csv', 'seen/x')", "fs.copy('outside/secret.csv', 'own/x')", "fs.move('seen/c.csv', 'own/x')",
      "fs.copy('own/a.csv', 'own/../x')", "fs.temp({ directory = 'seen' })", "fs.glob('outside/*')",
      "fs.glob('**/*.csv')",
      "for _ in fs.lines('outside/secret.csv') do end", "for _ in fs.chunks('/etc/passwd') do end",
    ] {
      let said = try run(call)
      #expect(said.contains("has no grant for"), "\(call): \(said)")
    }
    for call in [
      "fs.copy('own/out.csv', 'own/x')", "fs.copy('own/a.csv', 'own/out/x')", "for _ in fs.lines('own/out.csv') do end",
    ] {
      let said = try run(call)
      #expect(said.contains("leads out of what was granted"), "\(call): \(said)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path + "/outside") == ["secret.csv"])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.path + "/own").filter { $0.hasSuffix("~") } == [])
  }

  @Test("a search finds what a pattern means, and goes through no link")
  func searches() throws {
    #expect(try run("return fs.glob('own/**/*.csv')") == #"["own/a.csv","own/deep/er/b.csv","own/out.csv"]"#)
    #expect(try run("return fs.glob('own/*')") == #"["own/a.csv","own/deep","own/out","own/out.csv"]"#)
    #expect(try run("return fs.glob('own/{a,z}.csv')") == #"["own/a.csv"]"#)
    #expect(try run("return fs.glob('\(directory.path)/own/a*')") == "[\"\(directory.path)/own/a.csv\"]")
    #expect(try run("return fs.glob('own/none/*')") == "[]")
    #expect(
      try run(
        "for i = 1, 600 do fs.write('own/deep/f' .. i .. '.log', '') end return #fs.glob('own/**/*.log')",
        fields: "memory = '4MB',") == "600")
  }

  @Test("temporary files and directories go with the run, however it ends")
  func temporary() throws {
    let body = """
      local file, folder = fs.temp(), fs.temp({ kind = 'directory', directory = 'own/deep' })
      fs.write(file, 'x') fs.mkdir(folder .. '/in') fs.write(folder .. '/in/side', 'y')
      assert(fs.read(folder .. '/in/side') == 'y')
      """
    #expect(try run(body + " return 1") == "1")
    #expect(try run(body + " error('no')").contains("no"))
    #expect(try run(body + " while true do end", fields: "timeout = '300ms',") == "timed_out")
    fixture.executor.stop()
    fixture.finish()
    let left = try FileManager.default.subpathsOfDirectory(atPath: directory.path).filter { $0.contains("tmp-") }
    #expect(left == [])
  }

  @Test("at most a hundred temporary files a run, and none of more are left")
  func manyTemporary() throws {
    #expect(
      try run("for i = 1, 100 do assert(fs.temp()) end return (select(2, fs.temp()))")
        == "\"a run has 100 temporary files at most\"")
    fixture.executor.stop()
    fixture.finish()
    #expect(try FileManager.default.subpathsOfDirectory(atPath: directory.path).filter { $0.contains("tmp-") } == [])
  }

  @Test("lines and pieces are read as they are needed, in little memory, and closed")
  func pieces() throws {
    #expect(
      try run(
        #"fs.write('own/l', 'a\r\n\nb\nlast') local t = {} for l, n in fs.lines('own/l') do t[n] = l end return t"#)
        == #"["a","","b","last"]"#)
    #expect(try run("fs.write('own/e', '') for l in fs.lines('own/e') do return l end return 'none'") == "\"none\"")
    try directory.write("own/big", String(repeating: String(repeating: "x", count: 99) + "\n", count: 200_000))
    #expect(
      try run(
        "local n, c = 0, 0 for l in fs.lines('own/big') do n = n + #l c = c + 1 end return { n, c }",
        fields: "memory = '4MB',") == "[19800000,200000]")
    // A line across many pieces.
    try directory.write("own/long", String(repeating: "y", count: 300_000) + "\nz")
    #expect(try run("local t = {} for l in fs.lines('own/long') do t[#t + 1] = #l end return t") == "[300000,1]")
    // A loop that is left closes: many more than may be open at once.
    #expect(try run("for i = 1, 300 do for l in fs.lines('own/big') do break end end return 1") == "1")
    #expect(
      try run("for i = 1, 300 do pcall(function() for l in fs.chunks('own/big') do error('x') end end) end return 1")
        == "1")
    #expect(
      try run("local all = {} for i = 1, 101 do all[i] = fs.lines('own/big') all[i]() end").contains(
        "a run has 100 files open at most"))
    #expect(try run("fs.lines('own/none')").contains("own/none: No such file"))
    #expect(try run("fs.lines('own/deep')").contains("own/deep is no file"))
  }

  @Test("an iterator that a run has kept reads nothing of a later run's")
  func kept() throws {
    let jobs = try fixture.load(
      """
      local next
      job "a" { state = "job", run = function()
        if next then return (select(2, pcall(next))) end
        next = fs.chunks("own/a.csv")
        return "made"
      end }
      """)
    #expect(fixture.run(jobs[0]).result == "\"made\"")
    #expect(fixture.run(jobs[0]).result?.contains("the file belongs to another run, or was closed") == true)
  }
}

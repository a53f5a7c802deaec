import Executors
import JobModel
import Lua
import ScriptFixtures
import TestSupport
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptRuntime

/// Lines as they come, files as input, and pipelines: with real programs.
@Suite("exec: pipelines, and lines as they come", .onBothExecutors, .timeLimit(.minutes(3)))
struct ExecPipelineTests {
  private func fixture(_ grants: Grants = .all, _ base: String = "/tmp") throws -> PoolFixture {
    try PoolFixture(grants: grants, base: base)
  }

  @Test("lines of both streams reach functions in the order in which they come, and are kept as well")
  func lines() throws {
    let report = try fixture().run(
      #"""
      local out, err = {}, {}
      local r = exec({ "sh", "-c", "printf 'a\r\nb\n\nlast'; echo one >&2; echo two >&2; exit 3" }, {
        on_stdout = function(line) out[#out + 1] = line end,
        on_stderr = function(line) err[#err + 1] = line end,
      })
      return { out, err, r.code, r.stdout, r.stderr, r.timed_out, r.codes }
      """#)
    #expect(
      report.result == #"[["a","b","","last"],["one","two"],3,"a\r\nb\n\nlast","one\ntwo\n",false,[3]]"#,
      "\(report.error?.message ?? "")")
  }

  @Test("a line is told while the program still runs: what the function does decides how that goes on")
  func live() throws {
    let directory = try TemporaryDirectory()
    let report = try fixture(.all, directory.path).run(
      """
      local seen
      local r = exec({ "sh", "-c", "echo ready; while [ ! -e go ]; do sleep 0.01; done; echo went" }, {
        cwd = ".", on_stdout = function(line)
          if line == "ready" then seen = fs.stat("go") == nil; fs.write("go", "") end
        end,
      })
      return { seen, r.stdout }
      """)
    #expect(report.result == #"[true,"ready\nwent\n"]"#, "\(report.error?.message ?? "")")
  }

  @Test("a level of the log takes lines")
  func levels() throws {
    let fixture = try fixture()
    let report = try fixture.run(
      "exec({ 'sh', '-c', 'echo out; echo err >&2' }, { on_stdout = 'info', on_stderr = 'warn' }) return true")
    #expect(report.result == "true", "\(report.error?.message ?? "")")
    let lines = Set(fixture.log.all.map { "\($0.level.rawValue) \($0.message)" })
    #expect(lines == ["info out", "warn err"])
  }

  @Test("a flood waits for the function, in bounded memory")
  func flood() throws {
    let fixture = try fixture()
    let report = try fixture.run(
      """
      local lines, bytes = 0, 0
      local r = exec({ "sh", "-c", "yes 0123456789abcdef | head -n 300000" }, {
        max_output = 1000, on_stdout = function(line) lines, bytes = lines + 1, bytes + #line end,
      })
      return { lines, bytes, r.truncated, #r.stdout <= 1000 }
      """)
    #expect(report.result == "[300000,4800000,true,true]", "\(report.error?.message ?? "")")
    #expect(fixture.host.answerBytes.peak < 2 << 20)
    #expect(fixture.host.answerBytes.now == 0)
  }

  @Test("a line without an end comes in pieces")
  func longLine() throws {
    let report = try fixture().run(
      """
      local sizes = {}
      exec({ "sh", "-c", "head -c 150000 /dev/zero | tr '\\\\0' x" }, { on_stdout = function(line) sizes[#sizes + 1] = #line end })
      return sizes
      """)
    #expect(report.result == "[65536,65536,18928]", "\(report.error?.message ?? "")")
  }

  @Test("a function that fails ends the program, and so does one that is left behind")
  func failing() throws {
    let fixture = try fixture()
    let report = try fixture.run("exec({ 'yes' }, { on_stdout = function(line) error('enough of ' .. line) end })")
    #expect(report.error?.message == "test.lua:2: enough of y")
    fixture.awaitNoPrograms()
  }

  @Test("a killed run leaves no program of a pipeline, also of those that ignore SIGTERM and have forked")
  func killed() throws {
    let fixture = try fixture()
    let token = fixture.submit(
      try fixture.job(
        """
        exec({ { "sh", "-c", "trap '' TERM; sleep 1000 & echo on >&2; while :; do echo x; done" }, { "cat" }, { "sleep", "1000" } },
          { on_stderr = "info" })
        """))
    fixture.log.wait(for: "on")
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    fixture.awaitNoPrograms()
  }

  @Test("the timeout ends all of a pipeline")
  func timeout() throws {
    let report = try fixture().run(
      """
      local r = exec({ { "sh", "-c", "sleep 1000 & sleep 1000" }, { "cat" } }, { timeout = "50ms" })
      local s = exec({ "sh", "-c", "echo a; exec sleep 1000" }, { timeout = "50ms", on_stdout = function() end })
      return { r.timed_out, r.code, r.codes[1], s.timed_out, s.signal, s.stdout }
      """)
    #expect(report.result == #"[true,143,143,true,15,"a\n"]"#, "\(report.error?.message ?? "")")
  }

  @Test("programs are joined without a shell, and the code is that of the last one that failed")
  func pipelines() throws {
    let report = try fixture().run(
      #"""
      local r = exec({ { "printf", "%s\n", "b", "a", "$HOME" }, { "sort" }, { "head", "-n", "2" } })
      local failed = exec({ { "sh", "-c", "echo x; echo oops >&2; exit 7" }, { "cat" } })
      local big = ("x"):rep(300000)
      local through = exec({ { "cat" }, { "cat" }, { "cat" } }, { stdin = big })
      local ended = exec({ { "yes" }, { "head", "-n", "1" } })
      local one = exec({ { "echo", "alone" } })
      return { r.stdout, r.code, r.codes, failed.code, failed.codes, failed.stdout, failed.stderr,
        through.stdout == big, ended.stdout, ended.codes, one.stdout }
      """#)
    #expect(
      report.result
        == #"["$HOME\na\n",0,[0,0,0],7,[7,0],"x\n","oops\n",true,"y\n",[141,0],"alone\n"]"#,
      "\(report.error?.message ?? "")")
  }

  @Test("each program of a pipeline needs its grant, and none has started when one lacks it")
  func grants() throws {
    let directory = try TemporaryDirectory()
    var grants = Grants()
    grants.exec = .some(["sh", "cat"])
    let fixture = try fixture(grants, directory.path)
    let report = try fixture.run("exec({ { 'sh', '-c', 'touch \(directory.path)/started' }, { 'sort' } })")
    #expect(report.error?.message.contains("has no grant for the program sort") == true)
    #expect(try fixture.run("return exec({ { 'cat' }, { 'cat' } }, { stdin = 'x' }).stdout").result == "\"x\"")
    #expect(try fixture.run("return select(2, exec({ { 'cat' }, { 'no-such' } }))").error != nil)
    #expect(fixture.host.children.count == 0)
  }

  @Test("stdin is a file below a granted root, and no other")
  func file() throws {
    let directory = try TemporaryDirectory()
    try directory.write("data/in.txt", "b\na\n")
    try directory.write("secret.txt", "no")
    try directory.link("data/out", to: "../secret.txt")
    var grants = Grants()
    grants.exec = .some(["sort", "cat", "wc"])
    grants.files = .below([.init(path: directory.path + "/data", isWritable: false)])
    let fixture = try fixture(grants, directory.path)
    func run(_ text: String) throws -> String {
      let report = try fixture.run("local r, why = \(text) return r and r.stdout or why")
      return report.error?.message ?? report.result ?? ""
    }
    #expect(try run("exec({ 'sort' }, { stdin = { file = 'data/in.txt' } })") == #""a\nb\n""#)
    #expect(
      try run("exec({ { 'cat' }, { 'sort' } }, { stdin = { file = 'data/in.txt' }, on_stderr = print })")
        == #""a\nb\n""#)
    #expect(try run("exec({ 'cat' }, { stdin = { file = 'secret.txt' } })").contains("has no grant"))
    #expect(try run("exec({ 'cat' }, { stdin = { file = 'data/out' } })").contains("leads"))
    #expect(try run("exec({ 'cat' }, { stdin = { file = 'data/none' } })").contains("data/none"))
    #expect(try run("exec({ 'cat' }, { stdin = { file = 'data' } })").contains("is no file"))
    #expect(try run("exec({ 'cat' }, { stdin = { path = 'data/in.txt' } })").contains("{ file = \"a path\" }"))
  }

  @Test(
    "misuse is an error at the line of the call",
    arguments: [
      ("exec({ { 'ls' }, 'x' })", "exec: command 2 of the pipeline is a string, expected a list of words"),
      ("exec({ {} })", "exec: command 1 of the pipeline is empty"),
      ("exec({ { 'ls', {} } })", "exec: word 2 of command 1 is a table, expected a string"),
      ("exec({ 'ls' }, { on_stdout = 7 })", "exec: options.on_stdout: expected a function, or a level of the log"),
      ("exec({ 'ls' }, { on_stderr = 'loud' })", "exec: options.on_stderr: expected a function, or a level of the log"),
      ("exec({ 'ls' }, { on_stdout = print, nope = 1 })", "exec: options.nope: unknown field"),
      ("exec({ 'ls' }, { nope = 1 })", "exec: options.nope: unknown field"),
      ("exec('ls', { on_stdout = print })", "exec: expected a list of words as argument 1"),
      ("exec(('x'):rep(3))", "exec: expected a list of words as argument 1"),
    ])
  func misuse(call: String, message: String) throws {
    let report = try fixture().run("\n" + call)
    #expect(report.error?.message.hasPrefix("test.lua:3: " + message) == true, "\(report.error?.message ?? "")")
  }

  @Test("twenty runs with a pipeline of three each wait without threads, and leave nothing")
  func many() throws {
    let fixture = try fixture()
    let job = try fixture.job(
      "return exec({ { 'sh', '-c', 'echo b; echo a' }, { 'sort' }, { 'cat' } }, { on_stdout = function() end }).stdout")
    let tokens = (0..<20).map { _ in fixture.submit(job) }
    for token in tokens { #expect(fixture.reports.ending(of: token).result == #""a\nb\n""#) }
    fixture.awaitNoPrograms()
  }
}

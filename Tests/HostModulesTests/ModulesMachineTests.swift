import Executors
import Glibc
import JobModel
import Lua
import ScriptFixtures
import Testing
import TestSupport

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite(.onBothExecutors) struct ModulesGrantTests {
  @Test(
    "without a grant the error names the line to add",
    arguments: [
      ("fs.read('data/x')", "fs = { \"data:r\" }"), ("fs.write('x', '')", "fs = { \".:rw\" }"),
      ("exec({ 'ls' })", "exec = { \"ls\" }"), ("env.get('HOME')", "env = { \"HOME\" }"),
      ("secret('key')", "secret = { \"key\" }"),
    ])
  func refused(body: String, grant: String) throws {
    let message = try PoolFixture(base: "/srv").run(body).error?.message ?? ""
    #expect(message.contains("grants = { [\"test.lua\"] = { \(grant) } }") && message.contains("--allow-all"))
  }

  @Test("patterns add up")
  func table() throws {
    let table = try GrantTable(
      [
        "*": ["env": ["HOME"]], "ops/*": ["exec": true],
        "ops/backup.lua": ["fs": ["data:rw", "/srv/cache", "../x/./y:r"], "env": ["APP_*"]],
      ], baseDirectory: "/opt/md")
    let grants = table.grants(for: ScriptPath("ops/backup.lua"))
    #expect(grants.env.allows("HOME") && grants.env.allows("APP_X") && !grants.env.allows("PATH"))
    #expect(grants.exec == .any)
    #expect(
      grants.files
        == .below([
          .init(path: "/opt/md/data", isWritable: true), .init(path: "/srv/cache", isWritable: false),
          .init(path: "/opt/x/y", isWritable: false),
        ]))
    #expect(table.grants(for: ScriptPath("a.lua")).exec == .none)
  }

  @Test(
    "mistakes in the table have a path",
    arguments: [
      (["a.lua": ["fss": true]] as LuaValue, "grants[\"a.lua\"].fss"),
      (["a.lua": ["fs": ["x:w"]]], "grants[\"a.lua\"].fs[1]"),
      (["a.lua": ["env": [1]]], "grants[\"a.lua\"].env[1]"), ([1], "grants"),
    ] as [(LuaValue, String)])
  func mistakes(value: LuaValue, path: String) {
    let error = #expect(throws: LuaError.self) { try GrantTable(value, baseDirectory: "/") }
    #expect(error?.message.hasPrefix(path) == true)
  }

  @Test(
    "stars match anything",
    arguments: [
      ("a*c", "abbc", true), ("*", "", true), ("a*b*c", "aXbYbc", true), ("a*c", "abcd", false), ("", "a", false),
    ])
  func stars(pattern: String, name: String, matches: Bool) {
    #expect(Grants.matches(name, pattern: pattern) == matches)
  }
}

@Suite(.onBothExecutors) struct ModulesEnvironmentTests {
  @Test("granted variables and secrets are read")
  func read() throws {
    let directory = try TemporaryDirectory()
    try directory.write("api", "s3cret\n")
    let secrets = Secrets(variables: { ["MOONDIAL_SECRET_DB_KEY": "k"] }, baseDirectory: "/")
    secrets.use(SecretsConfiguration(directory: directory.path))
    let fixture = try PoolFixture(grants: .all) { $0.secrets = secrets }
    #expect(
      try fixture.run(
        "return { env.get('GREETING'), env.get('NONE', 'default'), secret('api'):upper(), secret('db-key'), (select(2, secret('none'))) }"
      ).result
        == #"["hello","default","S3CRET","k","there is no secret called \"none\""]"#)
    #expect(
      try fixture.run("local v, why = secret('../api') return why:match('^[^:]+')").result?.contains("a secret's name")
        == true)
  }
}

@Suite(.onBothExecutors) struct ModulesExecTests {
  private func fixture() throws -> PoolFixture { try PoolFixture(grants: .all, base: "/tmp") }

  @Test("a program's output and code come back")
  func output() throws {
    let report = try fixture().run(
      "local r = exec({ 'sh', '-c', 'echo out; echo err >&2; exit 3' }) return { r.code, r.stdout, r.stderr, r.timed_out, r.truncated }"
    )
    #expect(report.result == #"[3,"out\n","err\n",false,false]"#)
  }

  @Test("words are passed as they are, with directory, environment and input")
  func options() throws {
    let fixture = try fixture()
    #expect(try fixture.run("return exec({ 'printf', '%s|', 'a b', '$X', '*' }).stdout").result == "\"a b|$X|*|\"")
    #expect(try fixture.run("return exec({ 'pwd' }, { cwd = '/usr' }).stdout").result == "\"/usr\\n\"")
    #expect(
      try fixture.run("return exec({ 'sh', '-c', 'echo $A-$GREETING-$PATH' }, { env = { A = 1 } }).stdout").result
        == "\"1--/usr/bin:/bin\\n\"")
    #expect(
      try fixture.run("local s = ('x'):rep(300000) return exec({ 'cat' }, { stdin = s }).stdout == s").result == "true")
  }

  @Test("output beyond the limit is cut")
  func limit() throws {
    let report = try fixture().run(
      "local r = exec({ 'sh', '-c', 'yes | head -c 200000' }, { max_output = 10 }) return { r.code, #r.stdout, r.truncated }"
    )
    #expect(report.result == "[0,10,true]")
  }

  @Test("a program that is not there is nil and a sentence")
  func missing() throws {
    let fixture = try fixture()
    #expect(
      try fixture.run("local r, why = exec({ 'no-such-program' }) return why").result?.contains(
        "there is no program \\\"no-such-program\\\"") == true)
    #expect(
      try fixture.run("local r, why = exec({ 'ls' }, { cwd = '/nowhere' }) return why").result?.contains("cannot start")
        == true)
    #expect(try fixture.run("exec('ls -l')").error?.message.contains("expected a list of words") == true)
  }

  @Test("the timeout ends the program and its children")
  func timeout() throws {
    let report = try fixture().run(
      "local r = exec({ 'sh', '-c', 'sleep 1000 & sleep 1000' }, { timeout = '50ms' }) return { r.timed_out, r.signal, r.code }"
    )
    #expect(report.result == "[true,15,143]")
  }

  @Test("killing the run ends the program and closes its pipes")
  func killed() throws {
    let fixture = try fixture()
    let token = fixture.submit(try fixture.job("exec({ 'sh', '-c', 'echo on; sleep 1000' }, { on_stdout = 'info' })"))
    fixture.log.wait(for: "on")
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    fixture.awaitNoPrograms()
  }

  @Test("a background process does not hold up the end")
  func background() throws {
    let report = try fixture().run("local r = exec({ 'sh', '-c', 'sleep 2 & echo done' }) return r.stdout")
    #expect(report.result == "\"done\\n\"")
  }
}

@Suite(.onBothExecutors) struct ModulesFileTests {
  /// A fixture that is granted the directory `data`, which is there.
  private func fixture(_ directory: TemporaryDirectory, writable: Bool = true) throws -> PoolFixture {
    // Safe: the path is passed as a terminated copy.
    _ = unsafe mkdir(directory.path + "/data", 0o755)
    var grants = Grants()
    grants.files = .below([.init(path: directory.path + "/data", isWritable: writable)])
    return try PoolFixture(grants: grants, base: directory.path)
  }

  @Test("files are written, read, appended, listed, removed")
  func roundTrip() throws {
    let directory = try TemporaryDirectory()
    let report = try fixture(directory).run(
      """
      assert(fs.mkdir("data/a/b"))
      assert(fs.write("data/a/x.txt", "one"))
      assert(fs.write("data/a/x.txt", "two"))
      assert(fs.append("data/a/x.txt", "+\\0", { sync = true }))
      local names = {}
      for i, e in ipairs(fs.list("data/a")) do names[i] = e.kind .. ":" .. e.name end
      local s = fs.stat("data/a/x.txt")
      return { fs.read("data/a/x.txt") == "two+\\0", names, s.kind, s.size, fs.remove("data/a/x.txt"), fs.remove("data/a/x.txt"), fs.remove("data/a/b") }
      """)
    #expect(report.result == #"[true,["directory:b","file:x.txt"],"file",5,true,false,true]"#)
  }

  @Test("a granted directory that is not there can be made", .onThreads(because: .missing))
  func missing() throws {
    let directory = try TemporaryDirectory()
    let fixture = try fixture(directory)
    // Safe: the path is passed as a terminated copy.
    try #require(unsafe rmdir(directory.path + "/data") == 0)
    #expect(try fixture.run("return fs.mkdir('data') and fs.write('data/x', '1')").result == "true")
  }

  @Test("what fails is nil and a sentence")
  func failures() throws {
    let directory = try TemporaryDirectory()
    try directory.write("data/f", "12345")
    let fixture = try fixture(directory)
    #expect(
      try fixture.run("return select(2, fs.read('data/none'))").result == "\"data/none: No such file or directory\"")
    #expect(
      try fixture.run("return select(2, fs.read('data/f', { max = 3 }))").result?.contains("more than the limit of 3")
        == true)
    #expect(try fixture.run("return select(2, fs.read('data'))").result == "\"data is a directory, not a file\"")
    #expect(try fixture.run("return select(2, fs.stat('data/none'))").result == "\"data/none does not exist\"")
    #expect(try fixture.run("return select(2, fs.list('data/f'))").result == "\"data/f: Not a directory\"")
  }

  @Test(
    "nothing outside the granted directory is reached",
    arguments: ["../out", "data/../out", "data/link", "data/up/out", "data/abs", "data/deep/../../out"])
  func outside(path: String) throws {
    let directory = try TemporaryDirectory()
    try directory.write("out", "secret")
    try directory.write("data/in", "fine")
    try directory.link("data/link", to: "../out")
    try directory.link("data/up", to: "..")
    try directory.link("data/abs", to: directory.path + "/out")
    let fixture = try fixture(directory)
    for body in ["return fs.read('\(path)')", "fs.append('\(path)', 'x')"] {
      let report = try fixture.run(body)
      #expect(report.result == nil || report.result == "null")
      #expect(report.outcome == .failed)
    }
    #expect(try directory.read("out") == "secret")
  }

  @Test("a name is changed within what is granted, over what has it, and not out of it at either end")
  func rename() throws {
    let directory = try TemporaryDirectory()
    try directory.write("out", "secret")
    for name in ["one", "two", "dir/in"] { try directory.write("data/" + name, name) }
    try directory.link("data/link", to: "../out")
    try directory.link("data/up", to: "..")
    let fixture = try fixture(directory)
    let report = try fixture.run(
      """
      assert(fs.rename("data/one", "data/two") and fs.read("data/two") == "one")
      assert(fs.rename("data/dir", "data/moved") and fs.rename("data/moved/in", "data/in"))
      assert(fs.rename("data/link", "data/renamed"))
      return { fs.stat("data/one") == nil, fs.read("data/in"), select(2, fs.rename("data/none", "data/x")),
        select(2, fs.rename("data/in", "data/none/x")), select(2, fs.rename("data/in", "data/moved")),
        (select(2, pcall(fs.rename, "data/in"))) }
      """)
    #expect(
      report.result?.hasPrefix(
        #"[true,"dir/in","data/none: No such file or directory","data/none/x: No such file or directory","data/in: Is a directory""#
      ) == true, "\(report.result ?? report.error?.message ?? "")")
    #expect(try directory.read("out") == "secret")
    for pair in ["'data/in', 'out'", "'out', 'data/in'", "'data/in', 'data/up/x'", "'data/up/out', 'data/x'"] {
      #expect(try fixture.run("return fs.rename(\(pair))").outcome == .failed, "\(pair)")
    }
    #expect(try directory.read("data/in") == "dir/in" && directory.read("out") == "secret")
    let reader = try self.fixture(directory, writable: false)
    #expect(try reader.run("return fs.rename('data/in', 'data/x')").outcome == .failed)
  }

  @Test("links that stay inside are followed, and writing replaces a link instead of what it leads to")
  func inside() throws {
    let directory = try TemporaryDirectory()
    try directory.write("data/real/f", "text")
    try directory.link("data/link", to: "real/../real")
    try directory.link("data/abs", to: directory.path + "/data/real/f")
    let fixture = try fixture(directory)
    #expect(try fixture.run("return fs.read('data/link/f') .. fs.read('data/abs')").result == "\"texttext\"")
    #expect(try fixture.run("return fs.write('data/abs', 'new')").result == "true")
    #expect(try directory.read("data/real/f") == "text" && directory.read("data/abs") == "new")
  }

  @Test("a name is bytes: one that is not UTF-8 is listed, read, written and removed, and two do not collide")
  func bytes() throws {
    let directory = try TemporaryDirectory()
    let report = try fixture(directory).run(
      #"""
      local names = { "data/a\xff", "data/a\xfe", "data/e\u{301}", "data/\u{e9}", "data/\u{301}x" }
      assert(fs.mkdir("data/d\xff"))
      for i, name in ipairs(names) do assert(fs.write(name, tostring(i))) assert(fs.append(name, "+")) end
      local found = {}
      for i, e in ipairs(fs.list("data")) do
        found[i] = e.kind == "directory" and "d" or fs.read("data/" .. e.name)
        assert(fs.stat("data/" .. e.name) and fs.remove("data/" .. e.name))
      end
      return { table.concat(found, " "), #fs.list("data") }
      """#)
    #expect(report.result == #"["2+ 1+ d 3+ 4+ 5+",0]"#, "\(report.error?.message ?? report.result ?? "")")
  }

  @Test("a slash is a slash whatever comes after it, so no accent leads out of what is granted")
  func accents() throws {
    let directory = try TemporaryDirectory()
    try directory.write("\u{301}out", "secret")
    try directory.write("data/in", "fine")
    try directory.link("data/up", to: "..")
    let fixture = try fixture(directory)
    for path in ["data/../\u{301}out", "data/up/\u{301}out"] {
      let report = try fixture.run("return fs.read('\(path)')")
      #expect(report.outcome == .failed, "\(path)")
    }
  }

  @Test("names of up to 255 bytes are written", arguments: [199, 200, 230, 240, 255])
  func longNames(length: Int) throws {
    let directory = try TemporaryDirectory()
    let report = try fixture(directory).run(
      """
      local name = ("ä"):rep(\(length / 2)) .. ("x"):rep(\(length % 2))
      assert(fs.write("data/" .. name, "1") and fs.write("data/" .. name, "2"))
      return { #name, fs.read("data/" .. name), #fs.list("data") }
      """)
    #expect(report.result == "[\(length),\"2\",1]", "\(report.error?.message ?? "")")
  }

  @Test(
    "a new file has the mode that the umask leaves, one that was there keeps its own",
    arguments: [0o666, 0o600, 0o755])
  func modes(mode: mode_t) throws {
    let directory = try TemporaryDirectory()
    try directory.write("data/old", "1")
    // Safe: the paths are passed as terminated copies, and the structs are locals.
    unsafe _ = chmod("\(directory.path)/data/old", mode | S_ISUID)
    let fixture = try fixture(directory)
    #expect(try fixture.run("return fs.write('data/old', '2') and fs.write('data/new', '2')").result == "true")
    var (old, new) = (stat(), stat())
    unsafe #expect(stat("\(directory.path)/data/old", &old) == 0 && stat("\(directory.path)/data/new", &new) == 0)
    let mask = umask(0)
    umask(mask)
    #expect(old.st_mode & 0o7777 == mode)
    #expect(new.st_mode & 0o7777 == 0o666 & ~mask)
  }

  @Test("a read-only root cannot be written")
  func readOnly() throws {
    let directory = try TemporaryDirectory()
    try directory.write("data/f", "1")
    let fixture = try fixture(directory, writable: false)
    #expect(try fixture.run("return fs.read('data/f')").result == "\"1\"")
    #expect(try fixture.run("fs.write('data/f', '2')").error?.message.contains("no grant for writing data/f") == true)
  }
}

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

@Suite(.onBothExecutors) struct ExecGrantTests {
  /// `tools/say` and a link beside it, a directory outside, and what a script may do with them.
  private final class Tools {
    let directory: TemporaryDirectory
    let fixture: PoolFixture

    init(_ grants: LuaValue) throws {
      directory = try TemporaryDirectory()
      try directory.write("tools/say", "#!/bin/sh\necho said\n")
      try directory.write("outside/say", "#!/bin/sh\necho outside\n")
      // Safe: the path is passed as a terminated copy.
      for name in ["tools/say", "outside/say"] { unsafe _ = chmod("\(directory.path)/\(name)", 0o755) }
      try directory.link("tools/link", to: "../outside/say")
      try directory.link("tools/inner", to: "say")
      try directory.link("away", to: "outside")
      let table = try GrantTable(["test.lua": grants], baseDirectory: directory.path)
      fixture = try PoolFixture(grants: table.grants(for: ScriptPath("test.lua")), base: directory.path)
    }

    /// Standard output, or the message of the error that was raised, or of what was refused.
    func run(_ words: String, _ options: String = "nil") throws -> String {
      let report = try fixture.run("local r, why = exec({ \(words) }, \(options)) return r and r.stdout or why")
      return report.error?.message ?? report.details?.result?.text ?? ""
    }
  }

  @Test(
    "a program is what its path leads to, not how it is written",
    arguments: [
      ("'tools/say'", true), ("'./tools//say'", true), ("'tools/../tools/say'", true), ("'tools/inner'", true),
      ("'tools/../../bin/sh', '-c', 'echo said'", false), ("'tools/../../../../../bin/sh'", false),
      ("'tools/../outside/say'", false), ("'tools//../outside/say'", false), ("'tools/link'", false),
      ("'/bin/sh'", false), ("'sh'", false), ("'tools/none'", nil), ("'tools/../none'", false),
    ] as [(String, Bool?)])
  func normalised(words: String, isRun: Bool?) throws {
    let said = try Tools(["exec": ["tools/*"]]).run(words)
    switch isRun {
    case true: #expect(said == "\"said\\n\"")
    case false: #expect(said.contains("has no grant for the program"), "\(said)")
    default: #expect(said.contains("there is no program"), "\(said)")
    }
  }

  @Test("a relative grant begins at the base directory, whatever directory the program is to run in")
  func base() throws {
    let tools = try Tools(["exec": ["tools/*"]])
    // There is a tools/say below that directory as well.
    try tools.directory.write("other/tools/say", "#!/bin/sh\necho other\n")
    // Safe: the path is passed as a terminated copy.
    unsafe _ = chmod("\(tools.directory.path)/other/tools/say", 0o755)
    #expect(try tools.run("'tools/say'", "{ cwd = 'other' }") == "\"said\\n\"")
    #expect(try tools.run("'other/tools/say'").contains("no grant for the program other/tools/say"))
  }

  @Test("a grant of one file follows the links that its operator meant, and no others")
  func exact() throws {
    let tools = try Tools(["exec": ["away/say", "tools/link"]])
    #expect(try tools.run("'outside/say'") == "\"outside\\n\"")
    #expect(try tools.run("'tools/link'") == "\"outside\\n\"")
    #expect(try tools.run("'tools/say'").contains("no grant"))
    #expect(try tools.run("'tools/inner'").contains("no grant"))
  }

  @Test("a name is a program of the host's search path, whatever variables a script sets")
  func names() throws {
    let tools = try Tools(["exec": ["say", "sh", "/usr/bin/env"], "exec_env": ["PATH"]])
    let path = tools.directory.path + "/tools"
    #expect(try tools.run("'say'", "{ env = { PATH = '\(path)' } }").contains("there is no program \\\"say\\\" that"))
    #expect(try tools.run("'tools/say'").contains("no grant"))
    #expect(try tools.run("'/usr/bin/sh', '-c', 'echo found'") == "\"found\\n\"")
    #expect(try tools.run("'env', 'echo', 'granted by its path'") == "\"granted by its path\\n\"")
    #expect(try tools.run("'ls'").contains("no grant for the program ls: add"))
  }

  @Test("the sentence says which program it would be")
  func message() throws {
    let tools = try Tools(["exec": ["tools/*"]])
    let said = try tools.run("'tools/link'")
    #expect(said.contains("tools/link (\(tools.directory.path)/tools/link), which leads to"), "\(said)")
    #expect(said.contains("outside/say: add  grants = { [\"test.lua\"] = { exec = {"), "\(said)")
  }

  @Test("variables need a grant, and those that decide over programs their own name in it")
  func variables() throws {
    let tools = try Tools(["exec": ["sh"], "exec_env": ["APP_*", "LD_*", "*"]])
    #expect(try tools.run("'sh', '-c', 'echo $APP_MODE$X'", "{ env = { APP_MODE = 1, X = 'y' } }") == "\"1y\\n\"")
    for name in [
      "BASH_ENV", "BASH_FUNC_ls%%", "LD_PRELOAD", "LD_AUDIT", "PERL5OPT", "PERL5LIB", "PYTHONPATH", "PYTHONSTARTUP",
      "GIT_SSH_COMMAND", "GIT_DIR", "RUBYOPT", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "LUA_INIT", "LUA_INIT_5_4", "IFS",
      "ENV", "SHELLOPTS", "PS4", "GCONV_PATH", "PATH", "HOME", "PAGER", "MANPAGER", "SSH_ASKPASS", "MAKEFLAGS",
      "TAR_OPTIONS", "LESSOPEN", "APP_PRELOAD", "GLIBC_TUNABLES", "OPENSSL_CONF",
    ] {
      let said = try tools.run("'sh', '-c', 'true'", "{ env = { ['\(name)'] = 'x' } }")
      #expect(said.contains("no grant for setting the variable \(name) of a program (it can"), "\(name): \(said)")
    }
    #expect(try tools.run("'true'", "{ env = { x = '() { :; }; echo' } }").contains("no grant for"))
    let none = try Tools(["exec": ["sh"], "env": ["X"]])
    #expect(try none.run("'sh'", "{ env = { X = 1 } }").contains("exec_env = { \"X\" }"))
    let named = try Tools(["exec": ["sh"], "exec_env": ["BASH_ENV"]])
    #expect(try named.run("'sh', '-c', 'echo $BASH_ENV'", "{ env = { BASH_ENV = 'b' } }") == "\"b\\n\"")
    let every = try Tools(["exec": ["sh"], "exec_env": true])
    #expect(try every.run("'sh', '-c', 'echo $X'", "{ env = { X = 'b' } }") == "\"b\\n\"")
    #expect(try every.run("'sh'", "{ env = { LD_PRELOAD = 'b' } }").contains("no grant for setting"))
  }
}

@Suite(.onBothExecutors) struct ExecChildTests {
  private func fixture() throws -> PoolFixture { try PoolFixture(grants: .all, base: "/tmp") }

  @Test("input, words, variables and output are bytes")
  func bytes() throws {
    let report = try fixture().run(
      #"""
      local all = {}
      for i = 0, 255 do all[i + 1] = string.char(i) end
      local s = table.concat(all)
      local word = s:sub(2) .. "\xff\xc3"
      return {
        exec({ "cat" }, { stdin = s }).stdout == s,
        exec({ "printf", "%s", word }).stdout == word,
        exec({ "printenv", "V" }, { env = { V = word } }).stdout == word .. "\n",
        exec({ "env" }, { env = { ["A\xff"] = "1", ["A\xfe"] = "2" } }).stdout:find("A\xfe=2\nA\xff=1\n", 1, true)
          ~= nil,
        exec({ "pwd" }, { cwd = "/usr" }).stdout,
      }
      """#)
    #expect(report.result == #"[true,true,true,true,"/usr\n"]"#, "\(report.error?.message ?? "")")
  }

  @Test(
    "a child has a session of its own without a terminal, and its descriptors are its three",
    .onThreads(because: .sessions))
  func session() throws {
    let report = try fixture().run(
      """
      local stat = exec({ "cat", "/proc/self/stat" }).stdout
      local pid, group, session, terminal = stat:match("^(%d+) %(cat%) %a %d+ (%d+) (%d+) (%d+)")
      local tty = exec({ "sh", "-c", ": < /dev/tty" })
      return { pid == group, pid == session, terminal, tty.code > 0, #exec({ "ls", "/proc/self/fd" }).stdout }
      """)
    // 0, 1, 2, and the directory that ls reads.
    #expect(report.result == #"[true,true,"0",true,8]"#)
  }

  @Test("a directory that is not there is named")
  func directory() throws {
    let report = try fixture().run("return select(2, exec({ 'ls' }, { cwd = '/nowhere' }))")
    #expect(report.result == #""cannot start \"ls\" in the directory /nowhere: No such file or directory""#)
  }

  @Test("of long output the beginning and the end are kept, and a line says what is missing")
  func ends() throws {
    let report = try fixture().run(
      """
      local r = exec({ "sh", "-c", "echo first; yes ä | head -n 100000; echo last; echo failed >&2" }, { max_output = 1000 })
      return { r.stdout:sub(1, 6), r.stdout:sub(-5), #r.stdout <= 1000, utf8.len(r.stdout) ~= nil, r.truncated,
        r.stdout:match("… (%d+) bytes are left out here …") == tostring(r.stdout_omitted), r.stderr, r.stderr_omitted }
      """)
    #expect(report.result == #"["first\n","last\n",true,true,true,true,"failed\n",0]"#)
  }

  @Test("orphans are waited for, the children of scripts are not", .onThreads(with: "orphan"))
  func orphans() throws {
    let fixture = try fixture()
    // Stands for a process that the kernel gave to this one.
    let command = ChildCommand(
      program: Array("/bin/true".utf8), arguments: [Array("true".utf8)], environment: [], directory: Array("/".utf8))
    let orphan = try ProcessCalls.spawn(command, diesWithHost: false).get().process
    let children = fixture.host.children
    children.reapOrphans()
    let report = try fixture.run("return exec({ 'sh', '-c', 'exit 3' }).code")
    #expect(report.result == "3")
    // Nobody is left to wait for, sooner or later: the call fails then.
    var status: Int32 = 0
    while unsafe waitpid(orphan, &status, WNOHANG) == 0 { children.reapOrphans() }
    #expect(unsafe waitpid(orphan, &status, WNOHANG) == -1 && errno == ECHILD)
  }
}

@Suite struct KeptOutputTests {
  private func kept(_ text: String, limit: Int, by step: Int) -> KeptOutput {
    var kept = KeptOutput(limit: limit)
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      kept.add(rest.prefix(step))
      rest = rest.dropFirst(step)
    }
    return kept
  }

  @Test("what fits is whole, whatever the pieces", arguments: [1, 7, 200, 1000])
  func whole(step: Int) {
    let text = String(repeating: "añ€🌙", count: 20)
    for limit in [text.utf8.count, text.utf8.count + 1, .max] {
      let kept = kept(text, limit: limit, by: step)
      #expect(kept.bytes == Array(text.utf8) && !kept.isTruncated && kept.omitted == 0)
    }
  }

  @Test("no limit is passed, no character is cut, and the count is right", arguments: [1, 3, 64, 5000])
  func cut(step: Int) {
    let text = (0..<500).map { "\($0)ñ€🌙" }.joined()
    for limit in 0..<600 {
      let kept = kept(text, limit: limit, by: step)
      #expect(kept.isTruncated && kept.bytes.count <= limit)
      let shown = String(validating: kept.bytes, as: UTF8.self)
      #expect(shown != nil, "limit \(limit)")
      let parts = (shown ?? "").components(separatedBy: "\n… ")
      #expect(text.hasPrefix(parts[0]))
      guard limit >= 128 else { continue }
      #expect(parts[1].hasPrefix("\(kept.omitted) bytes are left out here …\n"))
      let end = parts[1].split(separator: "\n")[1]
      #expect(text.hasSuffix(end) && parts[0].utf8.count + kept.omitted + end.utf8.count == text.utf8.count)
      #expect(kept.bytes.count > limit - 64)
    }
  }
}

extension String {
  fileprivate func components(separatedBy separator: String) -> [String] {
    guard let range = firstRange(of: separator) else { return [self] }
    return [String(self[..<range.lowerBound]), String(self[range.upperBound...])]
  }
}

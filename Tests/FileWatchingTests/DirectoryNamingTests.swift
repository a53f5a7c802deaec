import Testing

@testable import FileWatching

@Suite("Names below the scripts directory")
struct DirectoryNamingTests {
  @Test(
    "the name alone says what a file is",
    arguments: [
      ("a.lua", .script), ("reports/daily.lua", .script), ("sub/lib/x.lua", .script), ("library/x.lua", .script),
      ("4913.lua", .script), ("über.lua", .script),
      ("holidays.ics", .calendar), ("lib/a.ics", .calendar), (".a.ics", nil), ("lib/a.lua", .module(name: "a")),
      ("lib/a/b.lua", .module(name: "a.b")), ("lib/a/init.lua", .module(name: "a")),
      ("lib/init.lua", .module(name: "init")), ("lib/_private.lua", .module(name: "_private")),
      ("a_test.lua", .test), ("sub/b_test.lua", .test), ("lib/c_test.lua", .test),
      ("_a.lua", nil), (".a.lua", nil), (".#a.lua", nil), ("#a.lua#", nil), ("#a.lua", nil), ("a.lua~", nil),
      ("a.lua.swp", nil), (".a.lua.swp", nil), ("4913", nil), ("sedAbC12", nil), ("a.lua.orig", nil), (".lua", nil),
      ("a.LUA", nil), ("a.txt", nil), ("lib/a.b.lua", nil), ("lib/.x.lua", nil), ("lib/5.4/x.lua", nil),
      ("a.lua___jb_tmp___", nil),
    ] as [(String, ScriptFile.Kind?)])
  func kinds(path: String, kind: ScriptFile.Kind?) {
    #expect(FileNaming.kind(of: ScriptPath(path)) == kind)
  }

  @Test(
    "hidden and private directories are not searched, except private ones in lib",
    arguments: [
      ("sub", true), ("sub/deeper", true), ("lib", true), ("lib/net", true), ("lib/_private", true), ("x.lua", true),
      (".git", false), ("_drafts", false), ("sub/_drafts", false), ("backup~", false), ("lib/.cache", false),
      ("lib/5.4", false),
    ])
  func searched(path: String, isSearched: Bool) {
    #expect(FileNaming.isSearched(ScriptPath(path)) == isSearched)
  }

  @Test(
    "a module's name says which files may hold it",
    arguments: [
      ("a", ["lib/a.lua", "lib/a/init.lua"]), ("a.b", ["lib/a/b.lua", "lib/a/b/init.lua"]),
      ("net-2.retry_it", ["lib/net-2/retry_it.lua", "lib/net-2/retry_it/init.lua"]),
      ("", []), (".", []), ("a.", []), (".a", []), ("a..b", []), ("../a", []), ("a/b", []), ("a\0b", []), ("a b", []),
    ])
  func candidates(name: String, paths: [String]) {
    #expect(ScriptPath.candidates(forModule: name).map(\.text) == paths)
  }

  @Test("the candidates of a module are modules of that name")
  func candidatesAgree() {
    for name in ["a", "a.b", "a.b.c", "init", "init.init"] {
      for path in ScriptPath.candidates(forModule: name) { #expect(path.moduleName == name || name.hasSuffix("init")) }
    }
  }

  @Test("paths are equal when their bytes are, not when Unicode says so")
  func bytes() {
    let composed = ScriptPath("caf\u{E9}.lua")
    let decomposed = ScriptPath("cafe\u{301}.lua")
    #expect(composed.text == decomposed.text)
    #expect(composed != decomposed)
    #expect(Set([composed, decomposed]).count == 2)
    #expect(decomposed < composed)
  }

  @Test("a name that is not UTF-8 is shown byte by byte")
  func notText() {
    #expect(FileNaming.decode([0x61, 0xE9, 0x2E, 0x6C]) == ("a\\xE9.l", false))
    #expect(FileNaming.decode(Array("ä.lua".utf8)) == ("ä.lua", true))
  }

  @Test("control characters in a name cannot forge a log line")
  func printable() {
    #expect(ScriptPath("a\nINFO fine\u{7F}.lua").description == "a\\nINFO fine\\x7F.lua")
    #expect(ScriptPath("ä.lua").description == "ä.lua")
    #expect(ScriptPath.root.description == ".")
  }

  @Test("below means deeper, not longer")
  func below() {
    #expect(ScriptPath("sub/a.lua").isBelow(ScriptPath("sub")))
    #expect(ScriptPath("a.lua").isBelow(.root))
    #expect(!ScriptPath("subway/a.lua").isBelow(ScriptPath("sub")))
    #expect(!ScriptPath("sub").isBelow(ScriptPath("sub")))
    #expect(!ScriptPath.configuration.isBelow(.root))
    #expect(ScriptPath("sub/a.lua").name == "a.lua")
    #expect(ScriptPath("a.lua").name == "a.lua")
  }

  @Test(
    "paths become absolute without touching the disk",
    arguments: [
      ("/srv/scripts", "/srv/scripts", "/srv"), ("/srv//scripts/./", "/srv/scripts", "/srv"), ("/", "/", "/"),
      ("/scripts", "/scripts", "/"), ("/srv/a/..", "/srv/a/..", "/srv/a/../.."),
    ])
  func absolute(path: String, absolute: String, parent: String) {
    #expect(AbsolutePath.make(path) == absolute)
    #expect(AbsolutePath.parent(of: absolute) == parent)
  }
}

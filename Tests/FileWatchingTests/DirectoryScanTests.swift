import Chronology
import Glibc
import Testing
import TestSupport

@testable import FileWatching

@Suite("Scanning a scripts directory")
struct DirectoryScanTests {
  private let disk = EditedDirectory()
  private func scan(after former: DirectorySnapshot = .empty) -> DirectorySnapshot {
    ScriptDirectory(disk.path).scan(after: former).snapshot
  }

  @Test("finds scripts, modules, tests and the configuration, and nothing else")
  func kinds() {
    disk.write("b.lua", "b")
    disk.write("a.lua", "a")
    disk.makeDirectory("reports")
    disk.write("reports/daily.lua", "daily")
    disk.makeDirectory("lib")
    disk.makeDirectory("lib/net")
    disk.write("lib/net/init.lua", "net")
    disk.write("lib/net/retry.lua", "retry")
    disk.write("a_test.lua", "test")
    disk.write("../moondial.lua", "return {}")
    for litter in [".a.lua.swp", "a.lua~", "#a.lua#", "_draft.lua", "4913", "notes.txt"] { disk.write(litter, "x") }
    for hidden in [".git", "_drafts"] {
      disk.makeDirectory(hidden)
      disk.write("\(hidden)/x.lua", "x")
    }
    let snapshot = scan()
    #expect(snapshot.scripts.map(\.path.text) == ["a.lua", "b.lua", "reports/daily.lua"])
    #expect(snapshot.modules.map(\.path.text) == ["lib/net/init.lua", "lib/net/retry.lua"])
    #expect(snapshot.tests.map(\.path.text) == ["a_test.lua"])
    #expect(snapshot.configuration?.kind == .configuration)
    #expect(snapshot.count == 7)
    #expect(snapshot.problems == [])
    #expect(snapshot.contents["reports/daily.lua"] == "daily")
  }

  @Test("looks modules up by name, the file before the directory")
  func lookUp() {
    disk.makeDirectory("lib")
    disk.makeDirectory("lib/a")
    disk.write("lib/a/init.lua", "directory")
    let one = scan()
    guard case .found(let module) = one.module(named: "a") else { Issue.record("not found"); return }
    #expect(module.path.text == "lib/a/init.lua")
    disk.write("lib/a.lua", "file")
    guard case .found(let nearer) = scan().module(named: "a") else { Issue.record("not found"); return }
    #expect(nearer.path.text == "lib/a.lua")
    guard case .missing(let lookedFor) = one.module(named: "a.b") else { Issue.record("found"); return }
    #expect(lookedFor.map(\.text) == ["lib/a/b.lua", "lib/a/b/init.lua"])
    guard case .illegalName = one.module(named: "../secret") else { Issue.record("legal"); return }
  }

  @Test("the configuration may lie anywhere, and need not exist")
  func configuration() {
    disk.write("../host.lua", "return {}")
    let directory = ScriptDirectory(disk.path, configuration: disk.absolute("../host.lua"))
    #expect(directory.scan().snapshot.contents["../moondial.lua"] == "return {}")
    #expect(scan().configuration == nil)
  }

  @Test("changes are what is added, removed or of other bytes; a touched file is none")
  func changes() {
    disk.write("same.lua", "1")
    disk.write("touched.lua", "1")
    disk.write("rewritten.lua", "1")
    disk.write("edited.lua", "1")
    disk.write("removed.lua", "1")
    let before = scan()
    disk.setModified("touched.lua", 1_000_000_000)
    disk.setMode("touched.lua", 0o755)
    disk.write("rewritten.lua", "1")
    disk.write("edited.lua", "2")
    disk.remove("removed.lua")
    disk.write("added.lua", "1")
    let after = scan(after: before)
    #expect(
      after.changes(since: before) == [ScriptPath("added.lua"), ScriptPath("edited.lua"), ScriptPath("removed.lua")])
    #expect(after.changes(since: after) == [])
  }

  @Test("an edit that changes neither length nor time of an old file is found: the change time tells")
  func sameLengthAndTime() throws {
    disk.write("a.lua", "1")
    disk.setModified("a.lua", 1_000_000_000)
    // So late that the stamp is believed.
    let late = StandingClock(SystemWallClock().now + .seconds(3))
    let directory = ScriptDirectory(
      disk.path, configuration: nil, limits: ScanLimits(), environment: ScanEnvironment(clock: late))
    let before = directory.scan().snapshot
    let stamp = try #require(before["a.lua"]?.stamp)
    // Until the file system's clock has ticked: a scan of 3 s later does not meet two writes within one tick.
    var status = SystemCall.status(of: disk.absolute("a.lua"))
    while try status.get().stamp.changed == stamp.changed {
      disk.write("a.lua", "2")
      disk.setModified("a.lua", 1_000_000_000)
      status = SystemCall.status(of: disk.absolute("a.lua"))
    }
    #expect(directory.scan(after: before).snapshot.contents == ["a.lua": "2"])
  }

  @Test("an unchanged file is not read again once its stamp is old enough to be believed")
  func reuse() {
    disk.write("a.lua", "1")
    let reads = ScanCounter()
    let opening: @Sendable (ScanStep, String) -> Int32 = { step, _ in
      if case .openFile = step { reads.increment() }
      return 0
    }
    // 3 s after the file was written, as the scan sees it.
    let late = StandingClock(Instant(nanoseconds: SystemWallClock().now.nanoseconds + 3_000_000_000))
    let directory = ScriptDirectory(
      disk.path, configuration: nil, limits: ScanLimits(), environment: ScanEnvironment(clock: late, fault: opening))
    let first = directory.scan().snapshot
    let second = directory.scan(after: first).snapshot
    #expect(reads.value == 1)
    #expect(directory.scan(after: second, isFull: true).snapshot == second)
    #expect(reads.value == 2)
    // At the time of writing, another write in the same tick could look the same.
    let early = StandingClock(Instant(nanoseconds: SystemWallClock().now.nanoseconds + 20_000_000))
    let young = ScriptDirectory(
      disk.path, configuration: nil, limits: ScanLimits(), environment: ScanEnvironment(clock: early, fault: opening))
    let third = young.scan().snapshot
    #expect(young.scan(after: third).snapshot == third)
    #expect(reads.value == 4)
  }

  @Test("a file over the limit is an entry that says so")
  func tooLarge() {
    disk.write("big.lua", String(repeating: "-", count: 1_000_001))
    disk.write("fits.lua", String(repeating: "-", count: 1_000))
    let snapshot = scan()
    #expect(snapshot.contents["big.lua"] == "<big.lua is 1.1 MB long; a script may have at most 1 MB>")
    #expect(snapshot.contents["fits.lua"]?.utf8.count == 1_000)
  }

  @Test("what is named like a script and is none is an entry that says so, and nothing waits for a pipe")
  func notAFile() {
    disk.makePipe("pipe.lua")
    disk.link("nowhere.lua", to: "missing.lua")
    disk.link("itself.lua", to: "itself.lua")
    disk.makeDirectory("directory.lua")
    disk.write("directory.lua/a.lua", "a")
    disk.make(rawName: Array("caf".utf8) + [0xE9] + Array(".lua".utf8))
    let contents = scan().contents
    #expect(
      contents["pipe.lua"] == "<pipe.lua is not a regular file; remove it or give it a name that does not end in .lua>")
    #expect(
      contents["nowhere.lua"]
        == "<nowhere.lua is a link to a file that does not exist; correct the link or remove it>")
    #expect(contents["itself.lua"] == "<itself.lua cannot be read: Too many levels of symbolic links>")
    #expect(contents["directory.lua/a.lua"] == "a")
    #expect(contents["caf\\xE9.lua"] == "<caf\\xE9.lua: the name is not UTF-8; rename it>")
    #expect(contents.count == 5)
  }

  @Test("links to files and directories are followed, and each directory is loaded once")
  func links() {
    disk.makeDirectory("../elsewhere")
    disk.write("../elsewhere/x.lua", "x")
    disk.write("../shared.txt", "shared")
    disk.link("linked", to: "../elsewhere")
    disk.link("again", to: "linked")
    disk.link("one.lua", to: "../shared.txt")
    disk.makeDirectory("sub")
    disk.link("sub/loop", to: "..")
    disk.link("aaa", to: "sub")
    disk.write("sub/y.lua", "y")
    let snapshot = scan()
    #expect(snapshot.contents == ["again/x.lua": "x", "one.lua": "shared", "sub/y.lua": "y"])
    #expect(
      snapshot.problems.map(\.description) == [
        "aaa leads to the same directory as sub, which is loaded already; remove one of the two",
        "linked leads to the same directory as again, which is loaded already; remove one of the two",
        "sub/loop leads to the same directory as ., which is loaded already; remove one of the two",
      ])
  }

  @Test("a ConfigMap volume is read through its links, once")
  func configMap() {
    disk.makeDirectory("..2026_01_01")
    disk.write("..2026_01_01/a.lua", "1")
    disk.link("..data", to: "..2026_01_01")
    disk.link("a.lua", to: "..data/a.lua")
    #expect(scan().contents == ["a.lua": "1"])
  }

  @Test("the scripts directory may be a link itself")
  func linkedRoot() {
    disk.write("a.lua", "a")
    disk.link("../current", to: "scripts")
    #expect(ScriptDirectory(disk.absolute("../current")).scan().snapshot.contents == ["a.lua": "a"])
  }

  @Test("a missing scripts directory is a problem, and keeps what was known")
  func missingRoot() {
    disk.write("a.lua", "a")
    disk.write("../moondial.lua", "c")
    let before = scan()
    disk.move("", "../gone")
    let after = scan(after: before)
    #expect(after.contents == ["a.lua": "a", "../moondial.lua": "c"])
    #expect(
      after.problems.map(\.description) == [
        "the scripts directory cannot be opened: No such file or directory; create it or name another"
      ])
    disk.move("../gone", "")
    #expect(scan(after: after) == before)
  }

  @Test("too many files are cut off with a problem that says so")
  func tooMany() {
    for number in 0..<5 { disk.write("\(number).lua", "x") }
    var limits = ScanLimits()
    limits.files = 3
    let snapshot = ScriptDirectory(disk.path, limits: limits).scan().snapshot
    #expect(snapshot.count == 3)
    #expect(snapshot.problems.map(\.code) == [.tooMany(limit: 3)])
  }

  struct Bound: Sendable, CustomTestStringConvertible {
    var set: @Sendable (inout ScanLimits) -> Void
    var found: [String]
    var testDescription: String
  }

  @Test(
    "what is more than the host reads is left out with one problem that says what to change",
    arguments: [
      Bound(set: { $0.bytes = 5 }, found: ["0/0.lua", "0/1.lua"], testDescription: "longer than 0.1 MB together"),
      Bound(set: { $0.directories = 2 }, found: ["0/0.lua", "0/1.lua"], testDescription: "more than 2 files or"),
      Bound(set: { $0.entries = 5 }, found: ["0/0.lua", "0/1.lua"], testDescription: "more than 5 files or"),
      Bound(
        set: { $0.depth = 1 }, found: ["0/0.lua", "0/1.lua", "1/0.lua", "1/1.lua"],
        testDescription: "1/deep lies more than 1 directories deep"),
    ])
  func bounds(bound: Bound) {
    for path in ["0", "1", "1/deep"] { disk.makeDirectory(path) }
    for path in ["0/0.lua", "0/1.lua", "1/0.lua", "1/1.lua", "1/deep/2.lua"] { disk.write(path, "xx") }
    var limits = ScanLimits()
    bound.set(&limits)
    let snapshot = ScriptDirectory(disk.path, limits: limits).scan().snapshot
    #expect(snapshot.contents.keys.sorted() == bound.found)
    #expect(snapshot.problems.count == 1)
    #expect(
      snapshot.problems.allSatisfy { $0.description.contains(bound.testDescription) }, "\(snapshot.problems)")
  }

  @Test(
    "what is known stays when something new is too much for a bound, and goes when its file does",
    arguments: [
      Bound(set: { $0.bytes = 4 }, found: ["m/0.lua: xx", "m/1.lua: xx"], testDescription: "bytes"),
      Bound(set: { $0.files = 2 }, found: ["m/0.lua: yyyy", "m/1.lua: xx"], testDescription: "files"),
      Bound(
        set: { $0.directories = 2 }, found: ["a/0.lua: new", "m/0.lua: xx", "m/1.lua: xx"],
        testDescription: "directories"),
      Bound(set: { $0.entries = 3 }, found: ["m/0.lua: xx", "m/1.lua: xx"], testDescription: "entries"),
    ])
  func grown(bound: Bound) {
    disk.makeDirectory("m")
    for name in ["0", "1"] { disk.write("m/\(name).lua", "xx") }
    let before = scan()
    for path in ["a", "b"] {
      disk.makeDirectory(path)
      disk.write("\(path)/0.lua", "new")
    }
    disk.write("m/0.lua", "yyyy")
    var limits = ScanLimits()
    bound.set(&limits)
    let directory = ScriptDirectory(disk.path, limits: limits)
    let grown = directory.scan(after: before).snapshot
    #expect(grown.contents.map { "\($0.key): \($0.value)" }.sorted() == bound.found)
    #expect(grown.problems.count == 1)
    for path in ["a", "b"] {
      disk.remove("\(path)/0.lua")
      disk.remove(path)
    }
    disk.remove("m/1.lua")
    #expect(directory.scan(after: grown).snapshot.contents.keys.sorted() == ["m/0.lua"])
  }

  @Test("the configuration is read however full the directory is")
  func configurationOfFull() {
    for number in 0..<3 { disk.write("\(number).lua", "xx") }
    var limits = ScanLimits()
    (limits.bytes, limits.files) = (6, 3)
    let directory = ScriptDirectory(disk.path, limits: limits)
    let full = directory.scan().snapshot
    disk.write("../moondial.lua", "return {}")
    let configured = directory.scan(after: full).snapshot
    #expect(configured.contents["../moondial.lua"] == "return {}")
    disk.write("../moondial.lua", "return { }")
    let edited = directory.scan(after: configured).snapshot
    #expect(edited.contents["../moondial.lua"] == "return { }")
    #expect(edited.count == 4 && edited.problems == [])
  }

  @Test("a scan that nobody wants any more ends before the next entry, wherever it is", arguments: 0..<12)
  func unwanted(asked: Int) {
    for path in ["0", "1"] { disk.makeDirectory(path) }
    for number in 0..<10 { disk.write("\(number % 2)/\(number).lua", "x") }
    var count = 0
    let scan = ScriptDirectory(disk.path).scan(
      after: .empty, isFull: false,
      isWanted: {
        count += 1
        return count <= asked
      }, visit: { _, _ in })
    #expect(scan == nil)
    #expect(count <= asked + 3)
  }
}

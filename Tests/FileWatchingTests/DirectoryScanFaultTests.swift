import Chronology
import Glibc
import Synchronization
import Testing
import TestSupport

@testable import FileWatching

@Suite("Scanning while things fail or change")
struct DirectoryScanFaultTests {
  private let disk = EditedDirectory()

  private func directory(
    clock: any WallClock, pause: (@Sendable (Duration) -> Void)? = nil,
    fault: (@Sendable (ScanStep, String) -> Int32)? = nil
  ) -> ScriptDirectory {
    ScriptDirectory(
      disk.path, configuration: nil, limits: ScanLimits(),
      environment: ScanEnvironment(clock: clock, pause: pause ?? { _ in }, fault: fault))
  }

  /// A second after now: files that the test writes are at rest.
  private var later: StandingClock { StandingClock(SystemWallClock().now + .seconds(1)) }

  @Test(
    "an unreadable file is an entry that says why, never a deletion",
    arguments: [
      (EACCES, "<a.lua: Permission denied; give the host's user read access to this file>"),
      (EIO, "<a.lua cannot be read: Input/output error>"), (EMFILE, "<a.lua cannot be read: Too many open files>"),
    ])
  func unreadableFile(error: Int32, entry: String) {
    disk.write("a.lua", "a")
    disk.write("b.lua", "b")
    let before = directory(clock: later).scan().snapshot
    disk.write("a.lua", "new")
    let after = directory(
      clock: later,
      fault: { step, path in
        if case .openFile = step, path.hasSuffix("a.lua") { error } else { 0 }
      }
    ).scan(after: before).snapshot
    #expect(after.contents == ["a.lua": entry, "b.lua": "b"])
  }

  @Test("an unreadable directory keeps its former entries, at any depth, and is a problem")
  func unreadableDirectory() {
    disk.makeDirectory("sub")
    disk.makeDirectory("sub/deep")
    disk.write("sub/a.lua", "a")
    disk.write("sub/deep/b.lua", "b")
    disk.write("subway.lua", "c")
    let before = directory(clock: later).scan().snapshot
    disk.remove("subway.lua")
    let after = directory(
      clock: later,
      fault: { step, path in
        if case .listDirectory = step, path.hasSuffix("/sub") { EACCES } else { 0 }
      }
    ).scan(after: before).snapshot
    #expect(after.contents == ["sub/a.lua": "a", "sub/deep/b.lua": "b"])
    #expect(
      after.problems.map(\.description) == [
        "sub: Permission denied; give the host's user read access to this directory"
      ])
  }

  @Test("a directory that goes between being seen and being read has no entries")
  func vanishedDirectory() {
    disk.makeDirectory("sub")
    disk.write("sub/a.lua", "a")
    let before = directory(clock: later).scan().snapshot
    let after = directory(
      clock: later,
      fault: { step, path in
        if case .listDirectory = step, path.hasSuffix("/sub") { ENOENT } else { 0 }
      }
    ).scan(after: before).snapshot
    #expect(after.contents == [:])
    #expect(after.problems == [])
  }

  @Test("a directory behind a link that cannot be followed any more keeps its entries")
  func brokenLink() {
    disk.makeDirectory("../elsewhere")
    disk.write("../elsewhere/x.lua", "x")
    disk.link("linked", to: "../elsewhere")
    let before = directory(clock: later).scan().snapshot
    disk.remove("linked")
    disk.link("linked", to: "linked")
    let after = directory(clock: later).scan(after: before).snapshot
    #expect(after.contents == ["linked/x.lua": "x"])
    #expect(after.problems.map(\.description) == ["linked cannot be read: Too many levels of symbolic links"])
  }

  @Test("a file that changes once while it is read is read again")
  func changedOnce() {
    disk.write("a.lua", "1")
    let count = ScanCounter()
    let disk = disk
    let scan = directory(
      clock: later,
      fault: { step, _ in
        if case .confirmFile = step, count.increment() == 1 { disk.write("a.lua", "22") }
        return 0
      }
    ).scan()
    #expect(scan.snapshot.contents == ["a.lua": "22"])
    #expect(scan.unstable == [])
    #expect(count.value == 2)
  }

  @Test("a file that changes whenever it is read keeps its former bytes; a new one is left out")
  func changedAlways() {
    disk.write("a.lua", "1")
    disk.write("quiet.lua", "q")
    let before = directory(clock: later).scan().snapshot
    disk.write("a.lua", "22")
    disk.write("new.lua", "n")
    let count = ScanCounter()
    let disk = disk
    let scan = directory(
      clock: later,
      fault: { step, path in
        if case .confirmFile = step, !path.hasSuffix("quiet.lua") {
          let name = path.hasSuffix("new.lua") ? "new.lua" : "a.lua"
          disk.write(name, String(repeating: "x", count: 3 + count.increment()))
        }
        return 0
      }
    ).scan(after: before)
    #expect(scan.snapshot.contents == ["a.lua": "1", "quiet.lua": "q"])
    #expect(scan.unstable == [ScriptPath("a.lua"), ScriptPath("new.lua")])
    // Once at once, then after each of three pauses.
    #expect(count.value == 8)
  }

  @Test("a file that was written a moment ago is read only once it is at rest")
  func atRest() {
    disk.write("a.lua", "half")
    let disk = disk
    let clock = StandingClock(SystemWallClock().now)
    let pauses = ScanCounter()
    let scan = directory(
      clock: clock,
      pause: { duration in
        pauses.increment()
        disk.write("a.lua", "whole")
        clock.now = SystemWallClock().now + duration
      }
    ).scan()
    #expect(scan.snapshot.contents == ["a.lua": "whole"])
    #expect(pauses.value == 1)
  }

  @Test("a young file that is replaced while it comes to rest is read as the version it was")
  func replacedAtRest() {
    disk.write("a.lua", "complete")
    let disk = disk
    let clock = StandingClock(SystemWallClock().now)
    let scan = directory(
      clock: clock,
      pause: { duration in
        disk.replace("a.lua", "next version")
        clock.now = SystemWallClock().now + duration
      }
    ).scan()
    #expect(scan.snapshot.contents == ["a.lua": "complete"])
    #expect(scan.unstable == [])
  }

  @Test("a file that is replaced while it is read is read as the version it was")
  func replacedWhileRead() {
    disk.write("a.lua", "complete")
    let disk = disk
    let count = ScanCounter()
    let scan = directory(
      clock: later,
      fault: { step, _ in
        if case .confirmFile = step, count.increment() == 1 { disk.replace("a.lua", "next version") }
        return 0
      }
    ).scan()
    #expect(scan.snapshot.contents == ["a.lua": "complete"])
    #expect(scan.unstable == [])
  }

  @Test("a time stamp from the future is no reason to wait")
  func future() {
    disk.write("a.lua", "a")
    disk.setModified("a.lua", 4_000_000_000)
    let pauses = ScanCounter()
    let scan = directory(clock: later, pause: { _ in pauses.increment() }).scan()
    #expect(scan.snapshot.contents == ["a.lua": "a"])
    #expect(pauses.value == 0)
  }

  @Test("a thousand young files are read with few descriptors and few pauses")
  func many() {
    for number in 0..<200 { disk.write("\(number).lua", "\(number)") }
    let clock = StandingClock(SystemWallClock().now)
    let pauses = ScanCounter()
    let scan = directory(
      clock: clock,
      pause: { duration in
        pauses.increment()
        clock.now = SystemWallClock().now + duration
      }
    ).scan()
    #expect(scan.snapshot.count == 200)
    #expect(scan.snapshot.contents["150.lua"] == "150")
    #expect(pauses.value <= 4)
  }
}

/// Counts from any thread.
final class ScanCounter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  @discardableResult func increment() -> Int {
    count.withLock {
      $0 += 1
      return $0
    }
  }
}

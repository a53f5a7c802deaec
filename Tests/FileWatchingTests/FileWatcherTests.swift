import Basics
import Chronology
import Executors
import Glibc
import JobModel
import Synchronization
import Testing
import TestSupport

@testable import FileWatching

/// Real files, the kernel's own events.
@Suite("Watching for the files of jobs", .serialized)
struct FileWatcherTests {
  private let disk = EditedDirectory()

  enum Arrival: CaseIterable, Sendable { case written, inPieces, moved, linked, hardLinked }

  @Test("a file is given once, however it arrives", arguments: Arrival.allCases)
  func arrives(arrival: Arrival) {
    disk.makeDirectory("in")
    disk.makeDirectory("other")
    disk.write("other/a", "1")
    let files = WatchedFiles(disk)
    files.watch("in/*.csv")
    files.wait("the first scan") { $0.reads == 1 }
    switch arrival {
    case .written: disk.write("in/a.csv", "1")
    case .inPieces: disk.write("in/a.csv", (0..<100).map { "\($0)\n" })
    case .moved: disk.move("other/a", "in/a.csv")
    case .linked: disk.link("in/a.csv", to: "../other/a")
    case .hardLinked: unsafe #expect(link(disk.absolute("other/a"), disk.absolute("in/a.csv")) == 0)
    }
    files.wait(for: ["in/a.csv"])
    // What follows is told after whatever else there was to tell of the first.
    disk.write("in/b.csv", "2")
    files.wait(for: ["in/a.csv", "in/b.csv"])
  }

  @Test("what is there already, and was never handled, is given; what was handled is not")
  func existing() throws {
    disk.makeDirectory("in")
    disk.write("in/a", "1")
    disk.write("in/b", "1")
    disk.write("in/c", "1")
    let a = try #require(FileSight { _ in true }.version(of: disk.absolute("in/a")))
    var c = try #require(FileSight { _ in true }.version(of: disk.absolute("in/c")))
    c.size += 1
    let files = WatchedFiles(disk, marks: [mark("in/a", a), mark("in/c", c), mark("in/gone", a)])
    files.watch("in/*")
    files.wait(for: ["in/b", "in/c"])
    #expect(files.gone() == ["in/gone"])
    #expect(files.reads == 1)
  }

  private func mark(_ path: String, _ version: FileVersion, job: String = "in") -> FileMark {
    FileMark(
      job: job, path: path.hasPrefix("since:") ? path : disk.absolute(path), version: version, run: RunID(1),
      outcome: .succeeded, at: SystemWallClock().now)
  }

  @Test("existing = false passes over what is there, once: after a restart what came meanwhile is given")
  func onlyNew() throws {
    disk.makeDirectory("in")
    disk.write("in/a", "1")
    let files = WatchedFiles(disk)
    files.watch("in/*") { $0.existing = false }
    files.wait("the beginning") { $0.reports.contains { $0.beginning == [disk.absolute("in/*")] } }
    #expect(files.passedOver() == ["in/a"])
    disk.write("in/b", "1")
    files.wait(for: ["in/b"])
    files.stop()

    disk.write("in/c", "1")
    let marks = try ["in/a", "in/b"].map {
      mark($0, try #require(FileSight { _ in true }.version(of: disk.absolute($0))))
    }
    let begun = mark(
      FileMark.beginning(of: disk.absolute("in/*")), FileVersion(device: 0, inode: 0, size: 0, modified: 0))
    let again = WatchedFiles(disk, marks: marks + [begun])
    again.watch("in/*") { $0.existing = false }
    again.wait(for: ["in/c"])
    #expect(again.passedOver() == [])
  }

  @Test("a file that is written again is given again, and one that only looks touched is not")
  func changes() {
    disk.makeDirectory("in")
    let files = WatchedFiles(disk)
    files.watch("in/*")
    disk.write("in/a", "1")
    files.wait(for: ["in/a"])
    disk.setMode("in/a", 0o600)
    disk.write("in/a", "22")
    files.wait(for: ["in/a", "in/a"])
    disk.replace("in/a", "33")
    files.wait(for: ["in/a", "in/a", "in/a"])
  }

  @Test("a file that goes is told, and given again when it comes back")
  func goes() {
    disk.makeDirectory("in")
    disk.makeDirectory("done")
    let files = WatchedFiles(disk)
    files.watch("in/*")
    disk.write("in/a", "1")
    files.wait(for: ["in/a"])
    disk.move("in/a", "done/a")
    files.wait("gone") { $0.gone() == ["in/a"] }
    disk.move("done/a", "in/a")
    files.wait(for: ["in/a", "in/a"])
  }

  @Test("a tree that comes all at once is searched, and so is what is added to it")
  func trees() {
    let files = WatchedFiles(disk)
    files.watch("in/**/*.csv")
    disk.makeDirectory("in")
    disk.makeDirectory("in/x")
    disk.makeDirectory("in/x/y")
    disk.write("in/x/y/a.csv", "1")
    disk.write("in/x/b.txt", "1")
    files.wait(for: ["in/x/y/a.csv"])
    disk.write("in/x/y/c.csv", "1")
    files.wait(for: ["in/x/y/a.csv", "in/x/y/c.csv"])
    disk.makeDirectory("in/z")
    disk.write("in/z/d.csv", "1")
    files.wait(for: ["in/x/y/a.csv", "in/x/y/c.csv", "in/z/d.csv"])
  }

  @Test("a directory may be missing, be replaced, and be reached through a link that is changed")
  func replaced() {
    let files = WatchedFiles(disk)
    files.watch("in/*")
    files.wait("it is not there") { $0.notices.contains { $0.contains("is not there; it is watched for") } }
    disk.makeDirectory("in")
    disk.write("in/a", "1")
    files.wait(for: ["in/a"])
    disk.move("in", "old")
    disk.makeDirectory("in")
    disk.write("in/b", "1")
    files.wait(for: ["in/a", "in/b"])
    disk.makeDirectory("v2")
    disk.write("v2/c", "1")
    disk.move("in", "older")
    disk.link("in", to: "v2")
    files.wait(for: ["in/a", "in/b", "in/c"])
    disk.makeDirectory("v3")
    disk.write("v3/d", "1")
    disk.link("new", to: "v3")
    disk.move("new", "in")
    files.wait(for: ["in/a", "in/b", "in/c", "in/d"])
    // In the old place nothing is watched for any more.
    disk.write("old/x", "1")
    disk.write("v3/e", "1")
    files.wait(for: ["in/a", "in/b", "in/c", "in/d", "in/e"])
  }

  @Test("links to directories are followed where a pattern names them, not by **, and no loop is endless")
  func links() {
    disk.makeDirectory("in")
    disk.makeDirectory("other")
    disk.write("other/a", "1")
    disk.link("in/link", to: "../other")
    disk.link("in/loop", to: ".")
    disk.link("in/nowhere", to: "missing")
    disk.write("in/b", "1")
    let files = WatchedFiles(disk)
    files.watch([files.subject("one", ["in/*/a"]), files.subject("any", ["in/**/*"])])
    files.wait(for: ["in/link/a"], of: "one")
    files.wait(for: ["in/b"], of: "any")
  }

  @Test("a link out of what is granted is said once, and not followed")
  func fenced() {
    disk.makeDirectory("in")
    disk.makeDirectory("secret")
    disk.write("secret/a", "1")
    disk.link("in/link", to: "../secret")
    let secret = disk.absolute("secret")
    let files = WatchedFiles(disk, granted: { !$0.hasPrefix(secret) })
    files.watch("in/*/a", "in/b")
    disk.write("in/b", "1")
    files.wait(for: ["in/b"])
    #expect(files.notices.count { $0.contains("leads to \(secret), which is not granted") } == 1)
  }

  @Test("a link to a file out of what is granted shows nothing of it, at the start and when it comes later")
  func fencedFiles() {
    disk.makeDirectory("in")
    disk.makeDirectory("secret")
    disk.write("secret/a", "1")
    disk.link("in/a", to: "../secret/a")
    let secret = disk.absolute("secret")
    let files = WatchedFiles(disk, granted: { !$0.hasPrefix(secret) })
    files.watch("in/*")
    files.wait("the first scan") { $0.reads == 1 }
    disk.link("in/b", to: "../secret/a")
    disk.write("in/c", "1")
    files.wait(for: ["in/c"])
    files.wait("what is said of in/a") { log in
      log.notices.contains { $0.description.contains("in/a leads to \(secret)/a, which is not granted") }
    }
  }

  @Test("a link in the fixed part of a pattern leads to nothing that is not granted, also when it comes later")
  func fencedWay() {
    disk.makeDirectory("in")
    disk.makeDirectory("in/real")
    disk.makeDirectory("secret")
    disk.makeDirectory("secret/x")
    disk.write("secret/x/a", "1")
    disk.link("in/link", to: "../secret")
    let (granted, secret) = (disk.absolute("in"), disk.absolute("secret"))
    let files = WatchedFiles(disk, granted: { $0.hasPrefix(granted) })
    files.watch("in/link/x/*", "in/real/*")
    let refused = { (path: String, real: String) in "\(path) is in truth \(real), which is not granted" }
    files.wait("what is said of the link") { log in
      log.notices.contains { $0.description.contains(refused("\(granted)/link/x", "\(secret)/x")) }
    }
    disk.move("in/real", "in/former")
    disk.link("in/real", to: "../secret/x")
    files.wait("what is said of the link that took its place") { log in
      log.notices.contains { $0.description.contains(refused("\(granted)/real", "\(secret)/x")) }
    }
    disk.remove("in/real")
    disk.move("in/former", "in/real")
    disk.write("in/real/b", "1")
    files.wait(for: ["in/real/b"])
  }

  @Test(
    "without a grant nothing is watched for, which is said once with the line to add; a reload that grants it begins")
  func granted() {
    disk.makeDirectory("in")
    disk.write("in/a", "1")
    let gate = Gate()
    let files = WatchedFiles(disk, granted: { _ in gate.isOpen })
    files.watch("in/*")
    files.wait("the refusal") {
      $0.notices.contains { $0.contains("grants = { [\"a.lua\"] = { fs = { \"in:r\" } } }") }
    }
    files.watch("in/*")
    gate.open()
    files.watch("in/*")
    files.wait(for: ["in/a"])
    #expect(files.notices.count == 1)
  }

  @Test("what cannot be read is one line, and stops nothing else")
  func unreadable() {
    disk.makeDirectory("in")
    disk.makeDirectory("in/x")
    disk.make(rawName: Array("in/".utf8) + [0xE9])
    disk.write("in/a", "1")
    let files = WatchedFiles(disk)
    files.watch("in/*", "in/x", "in/a/b")
    files.wait(for: ["in/a"])
    #expect(files.notices.contains { $0.contains("name is not UTF-8 (\\xE9); it is passed over: rename it") })
    #expect(
      files.notices.contains {
        $0.contains("in/x is a directory; write \(disk.absolute("in/x"))/* for the files in it")
      })
    #expect(files.notices.contains { $0.contains("in/a is not a directory") })
    let before = files.notices
    files.rescanNow()
    disk.write("in/b", "1")
    files.wait(for: ["in/a", "in/b"])
    #expect(files.notices == before)
  }

  @Test(
    "two jobs may watch one directory; one that goes and comes back is given what came meanwhile, and nothing twice")
  func jobs() {
    disk.makeDirectory("in")
    let files = WatchedFiles(disk)
    let (one, two) = (files.subject("one", ["in/*"]), files.subject("two", ["in/*.csv"]))
    files.watch([one, two])
    disk.write("in/a.csv", "1")
    files.wait(for: ["in/a.csv"], of: "one")
    files.wait(for: ["in/a.csv"], of: "two")
    files.watch([one])
    disk.write("in/b.csv", "1")
    files.wait(for: ["in/a.csv", "in/b.csv"], of: "one")
    files.watch([one, two])
    files.wait(for: ["in/a.csv", "in/b.csv"], of: "two")
    files.watch([])
    files.watch([one, two])
    disk.write("in/c.csv", "1")
    files.wait(for: ["in/a.csv", "in/b.csv", "in/c.csv"], of: "one")
    files.wait(for: ["in/a.csv", "in/b.csv", "in/c.csv"], of: "two")
    #expect(files.reads == 2)
  }

  @Test("an edited watch is scanned at once, and keeps what it knows")
  func edited() {
    disk.makeDirectory("in")
    disk.write("in/a", "1")
    disk.write("in/b.csv", "1")
    let files = WatchedFiles(disk)
    files.watch("in/*.csv")
    files.wait(for: ["in/b.csv"])
    files.watch("in/*")
    files.wait(for: ["in/a", "in/b.csv"])
    files.watch("in/*.csv")
    disk.write("in/c.csv", "1")
    files.wait(for: ["in/a", "in/b.csv", "in/c.csv"])
    files.watch("in/*")
    disk.write("in/d", "1")
    files.wait(for: ["in/a", "in/b.csv", "in/c.csv", "in/d"])
    #expect(files.gone() == [])
  }

  @Test("a store that cannot be read is said once, and nothing is given before it could")
  func storeFails() {
    disk.makeDirectory("in")
    disk.write("in/a", "1")
    let files = WatchedFiles(disk, failingReads: 3)
    files.watch("in/*")
    files.wait(for: ["in/a"])
    #expect(files.reads == 4)
    #expect(
      files.notices == ["the files of \"in\" are not watched for until its store can be read: the disk is on fire"])
  }

  @Test("with no watches to be had it polls, and says so once")
  func polls() {
    disk.makeDirectory("in")
    let files = WatchedFiles(disk, watchLimit: 0)
    files.watch("in/*")
    files.wait("the notice") { $0.notices.contains { $0.contains("instead of being waited for") } }
    disk.write("in/a", "1")
    files.wait(for: ["in/a"])
    disk.remove("in/a")
    files.wait("gone") { $0.gone() == ["in/a"] }
    #expect(files.notices.count == 1)
  }

  @Test("what no event tells, a regular scan finds: the target of a link that was written to")
  func regularScans() {
    disk.makeDirectory("in")
    disk.write("target", "1")
    disk.link("in/a", to: "../target")
    var timing = WatchedFiles.timing
    timing.fullScan = 20_000_000
    let files = WatchedFiles(disk, timing: timing)
    files.watch("in/*")
    files.wait(for: ["in/a"])
    disk.write("target", "22")
    files.wait(for: ["in/a", "in/a"])
  }

  @Test("more files at once than the kernel's queue holds are all given, each once")
  func floods() {
    disk.makeDirectory("in")
    disk.makeDirectory("out")
    let files = WatchedFiles(disk)
    files.watch("in/*")
    files.wait("the first scan") { $0.reads == 1 }
    // Whole from the beginning: one that is still empty for longer than it has to be quiet is rightly given twice.
    for number in 0..<3_000 { disk.replace("in/\(number)", "1", through: "out/file") }
    files.wait(for: (0..<3_000).map { "in/\($0)" })
  }

  @Test("stopping twice, or without a start, is fine; nothing comes afterwards")
  func stops() {
    disk.makeDirectory("in")
    WatchedFiles(disk).stop()
    let files = WatchedFiles(disk)
    files.watch("in/*")
    disk.write("in/a", "1")
    files.wait(for: ["in/a"])
    files.stop()
    files.stop()
    files.watch("in/*")
    disk.write("in/b", "1")
    #expect(files.complete() == ["in/a"])
  }
}

extension FileWatcherTests {
  @Test("a thread that the system refuses is told, and asked for again with the next set of jobs and by a rescan")
  func refusedThread() {
    disk.makeDirectory("in")
    disk.write("in/a", "1")
    let refusals = Mutex(2)
    let files = WatchedFiles(
      disk,
      makeThread: { name, stackSize, signals, body throws(ThreadError) in
        let isRefused = refusals.withLock { left in
          left -= 1
          return left >= 0
        }
        if isRefused { throw ThreadError(name: name, code: EAGAIN) }
        return try NamedThread(name, stackSize: stackSize, signals: signals, body)
      })
    files.watch("in/*")
    #expect(files.notices.count == 1)
    files.watch("in/*")
    #expect(files.notices.count == 2)
    files.rescanNow()
    files.wait(for: ["in/a"])
    #expect(files.notices.allSatisfy { $0.hasPrefix("thread \"md-files\" could not be started") })
  }
}

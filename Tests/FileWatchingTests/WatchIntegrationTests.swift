import Basics
import Chronology
import Dispatch
import Executors
import Synchronization
import Testing
import TestSupport

@testable import FileWatching

/// Real files, the kernel's own events.
@Suite("Watching a scripts directory", .serialized)
struct WatchIntegrationTests {
  private let disk = EditedDirectory()

  enum Save: CaseIterable, Sendable { case inPlace, renameOver, likeSed, likeVim, removeAndWrite, fromElsewhere }

  @Test("a save is delivered once, however the editor saves", arguments: Save.allCases)
  func saves(save: Save) {
    disk.write("a.lua", "1")
    disk.write("b.lua", "1")
    let watched = WatchedDisk(disk, timing: WatchedDisk.patientTiming)
    #expect(watched.watcher.start().contents == ["a.lua": "1", "b.lua": "1"])
    switch save {
    case .inPlace: disk.write("a.lua", "2", "2")
    case .renameOver: disk.replace("a.lua", "22")
    case .likeSed: disk.replace("a.lua", "22", through: "sedXk3b2G")
    case .likeVim: disk.saveLikeVim("a.lua", "22")
    case .removeAndWrite:
      disk.remove("a.lua")
      disk.write("a.lua", "22")
    case .fromElsewhere: disk.replace("a.lua", "22", through: "../elsewhere")
    }
    watched.wait(for: ["a.lua": "22", "b.lua": "1"])
    #expect(watched.deliveries.map(\.changes) == [["a.lua"]])
  }

  @Test("a new directory with a file made at once, and files added there later, are seen")
  func newDirectory() {
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    disk.makeDirectory("sub")
    disk.makeDirectory("sub/deep")
    disk.write("sub/deep/a.lua", "a")
    watched.wait(for: ["sub/deep/a.lua": "a"])
    disk.write("sub/b.lua", "b")
    watched.wait(for: ["sub/deep/a.lua": "a", "sub/b.lua": "b"])
    disk.write("sub/deep/a.lua", "a2")
    watched.wait(for: ["sub/deep/a.lua": "a2", "sub/b.lua": "b"])
  }

  @Test("a deleted file and a deleted tree are removed, and may come back")
  func deletes() {
    disk.makeDirectory("sub")
    disk.write("sub/a.lua", "a")
    disk.write("b.lua", "b")
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    disk.removeTree("sub")
    watched.wait(for: ["b.lua": "b"])
    disk.remove("b.lua")
    watched.wait(for: [:])
    disk.makeDirectory("sub")
    disk.write("sub/a.lua", "again")
    watched.wait(for: ["sub/a.lua": "again"])
  }

  @Test("a moved directory is delivered in one piece, and watched under its new name")
  func movesDirectory() {
    disk.makeDirectory("sub")
    disk.write("sub/a.lua", "a")
    disk.write("sub/b.lua", "b")
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    disk.move("sub", "other")
    watched.wait(for: ["other/a.lua": "a", "other/b.lua": "b"])
    #expect(watched.deliveries.map(\.changes) == [["sub/a.lua", "sub/b.lua", "other/a.lua", "other/b.lua"]])
    disk.write("other/a.lua", "a2")
    watched.wait(for: ["other/a.lua": "a2", "other/b.lua": "b"])
    // Out of the tree: what happens there is nobody's business any more, and what comes in its place is.
    disk.move("other", "../away")
    watched.wait(for: [:])
    disk.write("../away/a.lua", "a3")
    disk.makeDirectory("other")
    disk.write("other/c.lua", "c")
    watched.wait(for: ["other/c.lua": "c"])
  }

  @Test("a ConfigMap volume is swapped by renaming one link")
  func swapsLink() {
    disk.makeDirectory("..v1")
    disk.write("..v1/a.lua", "1")
    disk.write("..v1/b.lua", "1")
    disk.link("..data", to: "..v1")
    disk.link("a.lua", to: "..data/a.lua")
    disk.link("b.lua", to: "..data/b.lua")
    let watched = WatchedDisk(disk, timing: WatchedDisk.patientTiming)
    #expect(watched.watcher.start().contents == ["a.lua": "1", "b.lua": "1"])
    for version in 2...3 {
      disk.makeDirectory("..v\(version)")
      disk.write("..v\(version)/a.lua", "\(version)")
      disk.write("..v\(version)/b.lua", "\(version)")
      disk.link("..data_tmp", to: "..v\(version)")
      disk.move("..data_tmp", "..data")
      disk.removeTree("..v\(version - 1)")
      watched.wait(for: ["a.lua": "\(version)", "b.lua": "\(version)"])
    }
    #expect(watched.deliveries.count == 2)
  }

  @Test("a root reached through a link follows the link when it is swapped")
  func swapsRootLink() {
    disk.makeDirectory("../v1")
    disk.makeDirectory("../v1/jobs")
    disk.write("../v1/jobs/a.lua", "1")
    disk.makeDirectory("../v2")
    disk.makeDirectory("../v2/jobs")
    disk.write("../v2/jobs/a.lua", "2")
    disk.link("../current", to: "v1")
    let watched = WatchedDisk(disk, root: "../current/jobs")
    #expect(watched.watcher.start().contents == ["a.lua": "1"])
    disk.link("../next", to: "v2")
    disk.move("../next", "../current")
    watched.wait(for: ["a.lua": "2"])
    disk.write("../v2/jobs/a.lua", "3")
    watched.wait(for: ["a.lua": "3"])
  }

  @Test("an edit of the file behind a link is seen, wherever that lies")
  func linkTarget() {
    disk.makeDirectory("../shared")
    disk.write("../shared/common.txt", "1")
    disk.link("a.lua", to: "../shared/common.txt")
    let watched = WatchedDisk(disk)
    #expect(watched.watcher.start().contents == ["a.lua": "1"])
    disk.write("../shared/common.txt", "2")
    watched.wait(for: ["a.lua": "2"])
    disk.replace("../shared/common.txt", "3")
    watched.wait(for: ["a.lua": "3"])
  }

  @Test("a root that is replaced, or missing at the start, is found again")
  func replacesRoot() {
    disk.write("a.lua", "1")
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    disk.move("", "../old")
    let lost = watched.wait("the root is gone") { !$0.snapshot.problems.isEmpty }
    #expect(watched.deliveries[lost - 1].snapshot.contents == ["a.lua": "1"])
    #expect(watched.deliveries[lost - 1].changes == [.root])
    disk.makeDirectory("")
    disk.write("b.lua", "2")
    watched.wait(for: ["b.lua": "2"])

    let later = WatchedDisk(disk, root: "../deep/down")
    #expect(later.watcher.start().problems.count == 1)
    disk.makeDirectory("../deep")
    disk.makeDirectory("../deep/down")
    disk.write("../deep/down/c.lua", "c")
    let found = later.wait(for: ["c.lua": "c"])
    // The directory around the root goes, and comes back.
    disk.move("../deep", "../gone")
    let lostAgain = later.wait(after: found, "the root's parent is gone") { !$0.snapshot.problems.isEmpty }
    disk.move("../gone", "../deep")
    later.wait(after: lostAgain, "it is back") { $0.snapshot.problems.isEmpty }
    #expect(later.deliveries.last?.snapshot.contents == ["c.lua": "c"])
  }

  @Test("the configuration beside the directory is watched, and its neighbours are not")
  func configuration() {
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    disk.write("../other.lua", "x")
    disk.write("../moondial.lua", "1")
    watched.wait(for: ["../moondial.lua": "1"])
    disk.replace("../moondial.lua", "2")
    watched.wait(for: ["../moondial.lua": "2"])
    #expect(watched.deliveries.map(\.changes) == [[.configuration], [.configuration]])
  }

  @Test("what does not change the content is not delivered: touch, chmod, an equal save, an editor's litter")
  func nothing() {
    disk.write("a.lua", "1")
    disk.write("b.lua", "1")
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    disk.setModified("a.lua", 1_000_000_000)
    disk.setMode("a.lua", 0o600)
    disk.write("a.lua", "1")
    disk.replace("a.lua", "1")
    disk.write("a.lua~", "2")
    disk.write(".a.lua.swp", "2")
    watched.watcher.rescanNow()
    watched.wait("the answer") { $0.isRequested }
    disk.write("b.lua", "2")
    watched.wait(for: ["a.lua": "1", "b.lua": "2"])
    #expect(watched.deliveries.map(\.changes) == [[], ["b.lua"]])
  }

  @Test("a half save is delivered again when the loader asks for it")
  func retries() {
    disk.write("a.lua", "1")
    let answers = ScanCounter()
    let later = WatcherReference()
    let watched = WatchedDisk(disk) { change in
      guard let file = change.snapshot["a.lua"], change.changes.contains("a.lua") else { return }
      if later.watcher?.retryLater(file) == true { answers.increment() }
    }
    later.watcher = watched.watcher
    _ = watched.watcher.start()
    disk.write("a.lua", "half")
    let first = watched.wait(for: ["a.lua": "half"])
    watched.wait(after: first, "once more") { $0.snapshot.contents == ["a.lua": "half"] }
    watched.watcher.stop()
    later.watcher = nil
    #expect(watched.deliveries.map(\.changes) == [["a.lua"], ["a.lua"]])
    #expect(answers.value == 1)
  }

  @Test("without enough watches it says so, and polls")
  func polls() {
    disk.makeDirectory("sub")
    disk.write("sub/a.lua", "1")
    let watched = WatchedDisk(disk, watchLimit: 1)
    _ = watched.watcher.start()
    #expect(watched.notices == [.polling(reason: .limitReached(limit: 1), interval: WatchedDisk.timing.polling)])
    disk.write("sub/a.lua", "2")
    watched.wait(for: ["sub/a.lua": "2"])
    #expect(watched.notices.count == 1)
  }

  @Test("it watches again when there are few enough directories")
  func watchesAgain() {
    disk.makeDirectory("sub")
    disk.write("a.lua", "1")
    let watched = WatchedDisk(disk, watchLimit: 2)
    _ = watched.watcher.start()
    #expect(watched.notices.map(\.isWarning) == [true])
    disk.remove("sub")
    watched.waitForNotice("watching again") { $0 == .watching(directories: 2) }
    disk.write("a.lua", "2")
    watched.wait(for: ["a.lua": "2"])
    #expect(watched.notices.count == 2)
  }

  @Test("lost events are made up for by a scan")
  func overflow() {
    let release = DispatchSemaphore(value: 0)
    let watched = WatchedDisk(disk) { change in
      if change.snapshot["first.lua"] != nil, change.snapshot["last.lua"] == nil { release.wait() }
    }
    _ = watched.watcher.start()
    disk.write("first.lua", "1")
    watched.wait(for: ["first.lua": "1"])
    // While the receiver is busy: more events, three each time, than the kernel keeps.
    for number in 0..<(queueLength / 3 + 500) {
      disk.write("x\(number % 7)", "")
      disk.remove("x\(number % 7)")
    }
    disk.write("last.lua", "2")
    release.signal()
    watched.wait(for: ["first.lua": "1", "last.lua": "2"])
    watched.waitForNotice("overflow") { $0 == .overflow }
  }

  /// 16,384 unless somebody changed it.
  private var queueLength: Int {
    guard case .success(let file) = OpenFile.open("/proc/sys/fs/inotify/max_queued_events"),
      case .success(let bytes) = file.read(20)
    else { return 16_384 }
    return Int(String(decoding: bytes.filter { $0 >= 0x30 }, as: UTF8.self)) ?? 16_384
  }

  @Test("while the receiver is busy changes wait, and come as one")
  func busyReceiver() {
    let release = DispatchSemaphore(value: 0)
    let watched = WatchedDisk(disk) { change in
      if change.snapshot.count == 1 { release.wait() }
    }
    _ = watched.watcher.start()
    disk.write("0.lua", "0")
    watched.wait(for: ["0.lua": "0"])
    for number in 1...20 { disk.write("\(number).lua", "\(number)") }
    release.signal()
    watched.wait("all") { $0.snapshot.count == 21 }
    #expect(watched.deliveries.count == 2)
  }

  @Test("what happens while the first snapshot is loaded is delivered after it, and a half save among it once more")
  func loadsFirst() {
    disk.write("a.lua", "half")
    let watched = WatchedDisk(disk)
    var isLoaded = false
    watched.watcher.start { snapshot in
      #expect(watched.watcher.retryLater(snapshot["a.lua"]!))
      disk.write("b.lua", "b")
      watched.watcher.rescanNow()
      #expect(watched.deliveries.isEmpty)
      isLoaded = snapshot.contents == ["a.lua": "half"]
    }
    #expect(isLoaded)
    watched.wait(for: ["a.lua": "half", "b.lua": "b"])
    watched.wait("once more") { $0.changes.contains("a.lua") }
  }

  @Test("when loading fails, nothing is watched")
  func loadingFails() {
    struct Failure: Error {}
    let watched = WatchedDisk(disk)
    #expect(throws: Failure.self) { try watched.watcher.start { _ in throw Failure() } }
    watched.watcher.rescanNow()
    watched.watcher.stop()
    #expect(watched.deliveries.isEmpty)
  }

  @Test("it stops twice, without a start, and at once; nothing is delivered afterwards")
  func stops() {
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    watched.watcher.stop()
    watched.watcher.stop()
    disk.write("a.lua", "1")
    watched.watcher.rescanNow()
    #expect(watched.deliveries.isEmpty)
    let never = WatchedDisk(disk)
    never.watcher.stop()
    #expect(never.watcher.start().contents == ["a.lua": "1"])
  }

  @Test("a file that is made while the first scan is under way, after its directory was read, is not missed")
  func startsWithoutGap() {
    disk.makeDirectory("sub")
    disk.write("sub/a.lua", "a")
    let disk = disk
    let reads = ScanCounter()
    let environment = ScanEnvironment(
      clock: StandingClock(SystemWallClock().now + .seconds(1)),
      fault: { step, _ in
        if case .confirmFile = step, reads.increment() == 1 { disk.write("sub/b.lua", "b") }
        return 0
      })
    let watched = WatchedDisk(disk, environment: environment)
    #expect(watched.watcher.start().contents == ["sub/a.lua": "a"])
    watched.wait(for: ["sub/a.lua": "a", "sub/b.lua": "b"])
  }

  @Test("a thread that the system refuses is told; a request to reload asks for it again, and finds what changed")
  func refusedThread() {
    disk.write("a.lua", "1")
    let refusals = Mutex(2)
    let watched = WatchedDisk(
      disk,
      makeThread: { name, stackSize, signals, body throws(ThreadError) in
        let isRefused = refusals.withLock { left in
          left -= 1
          return left >= 0
        }
        if isRefused { throw ThreadError(name: name, code: 11) }
        return try NamedThread(name, stackSize: stackSize, signals: signals, body)
      })
    #expect(watched.watcher.start().contents == ["a.lua": "1"])
    disk.write("a.lua", "2")
    watched.watcher.rescanNow()
    #expect(watched.deliveries.isEmpty)
    watched.watcher.rescanNow()
    watched.wait(for: ["a.lua": "2"])
    let refused = ThreadError(name: "md-watch", code: 11).description
    #expect(watched.notices == [.blind(reason: refused), .blind(reason: refused), .seeing])
  }
}

/// Lets a receiver reach the watcher that calls it.
private final class WatcherReference: @unchecked Sendable {
  // Set before the start, and cleared when no call can come.
  var watcher: DirectoryWatcher?
}

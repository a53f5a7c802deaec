import Testing
import TestSupport

@testable import FileWatching

@Suite("WatchSet")
struct WatchSetTests {
  private let disk = EditedDirectory()

  /// Does what a scan does, for the directories at `paths`.
  private func scan(_ watches: inout WatchSet, _ paths: String...) -> WatchNotice.Reason? {
    watches.begin()
    for path in paths { watches.name(disk.absolute(path), .scripts(ScriptPath(path))) }
    return watches.end(searched: Set(paths.map { ScriptPath($0) }))
  }

  @Test("what the last scan did not name is watched no more")
  func drops() {
    disk.makeDirectory("sub")
    var watches = WatchSet(limit: .max)
    #expect(scan(&watches, "", "sub") == nil)
    #expect(watches.count == 2)
    #expect(scan(&watches, "") == nil)
    #expect(watches.count == 1)
    disk.write("sub/a.lua", "a")
    #expect(watches.takeEvents() == [])
    disk.write("b.lua", "b")
    #expect(watches.takeEvents() == [.created("b.lua"), .saved("b.lua")])
  }

  @Test("a moved directory reports under the name that the next scan gives it")
  func moves() {
    disk.makeDirectory("sub")
    var watches = WatchSet(limit: .max)
    _ = scan(&watches, "", "sub")
    disk.move("sub", "other")
    // From the root twice, and from the directory itself.
    #expect(watches.takeEvents() == [.treeChanged, .treeChanged, .treeChanged])
    _ = scan(&watches, "", "other")
    disk.write("other/a.lua", "a")
    #expect(watches.takeEvents() == [.created("other/a.lua"), .saved("other/a.lua")])
  }

  @Test("events from before a scan are read under what it found")
  func duringScan() {
    var watches = WatchSet(limit: .max)
    watches.begin()
    watches.name(disk.path, .scripts(.root))
    disk.write("a.lua", "a")
    _ = watches.end(searched: [.root])
    #expect(watches.takeEvents() == [.created("a.lua"), .saved("a.lua")])
  }

  @Test("a directory with two roles is watched once, and reports for both")
  func roles() {
    var watches = WatchSet(limit: 1)
    watches.begin()
    watches.name(disk.path, .entry("a.lua"))
    watches.name(disk.absolute("../scripts"), .configuration("c.lua"))
    #expect(watches.end(searched: []) == nil)
    #expect(watches.count == 1)
    disk.write("a.lua", "a")
    disk.write("b.lua", "b")
    disk.write("c.lua", "c")
    #expect(
      watches.takeEvents() == [.treeChanged, .treeChanged, .created(.configuration), .saved(.configuration)])
  }

  @Test("a directory that is not there is left to the scan; one too many is a reason to poll, until there are fewer")
  func limits() {
    disk.makeDirectory("sub")
    var watches = WatchSet(limit: 1)
    #expect(scan(&watches, "missing") == nil)
    #expect(scan(&watches, "", "sub") == .limitReached(limit: 1))
    #expect(scan(&watches, "sub") == nil)
    #expect(watches.count == 1)
  }

  @Test("a watched directory that is deleted says so once, and is watched again when it is back")
  func deletes() {
    disk.makeDirectory("sub")
    var watches = WatchSet(limit: .max)
    _ = scan(&watches, "sub")
    disk.remove("sub")
    #expect(Set(watches.takeEvents()) == [.treeChanged])
    #expect(watches.count == 0)
    disk.makeDirectory("sub")
    _ = scan(&watches, "sub")
    disk.write("sub/a.lua", "a")
    #expect(watches.takeEvents() == [.created("sub/a.lua"), .saved("sub/a.lua")])
  }

  @Test("notices are sentences that say what to do")
  func notices() {
    let polling = WatchNotice.polling(reason: .tooManyWatches, interval: .seconds(1))
    #expect(
      polling.description
        == "the scripts directory is scanned every 1.0 seconds instead of being watched: this user's watches are used up; "
        + "raise the limit: sysctl fs.inotify.max_user_watches=524288")
    #expect(polling.isWarning)
    #expect(WatchNotice.watching(directories: 1).description == "watching 1 directory again")
    #expect(!WatchNotice.overflow.isWarning)
    #expect(WatchNotice.blind(reason: "no thread").isWarning)
  }
}

import Chronology
import JobModel
import Testing

@testable import FileWatching

@Suite("When a file is complete")
struct FileQuietPeriodTests {
  private let second: Int64 = 1_000_000_000

  private func moment(_ seconds: Double) -> ClockReading {
    ClockReading(
      wall: Instant(seconds: 1_767_225_600).advanced(byNanoseconds: Int64(seconds * 1e9)),
      monotonic: Int64(seconds * 1e9))
  }

  private func version(_ size: Int64, device: UInt64 = 1, inode: UInt64 = 1) -> FileVersion {
    FileVersion(device: device, inode: inode, size: size, modified: size)
  }

  private func quietPeriod(marks: [FileMark] = [], _ change: (inout FileWatch) -> Void = { _ in }) -> FileQuietPeriod {
    var watch = FileWatch(paths: ["/in/*"])
    change(&watch)
    return FileQuietPeriod(watch, marks: marks)
  }

  private func mark(_ path: String, _ version: FileVersion, at seconds: Double = 0) -> FileMark {
    FileMark(job: "in", path: path, version: version, run: RunID(1), outcome: .succeeded, at: moment(seconds).wall)
  }

  /// What is complete at `seconds`, when the disk shows `disk`.
  private func look(_ quietPeriod: inout FileQuietPeriod, at seconds: Double, _ disk: [String: FileVersion]) -> [String]
  {
    for path in quietPeriod.due(at: moment(seconds)) {
      if let version = disk[path] {
        quietPeriod.confirm(path, version, at: moment(seconds))
      } else {
        quietPeriod.miss(path, at: moment(seconds))
      }
    }
    return quietPeriod.takeReport().complete.map { "\($0.path) \($0.version.size)" }
  }

  @Test("it must look the same for settle, and not a moment less")
  func quiet() {
    var quietPeriod = quietPeriod()
    quietPeriod.see("/in/a", version(1), at: moment(0))
    #expect(quietPeriod.nextCheck == 2 * second)
    #expect(look(&quietPeriod, at: 1.999, ["/in/a": version(1)]) == [])
    #expect(look(&quietPeriod, at: 2, ["/in/a": version(1)]) == ["/in/a 1"])
    #expect(quietPeriod.nextCheck == nil)
    #expect(look(&quietPeriod, at: 60, ["/in/a": version(1)]) == [])
  }

  @Test("a file that grows begins anew each time, however it is noticed")
  func grows() {
    var quietPeriod = quietPeriod()
    quietPeriod.see("/in/a", version(1), at: moment(0))
    quietPeriod.see("/in/a", version(2), isTouched: true, at: moment(1.5))
    // Without an event: seen only when it was due.
    #expect(look(&quietPeriod, at: 2, ["/in/a": version(2)]) == [])
    #expect(look(&quietPeriod, at: 3.5, ["/in/a": version(3)]) == [])
    #expect(look(&quietPeriod, at: 5.4, ["/in/a": version(3)]) == [])
    #expect(look(&quietPeriod, at: 5.5, ["/in/a": version(3)]) == ["/in/a 3"])
  }

  @Test("an event begins anew even if the file looks the same; a scan does not")
  func touched() {
    var quietPeriod = quietPeriod()
    quietPeriod.see("/in/a", version(1), at: moment(0))
    quietPeriod.see("/in/a", version(1), at: moment(1))
    quietPeriod.see("/in/a", version(1), isTouched: true, at: moment(1.5))
    quietPeriod.see("/in/a", version(1), at: moment(2))
    #expect(look(&quietPeriod, at: 3.4, ["/in/a": version(1)]) == [])
    #expect(look(&quietPeriod, at: 3.5, ["/in/a": version(1)]) == ["/in/a 1"])
  }

  @Test(
    "a version that is known is not given again; another size, time or inode is",
    arguments: [
      (FileVersion(device: 1, inode: 1, size: 1, modified: 1), false),
      (FileVersion(device: 9, inode: 1, size: 1, modified: 1), false),
      (FileVersion(device: 1, inode: 2, size: 1, modified: 1), true),
      (FileVersion(device: 1, inode: 1, size: 2, modified: 1), true),
      (FileVersion(device: 1, inode: 1, size: 1, modified: 2), true),
    ])
  func known(found: FileVersion, isGiven: Bool) {
    var quietPeriod = quietPeriod(marks: [mark("/in/a", version(1))])
    quietPeriod.see("/in/a", found, isTouched: true, at: moment(0))
    #expect(look(&quietPeriod, at: 2, ["/in/a": found]).isEmpty != isGiven)
  }

  @Test("a change that is taken back before it settled is none")
  func takenBack() {
    var quietPeriod = quietPeriod(marks: [mark("/in/a", version(1))])
    quietPeriod.see("/in/a", version(2), at: moment(0))
    quietPeriod.see("/in/a", version(1), isTouched: true, at: moment(1))
    #expect(look(&quietPeriod, at: 9, ["/in/a": version(1)]) == [])
  }

  @Test(
    "what the watch does not ask for is passed over, and known from then on",
    arguments: [
      (FileEvents.created, ["/in/new 1"], ["/in/old"]), (.changed, ["/in/old 2"], ["/in/new"]),
      (.all, ["/in/new 1", "/in/old 2"], []),
    ])
  func events(events: FileEvents, given: [String], passedOver: [String]) {
    var quietPeriod = quietPeriod(marks: [mark("/in/old", version(1))]) { $0.events = events }
    quietPeriod.see("/in/new", version(1), at: moment(0))
    quietPeriod.see("/in/old", version(2), at: moment(0))
    for path in quietPeriod.due(at: moment(2)) {
      quietPeriod.confirm(path, path == "/in/new" ? version(1) : version(2), at: moment(2))
    }
    let report = quietPeriod.takeReport()
    #expect(report.complete.map { "\($0.path) \($0.version.size)" } == given)
    #expect(report.passedOver.map(\.path) == passedOver)
    quietPeriod.see("/in/new", version(3), at: moment(3))
    #expect(look(&quietPeriod, at: 5, ["/in/new": version(3)]) == (events.contains(.changed) ? ["/in/new 3"] : []))
  }

  @Test("a file that goes while it settles is not mentioned; one that was known is, once")
  func gone() {
    var quietPeriod = quietPeriod(marks: [mark("/in/a", version(1))])
    quietPeriod.see("/in/b", version(1), at: moment(0))
    quietPeriod.miss("/in/b", at: moment(1))
    quietPeriod.miss("/in/a", at: moment(1))
    quietPeriod.miss("/in/a", at: moment(1))
    #expect(look(&quietPeriod, at: 2, [:]) == [])
    quietPeriod.miss("/in/c", at: moment(3))
    #expect(quietPeriod.takeReport().isEmpty)
    quietPeriod.see("/in/a", version(1), at: moment(4))
    quietPeriod.miss("/in/a", at: moment(4))
    quietPeriod.see("/in/a", version(1), at: moment(5))
    #expect(look(&quietPeriod, at: 7, ["/in/a": version(1)]) == ["/in/a 1"])
  }

  @Test("a file whose file system is away is kept for a month; one that has gone from its own is not")
  func unmounted() {
    var quietPeriod = quietPeriod(marks: [mark("/in/a", version(1, device: 7))])
    quietPeriod.miss("/in/a", directoryDevice: 1, at: moment(60))
    #expect(quietPeriod.takeReport().gone == [])
    quietPeriod.miss("/in/a", directoryDevice: 1, at: moment(31 * 86_400))
    #expect(quietPeriod.takeReport().gone == ["/in/a"])
    var mounted = self.quietPeriod(marks: [mark("/in/a", version(1, device: 7))])
    mounted.miss("/in/a", directoryDevice: 7, at: moment(60))
    #expect(mounted.takeReport().gone == ["/in/a"])
  }

  @Test("what a scan did not find is asked for one by one, as far as the watch still means it")
  func unseen() {
    var quietPeriod = quietPeriod(marks: [
      mark("/in/a", version(1)), mark("/in/b", version(1)), mark("/old/c", version(1)),
    ])
    quietPeriod.see("/in/d", version(1), at: moment(0))
    let paths = quietPeriod.unseen(in: ["/in/a": version(1)]) { $0.hasPrefix("/in/") }
    #expect(paths.sorted() == ["/in/b", "/in/d"])
  }

  @Test("what is there at the beginning is passed over when the watch wants only what comes later")
  func existing() {
    var quietPeriod = quietPeriod(marks: [mark("/in/a", version(1))])
    quietPeriod.passOver(["/in/a": version(2), "/in/b": version(1)], at: moment(0))
    let report = quietPeriod.takeReport()
    #expect(report.passedOver.map(\.path) == ["/in/b"])
    quietPeriod.see("/in/b", version(1), at: moment(1))
    quietPeriod.see("/in/a", version(2), at: moment(1))
    #expect(look(&quietPeriod, at: 3, ["/in/a": version(2), "/in/b": version(1)]) == ["/in/a 2"])
  }

  @Test("settle = 0 gives a file as soon as it looks the same twice")
  func zero() {
    var quietPeriod = quietPeriod { $0.settle = 0 }
    quietPeriod.see("/in/a", version(1), at: moment(0))
    #expect(quietPeriod.nextCheck == 0)
    #expect(look(&quietPeriod, at: 0, ["/in/a": version(2)]) == [])
    #expect(look(&quietPeriod, at: 0, ["/in/a": version(2)]) == ["/in/a 2"])
  }

  @Test("an edited watch keeps what is known, and begins anew with what was settling")
  func edited() {
    var old = quietPeriod()
    old.see("/in/a", version(1), at: moment(0))
    #expect(look(&old, at: 2, ["/in/a": version(1)]) == ["/in/a 1"])
    old.see("/in/b", version(1), at: moment(3))
    var watch = FileWatch(paths: ["/in/*"])
    watch.settle = second
    var new = FileQuietPeriod(watch, after: old)
    new.see("/in/a", version(1), at: moment(4))
    new.see("/in/b", version(1), at: moment(4))
    #expect(look(&new, at: 5, ["/in/a": version(1), "/in/b": version(1)]) == ["/in/b 1"])
  }

  @Test("of a hundred thousand files each is given once, in the order of their quiet")
  func many() {
    var quietPeriod = quietPeriod()
    var given = 0
    for number in 0..<100_000 {
      let now = moment(Double(number) / 1_000)
      quietPeriod.see("/in/\(number)", version(1), at: now)
      for path in quietPeriod.due(at: now) { quietPeriod.confirm(path, version(1), at: now) }
      if number % 1_000 == 999 { given += quietPeriod.takeReport().complete.count }
    }
    #expect(given == 98_000)
  }
}

import Chronology
import Testing
import TestSupport

@testable import FileWatching

@Suite("RescanPolicy")
struct WatchPolicyTests {
  @Test("without events it scans every 30 seconds, and every second while it polls")
  func idle() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.run(to: 65_000)
    #expect(bench.scans == [30_000, 60_000])
    bench.policy.setPolling(true)
    bench.run(to: 67_500)
    #expect(bench.scans == [30_000, 60_000, 65_000, 66_000, 67_000])
    #expect(bench.deliveries == [])
  }

  @Test("a change that no event told of is found by the next regular scan")
  func safetyNet() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.disk["a.lua"] = "2"
    bench.run(to: 31_000)
    #expect(bench.deliveries == [.init(30_000, ["a.lua"], ["a.lua": "2"])])
  }

  @Test("a complete save of an existing file is scanned after 40 ms of quiet; anything else after 100 ms")
  func quiet() {
    let cases: [([WatchEvent], Int)] = [
      ([.saved("a.lua")], 40), ([.created("a.lua"), .saved("a.lua")], 40), ([.saved("a.lua"), .touched("a.lua")], 40),
      ([.removed("a.lua"), .created("a.lua"), .saved("a.lua")], 40), ([.touched("a.lua")], 40),
      ([.saved("new.lua")], 100), ([.created("a.lua")], 100), ([.removed("a.lua")], 100), ([.treeChanged], 100),
      ([.overflow], 100), ([.saved("a.lua"), .saved("b.lua")], 100), ([.saved("a.lua"), .treeChanged], 100),
      ([.saved("a.lua"), .created("a.lua")], 100),
    ]
    for (events, delay) in cases {
      var bench = PolicyBench(["a.lua": "1", "b.lua": "1"])
      for event in events { bench.note(event) }
      bench.run(to: 1_000)
      #expect(bench.scans == [delay], "\(events)")
    }
  }

  @Test("an endless stream of saves puts a scan off by at most a second, again and again")
  func endless() {
    var bench = PolicyBench(["a.lua": "0"])
    for number in 1...500 {
      bench.run(to: number * 10)
      bench.disk["a.lua"] = "\(number)"
      bench.note(.saved("a.lua"))
    }
    bench.run(to: 6_000)
    #expect(bench.scans == [1_010, 2_010, 3_010, 4_010, 5_010])
    #expect(bench.deliveries.last?.contents == ["a.lua": "500"])
    #expect(bench.deliveries.count == 5)
  }

  @Test("equal content is not delivered, whatever happened to the file")
  func equal() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.note(.touched("a.lua"))
    bench.run(to: 1_000)
    bench.note(.saved("a.lua"))
    bench.run(to: 2_000)
    bench.note(.overflow)
    bench.run(to: 3_000)
    #expect(bench.scans.count == 3)
    #expect(bench.deliveries == [])
  }

  @Test("a missing file is removed after 500 ms, not before")
  func removal() {
    var bench = PolicyBench(["a.lua": "1", "b.lua": "1"])
    bench.disk["a.lua"] = nil
    bench.note(.removed("a.lua"))
    bench.run(to: 5_000)
    #expect(bench.deliveries == [.init(600, ["a.lua"], ["b.lua": "1"])])
  }

  @Test("a file that comes back in time was never missing")
  func gap() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.disk["a.lua"] = nil
    bench.note(.removed("a.lua"))
    bench.run(to: 400)
    bench.disk["a.lua"] = "2"
    bench.note(.saved("a.lua"))
    bench.run(to: 5_000)
    #expect(bench.deliveries == [.init(440, ["a.lua"], ["a.lua": "2"])])
    // Missing again, it has the whole time again.
    bench.disk["a.lua"] = nil
    bench.note(.removed("a.lua"))
    bench.run(to: 5_590)
    #expect(bench.deliveries.count == 1)
    bench.run(to: 5_600)
    #expect(bench.deliveries.last == .init(5_600, ["a.lua"], [:]))
  }

  @Test("other changes are delivered while a missing file is waited for")
  func holdIsPerFile() {
    var bench = PolicyBench(["a.lua": "1", "b.lua": "1"])
    bench.disk = ["b.lua": "2"]
    bench.note(.removed("a.lua"))
    bench.note(.saved("b.lua"))
    bench.run(to: 5_000)
    #expect(
      bench.deliveries == [
        .init(100, ["b.lua"], ["a.lua": "1", "b.lua": "2"]), .init(600, ["a.lua"], ["b.lua": "2"]),
      ])
  }

  @Test("a moved file is removed and added at once, so that no job is declared twice")
  func moved() {
    var bench = PolicyBench(["a.lua": "1", "sub/x.lua": "x", "sub/y.lua": "y"])
    bench.disk = ["b.lua": "1", "other/x.lua": "x", "other/y.lua": "y"]
    bench.note(.removed("a.lua"))
    bench.note(.saved("b.lua"))
    bench.note(.treeChanged)
    bench.run(to: 5_000)
    #expect(bench.deliveries.count == 1)
    #expect(bench.deliveries.first?.time == 100)
    #expect(bench.deliveries.first?.contents == bench.disk)
  }

  @Test("an empty file keeps its former content for 250 ms; a new one is left out so long")
  func empty() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.disk = ["a.lua": "", "new.lua": ""]
    bench.note(.saved("a.lua"))
    bench.note(.saved("new.lua"))
    bench.run(to: 5_000)
    #expect(bench.deliveries == [.init(350, ["a.lua", "new.lua"], ["a.lua": "", "new.lua": ""])])
  }

  @Test("a file that is empty only for a moment never was")
  func emptyForAMoment() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.disk["a.lua"] = ""
    bench.note(.saved("a.lua"))
    bench.run(to: 100)
    bench.disk["a.lua"] = "2"
    bench.note(.saved("a.lua"))
    bench.run(to: 5_000)
    #expect(bench.deliveries == [.init(140, ["a.lua"], ["a.lua": "2"])])
  }

  @Test("an unreadable file is delivered as such after 250 ms, and as itself when it can be read again")
  func unreadable() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.unreadable = ["a.lua"]
    bench.note(.touched("a.lua"))
    bench.run(to: 1_000)
    bench.unreadable = []
    bench.note(.touched("a.lua"))
    bench.run(to: 5_000)
    #expect(
      bench.deliveries == [.init(290, ["a.lua"], ["a.lua": "?"]), .init(1_040, ["a.lua"], ["a.lua": "1"])])
  }

  @Test("a file that was never at rest stays as it was, and is tried every 100 ms")
  func unstable() {
    var bench = PolicyBench(["a.lua": "1", "b.lua": "1"])
    bench.disk["b.lua"] = "2"
    bench.unstable = ["a.lua"]
    bench.disk["a.lua"] = nil
    bench.note(.saved("a.lua"))
    bench.run(to: 1_000)
    #expect(bench.deliveries == [.init(40, ["b.lua"], ["a.lua": "1", "b.lua": "2"])])
    #expect(bench.scans == [40, 140, 240, 340, 440, 540, 640, 740, 840, 940])
    bench.unstable = []
    bench.disk["a.lua"] = "3"
    bench.run(to: 2_000)
    #expect(bench.deliveries.last == .init(1_040, ["a.lua"], ["a.lua": "3", "b.lua": "2"]))
    #expect(bench.scans.count == 11)
  }

  @Test("a file that was gone, and is being written whenever it is looked at, is not removed meanwhile")
  func unsettledAfterGap() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.disk["a.lua"] = nil
    bench.note(.removed("a.lua"))
    bench.run(to: 200)
    bench.disk["a.lua"] = "2"
    bench.unstable = ["a.lua"]
    bench.note(.created("a.lua"))
    bench.run(to: 2_000)
    #expect(bench.deliveries == [])
    bench.unstable = []
    bench.run(to: 3_000)
    #expect(bench.deliveries == [.init(2_100, ["a.lua"], ["a.lua": "2"])])
  }

  @Test("a request scans everything at once, skips the holds, and is answered even when nothing changed")
  func request() {
    var bench = PolicyBench(["a.lua": "1", "b.lua": "1"])
    bench.disk = ["a.lua": ""]
    bench.policy.request()
    bench.run(to: 0)
    #expect(bench.fullScans == 1)
    #expect(bench.deliveries == [.init(0, ["a.lua", "b.lua"], ["a.lua": ""], isRequested: true)])
    bench.policy.request()
    bench.run(to: 10)
    #expect(bench.deliveries.last == .init(0, [], ["a.lua": ""], isRequested: true))
    bench.run(to: 5_000)
    #expect(bench.deliveries.count == 2)
    #expect(bench.scans == [0, 0])
  }

  @Test("a request that comes during a scan is answered by the next one")
  func requestDuringScan() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.note(.saved("a.lua"))
    let start = MonotonicInstant(nanoseconds: 0)
    #expect(bench.policy.step(at: start + .milliseconds(40)) == .scan(isFull: false))
    bench.policy.request()
    #expect(bench.policy.scanned(bench.look(), at: start + .milliseconds(41)) == nil)
    #expect(bench.policy.step(at: start + .milliseconds(41)) == .scan(isFull: true))
    #expect(bench.policy.scanned(bench.look(), at: start + .milliseconds(42))?.isRequested == true)
  }

  @Test("a retried file is delivered once more after 250 ms, then it is what the author wrote")
  func retry() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.save("a.lua", "half")
    bench.run(to: 40)
    #expect(bench.retryLater("a.lua") == true)
    #expect(bench.retryLater("a.lua") == true)
    bench.run(to: 1_000)
    #expect(
      bench.deliveries == [.init(40, ["a.lua"], ["a.lua": "half"]), .init(290, ["a.lua"], ["a.lua": "half"])])
    #expect(bench.retryLater("a.lua") == false)
    bench.run(to: 5_000)
    #expect(bench.deliveries.count == 2)
    // The next broken version may be half of a save again.
    bench.save("a.lua", "half again")
    bench.run(to: 5_100)
    #expect(bench.retryLater("a.lua") == true)
  }

  @Test("a retry is dropped when a newer version comes first")
  func retryOvertaken() {
    var bench = PolicyBench(["a.lua": "1"])
    bench.save("a.lua", "half")
    bench.run(to: 40)
    let half = bench.policy.delivered["a.lua"]!
    #expect(bench.retryLater("a.lua") == true)
    bench.save("a.lua", "whole")
    bench.run(to: 5_000)
    #expect(bench.deliveries.map(\.time) == [40, 80])
    // Late: the version is gone, nothing is to be reported about it.
    #expect(bench.policy.retryLater(half, at: MonotonicInstant(nanoseconds: 0)) == true)
    bench.run(to: 10_000)
    #expect(bench.deliveries.count == 2)
  }

  @Test("random histories end in what is on the disk, and nothing false is delivered meanwhile", arguments: 1...200)
  func histories(seed: Int) {
    var random = SeededGenerator(UInt64(seed))
    let names = ["a.lua", "b.lua", "sub/c.lua", "lib/m.lua"]
    var bench = PolicyBench(["a.lua": "0", "lib/m.lua": "0"])
    var time = 0
    var written: Set<String> = ["0"]
    for number in 1...60 {
      time += Int(random.next() % 5 == 0 ? random.next() % 1_500 : random.next() % 60)
      bench.run(to: time)
      let name = names[Int(random.next() % 4)]
      switch random.next() % 6 {
      case 0:
        bench.disk[name] = nil
        bench.note(.removed(ScriptPath(name)))
      case 1:
        bench.disk[name] = ""
        bench.note(.created(ScriptPath(name)))
      case 2: bench.unstable = bench.unstable.isEmpty && bench.disk[name] != nil ? [name] : []
      case 3: bench.note(.treeChanged)
      default:
        bench.save(ScriptPath(name), "\(number)")
        written.insert("\(number)")
      }
    }
    bench.unstable = []
    bench.note(.treeChanged)
    bench.run(to: time + 3_000)
    #expect(bench.policy.delivered.contents == bench.disk)
    for (earlier, later) in zip(bench.deliveries, bench.deliveries.dropFirst()) {
      #expect(earlier.contents != later.contents, "seed \(seed)")
    }
    for delivery in bench.deliveries {
      #expect(!delivery.changes.isEmpty)
      #expect(delivery.contents.values.allSatisfy { $0.isEmpty || written.contains($0) }, "seed \(seed)")
    }
    #expect(zip(bench.scans, bench.scans.dropFirst()).allSatisfy { $1 - $0 <= 30_000 })
  }
}

/// A policy, a disk that is a dictionary, and a clock that moves when told to. Times are milliseconds.
struct PolicyBench {
  var policy: RescanPolicy
  var disk: [String: String]
  var unreadable: Set<String> = []
  /// Files that a scan finds changing.
  var unstable: Set<String> = []
  private(set) var deliveries: [Delivery] = []
  private(set) var scans: [Int] = []
  private(set) var fullScans = 0
  private var now = MonotonicInstant(nanoseconds: 0)

  struct Delivery: Equatable, CustomStringConvertible {
    var time: Int
    var changes: Set<String>
    var contents: [String: String]
    var isRequested: Bool

    init(_ time: Int, _ changes: Set<String>, _ contents: [String: String], isRequested: Bool = false) {
      (self.time, self.changes, self.contents, self.isRequested) = (time, changes, contents, isRequested)
    }
    var description: String {
      "\(time) ms: \(changes.sorted()) of \(contents.sorted { $0.key < $1.key })\(isRequested ? ", requested" : "")"
    }
  }

  init(_ disk: [String: String]) {
    self.disk = disk
    let first = DirectoryScan(snapshot: PolicyBench.snapshot(disk, [], [], .empty), unstable: [], directories: [])
    policy = RescanPolicy(.standard, first: first, at: now)
  }

  mutating func note(_ event: WatchEvent) { policy.note(event, at: now) }

  /// Writes a file, and notes the event of a complete save.
  mutating func save(_ path: ScriptPath, _ text: String) {
    disk[path.text] = text
    note(.saved(path))
  }

  /// What the loader does about the delivered version of a file.
  mutating func retryLater(_ path: ScriptPath) -> Bool { policy.retryLater(policy.delivered[path]!, at: now) }

  /// Does what the policy wants until `time`, inclusive.
  mutating func run(to time: Int) {
    let end = MonotonicInstant(nanoseconds: Int64(time) * 1_000_000)
    while true {
      switch policy.step(at: now) {
      case .wait(let until):
        guard until <= end else {
          now = max(now, end)
          return
        }
        now = until
      case .scan(let isFull):
        let time = Int(now.nanoseconds / 1_000_000)
        scans.append(time)
        if isFull { fullScans += 1 }
        guard let change = policy.scanned(look(), at: now) else { continue }
        var contents = change.snapshot.contents
        for (path, text) in contents where text.hasPrefix("<") { contents[path] = "?" }
        deliveries.append(
          Delivery(time, Set(change.changes.map(\.text)), contents, isRequested: change.isRequested))
      }
    }
  }

  func look() -> DirectoryScan {
    DirectoryScan(
      snapshot: PolicyBench.snapshot(disk, unreadable, unstable, policy.latest),
      unstable: Set(unstable.map { ScriptPath($0) }), directories: [])
  }

  /// As ``ScriptDirectory`` does: what is unstable is as before, or not there.
  private static func snapshot(
    _ disk: [String: String], _ unreadable: Set<String>, _ unstable: Set<String>, _ former: DirectorySnapshot
  ) -> DirectorySnapshot {
    let read = disk.filter { !unstable.contains($0.key) }.map { name, text -> ScriptFile in
      let path = ScriptPath(name)
      let content: Result<FileContent, ScanProblem> =
        unreadable.contains(name)
        ? .failure(ScanProblem(.unreadable(errno: 13), path)) : .success(FileContent(Array(text.utf8)))
      return ScriptFile(path, FileNaming.kind(of: path) ?? .script, content)
    }
    return DirectorySnapshot(read + unstable.compactMap { former[ScriptPath($0)] })
  }
}

extension ScriptPath: ExpressibleByStringLiteral {
  public init(stringLiteral text: String) { self.init(text) }
}

import FoundationEssentials
import Glibc
import MoondialTesting

/// Tells many stories of the simulator: the same as SimulationTests, some ten times as fast in a release build.
/// `Stories COUNT` tells COUNT fresh ones of one host, a tenth of them on SQLite too, and COUNT of several hosts that
/// share a store; `Stories one|sqlite|cluster FIRST COUNT` those of one kind, from the seed FIRST on. It prints how to
/// replay what was violated, and ends with 1 if anything was.
enum Kind: String {
  case one, sqlite, cluster

  /// The suite that replays a seed.
  var suite: String { self == .cluster ? "ClusterStories" : "SimulationTests" }

  /// The violations of one story.
  func tell(_ seed: UInt64) throws -> [String] {
    switch self {
    case .one:
      var story = try Simulation(seed: seed, disk: ModelDisk())
      return try story.run().violations
    case .sqlite:
      var story = try Simulation(seed: seed, disk: SQLiteDisk())
      return try story.run().violations
    case .cluster:
      var story = ClusterSimulation(seed: seed)
      return try story.run().violations
    }
  }

  /// Whether all of them hold.
  func tell(from first: UInt64, count: UInt64) -> Bool {
    print("\(rawValue): seeds \(first)..<\(first + count)")
    let began = Date()
    var violated = 0
    for seed in first..<first + count {
      let violations: [String]
      do { violations = try tell(seed) } catch { violations = ["\(error)"] }
      if !violations.isEmpty {
        violated += 1
        print("replay: MOONDIAL_SEED=\(seed) swift test --filter \(suite)")
        for violation in violations { print("  \(violation)") }
      }
      let told = seed - first + 1
      if told % 1000 == 0 || told == count {
        print("\(rawValue): \(told) told, \(violated) violated, \(Int(Date().timeIntervalSince(began))) s")
        fflush(nil)
      }
    }
    return violated == 0
  }
}

let words = CommandLine.arguments.dropFirst()
let numbers = words.compactMap { UInt64($0) }.filter { $0 <= UInt64.max / 2 }
let kind = words.first.flatMap(Kind.init)
if words.count == 1, numbers.count == 1 {
  let first = UInt64.random(in: 1_000_000...999_999_999)
  let count = numbers[0]
  let hold = [(Kind.one, count), (.sqlite, max(1, count / 10)), (.cluster, count)].map {
    $0.tell(from: first, count: $1)
  }
  exit(hold.contains(false) ? 1 : 0)
} else if words.count == 3, numbers.count == 2, let kind {
  exit(kind.tell(from: numbers[0], count: numbers[1]) ? 0 : 1)
} else {
  print("usage: Stories COUNT | Stories one|sqlite|cluster FIRST COUNT")
  exit(2)
}

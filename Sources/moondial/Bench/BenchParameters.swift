/// What `moondial bench` can measure. Names and parameters are those of the protocol that harnesses of other schedulers
/// speak too, so that one driver measures them all in turn (docs/performance.md).
enum BenchMeasure: String, CaseIterable {
  case fires, drain, durable, sustain, register, reload, next, cold, sleep, history, processes

  /// The parameters that it takes, with the defaults of those that have one.
  fileprivate var defaults: [String: String?] {
    // region_mb: address space for Lua states, where less of it can be had than the default (under valgrind).
    let lua: [String: String?] = ["state": "job", "workers": String?.none, "region_mb": String?.none]
    let own: [String: String?] =
      switch self {
      case .fires:
        [
          "n": "1000", "interval_ms": "1000", "lead_ms": "1500", "warm_ms": "2000", "dur_ms": "5000",
          "out": String?.none, "warm": "0",
          "store": "memory",
        ]
      case .drain: ["n": "100000", "warm": "0", "lead_ms": "0"]
      case .durable:
        ["n": "10000", "sync": String?.none, "wal": "0", "fsync": "1", "lead_ms": "0", "store": String?.none]
      case .sustain: ["n": "1000", "rate": "20000", "seconds": "60", "warm_s": "8", "keep": "100", "sync": "full"]
      case .register: ["n": "10000"]
      case .reload: ["n": "10000", "scripts": "100", "edits": "20", "native": "0"]
      case .next: [:]
      case .cold: ["store": "memory"]
      case .sleep: ["n": "1000", "sleep_ms": "5000"]
      case .history: ["jobs": "10000", "runs": "1000000", "state_dir": String?.none]
      case .processes: ["n": "5000", "workers": "2"]
      }
    return [.next, .reload, .history, .processes].contains(self) ? own : own.merging(lua) { own, _ in own }
  }
}

/// The `key=value` words of one measurement, checked: an unknown key would silently measure something else than was
/// meant.
struct BenchParameters {
  private let measure: BenchMeasure
  private let values: [String: String]

  init(_ words: [String], of measure: BenchMeasure) throws {
    let known = measure.defaults
    var values = known.compactMapValues { $0 }
    for word in words {
      guard let equals = word.firstIndex(of: "="), equals != word.startIndex else {
        throw CommandFailure(.usage, "\(word): give parameters as key=value, such as n=1000")
      }
      let key = String(word[..<equals])
      guard known.keys.contains(key) else {
        let names = known.keys.sorted().joined(separator: ", ")
        throw CommandFailure(
          .usage, "bench \(measure.rawValue) has no parameter \(key): it takes \(names.isEmpty ? "none" : names)")
      }
      values[key] = String(word[word.index(after: equals)...])
    }
    self.measure = measure
    self.values = values
  }

  /// A whole number of at least `minimum`.
  func integer(_ key: String, atLeast minimum: Int = 1) throws -> Int {
    guard let value = try optionalInteger(key, atLeast: minimum) else {
      throw CommandFailure(.usage, "bench \(measure.rawValue): give \(key)=, a whole number")
    }
    return value
  }

  func optionalInteger(_ key: String, atLeast minimum: Int = 1) throws -> Int? {
    guard let text = values[key] else { return nil }
    guard let value = Int(text), value >= minimum else {
      throw CommandFailure(
        .usage, "bench \(measure.rawValue): \(key)=\(text): give a whole number, at least \(minimum)")
    }
    return value
  }

  func flag(_ key: String) throws -> Bool { try choice(key, among: ["0", "1"]) == "1" }

  /// One of several words.
  func choice(_ key: String, among words: [String]) throws -> String? {
    guard let text = values[key] else { return nil }
    guard words.contains(text) else {
      throw CommandFailure(.usage, "bench \(measure.rawValue): \(key)=\(text): use \(words.joined(separator: " or "))")
    }
    return text
  }

  func text(_ key: String) -> String? { values[key] }

  /// `state = "job"` or `"run"`, as jobs declare it.
  func state() throws -> String { try choice("state", among: ["job", "run"]) ?? "job" }
}

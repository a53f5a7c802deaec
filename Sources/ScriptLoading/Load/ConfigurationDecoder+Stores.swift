internal import JobModel
internal import Lua
internal import ScriptRuntime

/// What is kept, where, and how much of it: `stores`, `retention`, `kept_states`,
/// `answers_memory`.
extension ConfigurationDecoder {
  // MARK: Stores

  /// `stores = { default = "sqlite:jobs.db", scratch = { url = "sqlite:scratch.db", synchronous = "normal" } }`.
  mutating func decodeStores(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    for (name, value) in fields(["stores"], value, like: "{ default = \"sqlite:moondial.db\" }") {
      let path = ["stores", name]
      guard case .table = value else {
        configuration.stores[name] = store(path, value) ?? configuration.stores[name]
        continue
      }
      // A flat setting of one field leaves the address where the file, or nobody, wrote it.
      var store = writtenStore(name) ?? configuration.stores[name]
      var hasAddress = store != nil
      var synchronous: CommitDurability?
      var lease: Int64?
      for (key, value) in fields(path, value, like: "{ url = \"sqlite:moondial.db\", synchronous = \"normal\" }") {
        let path = path + [key]
        switch key {
        case "url":
          store = self.store(path, value) ?? store
          hasAddress = true
        case "synchronous": synchronous = read(path) { $0.choice($1, value, CommitDurability.self) }
        case "lease": lease = read(path) { $0.duration($1, value, in: Self.leases) }
        default: break
        }
      }
      if lease != nil, let store, let driver = kinds.driver(of: store.address), !driver.hasLease {
        problem(path + ["lease"], "stores.\(name).lease is for stores that several hosts may name: remove it")
      }
      if synchronous != nil, let store, let driver = kinds.driver(of: store.address), !driver.hasDurability {
        let able = kinds.drivers.filter(\.hasDurability).map(\.kind).joined(separator: " and ")
        problem(
          path + ["synchronous"],
          "stores.\(name).synchronous is for \(able) stores; this one is \(driver.kind): remove it")
      }
      if !hasAddress { problem(path, "stores.\(name) has no address: add url = \"sqlite:FILE\"") }
      if let synchronous { store?.synchronous = synchronous }
      if let lease { store?.lease = lease }
      configuration.stores[name] = store
    }
  }

  /// Renewals must have time to come, and a host that is gone must be noticed some day. Nanoseconds.
  private static let leases: ClosedRange<Int64> = 2_000_000_000...600_000_000_000

  /// The address of a store.
  private mutating func store(_ path: [String], _ value: LuaValue) -> StoreConfiguration? {
    guard let text = read(path, { $0.string($1, value, "a text like \"sqlite:moondial.db\"") }) else { return nil }
    let address = StoreAddress(text)
    if let driver = kinds.driver(of: address), driver.accepts(address) {
      var store = StoreConfiguration(address)
      store.hasMembers = driver is any SharedStoreDriver
      return store
    }
    let examples = kinds.drivers.map { "\"\($0.example)\"" }
    let last = examples.last ?? ""
    // The text may hold a password.
    problem(
      path,
      "\(path.joined(separator: ".")) must be \(examples.dropLast().joined(separator: ", ")) or \(last); "
        + "what it begins with is none of them")
    return nil
  }

  /// What the file has for a store over whose text settings laid a table.
  private func writtenStore(_ name: String) -> StoreConfiguration? {
    guard case .table(let stores)? = written.field("stores"), case .string(let text)? = stores.field(name) else {
      return nil
    }
    let address = StoreAddress(text.text)
    return kinds.driver(of: address)?.accepts(address) == true ? StoreConfiguration(address) : nil
  }

  // MARK: Retention

  /// `retention = { runs = 1000, age = "90d", decisions = 1000, jobs = { billing = { runs = false } } }`; `false` keeps
  /// all.
  mutating func decodeRetention(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    var retention = Retention()
    var jobs: LuaValue?
    for (key, value) in fields(["retention"], value, like: "{ runs = 1000, age = \"90d\" }") {
      let path = ["retention", key]
      switch key {
      case "decisions":
        retention.ranges = read(path) { $0.integer($1, value, in: 1...1_000_000_000) } ?? retention.ranges
      case "jobs": jobs = value
      default: decodeLimit(path, value, &retention.standard)
      }
    }
    // Last: what a job does not say is as for all.
    guard let jobs else {
      configuration.retention = retention
      return
    }
    for (name, value) in fields(["retention", "jobs"], jobs, like: "{ billing = { runs = false } }") {
      var limit = retention.standard
      for (key, value) in fields(["retention", "jobs", name], value, like: "{ runs = 10000, age = \"2y\" }") {
        decodeLimit(["retention", "jobs", name, key], value, &limit)
      }
      retention.jobs[name] = limit
    }
    configuration.retention = retention
  }

  /// One field of a limit; `false` means without end.
  private mutating func decodeLimit(_ path: [String], _ value: LuaValue, _ limit: inout Retention.Limit) {
    switch path.last {
    case "runs":
      if case .bool(false) = value {
        limit.runs = nil
      } else if case .bool = value {
        problem(path, "\(path.joined(separator: ".")) must be a whole number, or false to keep all, not \(value.shown)")
      } else if let runs = read(path, { $0.integer($1, value, in: 0...1_000_000_000) }) {
        limit.runs = runs
      }
    case "age":
      if let age = read(path, { $0.optionalDuration($1, value, atLeast: 1_000_000_000) }) { limit.age = age }
    default: break
    }
  }

  // MARK: Lua states

  mutating func decodeKeptStates(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    let bytes = read(["kept_states"]) { $0.size($1, value, in: 0...(1 << 50)) }
    configuration.keptStateBytes = bytes ?? configuration.keptStateBytes
  }

  /// One answer of the largest size must fit.
  mutating func decodeAnswersMemory(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    let bytes = read(["answers_memory"]) { $0.size($1, value, in: AnswerBudget.largestAnswer...(1 << 50)) }
    configuration.answerBytes = bytes ?? configuration.answerBytes
  }
}

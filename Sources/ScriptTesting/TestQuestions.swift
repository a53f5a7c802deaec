internal import Chronology
internal import JobModel
internal import Lua
internal import MemoryStore
internal import ScriptRuntime
internal import SchedulerService
internal import Synchronization

/// What a test asks without time passing: `__ask(what, …)` answers a value, or nil and a sentence.
struct TestQuestions {
  private let host: TestHost

  init(_ host: TestHost) { self.host = host }

  func answer(_ call: inout LuaCall) -> LuaReturn {
    do throws(Wish.Refusal) {
      call.push(try value(call))
      return .results(1)
    } catch {
      call.pushNil()
      call.push(error.text)
      return .results(2)
    }
  }

  private func value(_ call: borrowing LuaCall) throws(Wish.Refusal) -> LuaValue {
    switch call.string(1) ?? "" {
    case "dir": return .string(LuaString(host.setting.directory))
    case "duration": return .integer(try TestModules.duration(call, 2, "t:fake: takes"))
    case "fake": return try fake(call)
    case "next": return try next(call)
    case "runs":
      let job = try job(call, "t:runs", orNone: true)
      return .table(LuaTable(array: host.runs.filter { job == nil || $0.job == job }.map(host.table(of:))))
    case "logs":
      let job = try job(call, "t:logs", orNone: true)
      return .table(
        LuaTable(array: host.log.all.filter { $0.job != nil && (job == nil || $0.job == job) }.map(host.table(of:))))
    case "kv_get": return try stored(call)
    default: return try store(call)
    }
  }

  private func fake(_ call: borrowing LuaCall) throws(Wish.Refusal) -> LuaValue {
    let name = try TestModules.text(call, 2, "t:fake", "the name of a host function")
    guard host.doubles.set(name, call.bool(3) ?? true) else {
      let hint = closestName(to: name, in: TestDoubles.names).map { "; did you mean \"\($0)\"?" } ?? ""
      throw Wish.Refusal(
        text: "t:fake: \"\(name)\" is none of the functions that reach the world\(hint)"
          + (hint.isEmpty ? ": \(TestDoubles.names.joined(separator: ", "))" : ""))
    }
    return .bool(true)
  }

  private func next(_ call: borrowing LuaCall) throws(Wish.Refusal) -> LuaValue {
    guard let job = try job(call, "t:next", orNone: false) else { return .nil }
    guard let count = call.integer(3), count >= 1, count <= 10_000 else {
      throw Wish.Refusal(text: "t:next: expected how many fire times, from 1 to 10000")
    }
    let host = host
    // Asked on the host's own thread only while it waits for the test, which is here.
    let fires = (try? host.engine.nextFires(of: job, count: Int(count))) ?? []
    return .table(LuaTable(array: fires.map { .string(LuaString(host.text($0, of: job))) }))
  }

  private func job(_ call: borrowing LuaCall, _ function: String, orNone: Bool) throws(Wish.Refusal) -> String? {
    if orNone, call.isNil(2) { return nil }
    let name = try TestModules.text(call, 2, function, "a job's name")
    if let refusal = Wish.unknown(name, host, function) { throw refusal }
    return name
  }

  // MARK: Values of scripts

  /// The store is in memory: it answers inside the call.
  private func stored(_ call: borrowing LuaCall) throws(Wish.Refusal) -> LuaValue {
    let space = try space(call, "t:kv_get")
    let key = try TestModules.text(call, 3, "t:kv_get", "a key")
    let found = Mutex<LuaValue>(.nil)
    host.store.keyValues.value(of: key, in: space, at: host.clock.now) { result in
      if case .success(let value?) = result {
        found.withLock { $0 = LuaValue(json: value.value) ?? .nil }
      }
    }
    return found.withLock { $0 }
  }

  private func store(_ call: borrowing LuaCall) throws(Wish.Refusal) -> LuaValue {
    let space = try space(call, "t:kv_set")
    let quotas = host.setting.quotas
    let key = try TestModules.text(call, 3, "t:kv_set", "a key", most: Quotas.kvKeyBytes)
    let value = try TestModules.json(call, 4, "t:kv_set", quotas.kvValueBytes, "kv_value_bytes")
    var change = KeyValueChange(space: space, key: key, value: value)
    change.quota = quotas.kvBytesPerScript
    let problem = Mutex<StoreError?>(nil)
    host.store.keyValues.change(change, at: host.clock.now) { result in
      if case .failure(let error) = result { problem.withLock { $0 = error } }
    }
    if let problem = problem.withLock({ $0 }) { throw Wish.Refusal(text: "t:kv_set: \(problem.message)") }
    return .bool(true)
  }

  private func space(_ call: borrowing LuaCall, _ function: String) throws(Wish.Refusal) -> String {
    guard let job = try job(call, function, orNone: false), let definition = host.definition(of: job) else {
      throw Wish.Refusal(text: "\(function): expected a job's name")
    }
    return definition.source.file
  }
}

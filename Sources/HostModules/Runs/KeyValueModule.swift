internal import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `kv`: durable values of the script, one space per script path. Every function waits for the store; a change is on
/// disk as the store promises when `kv.set` returns.
enum KeyValueModule {
  /// Bytes that a value, and a list of keys, may have before room is asked for that fits.
  private static let firstValue = 4 << 10
  private static let firstKeys = 16 << 10

  /// That which the prelude makes.
  static let functions = ["update"]

  static func module() -> LuaModule {
    LuaModule("kv", functions: [get, set, delete, keys, versioned, replace], prelude: prelude)
  }

  // The loop of compare-and-swap is Lua because `change` is. Fifty losses in a row mean more writers than progress.
  private static let prelude = """
    local module = ...
    local versioned, replace = module.__versioned, module.__replace
    module.__versioned, module.__replace = nil, nil
    module.update = function(key, change, options)
      if type(change) ~= "function" then
        error("kv.update: expected a function as argument 2, got " .. type(change), 2)
      end
      for _ = 1, 50 do
        local value, version = versioned(key)
        local new = change(value)
        if replace(key, new, version, options) then return new end
      end
      error("kv.update: \\"" .. key .. "\\" was changed by others 50 times in a row: update it from fewer runs at once", 2)
    end
    """

  private static let get = LuaFunction.host("get", as: "kv.get") { call, arguments throws(Misuse) in
    let access = try Access(call, arguments)
    let key = try key(call, arguments)
    return call.suspend(
      access.value(of: key, try arguments.run(call)) { call, found in
        if let found { call.push(json: found.value.text) } else { call.pushNil() }
        return .results(1)
      })
  }

  private static let versioned = LuaFunction.host("__versioned", as: "kv.update") { call, arguments throws(Misuse) in
    let access = try Access(call, arguments)
    let key = try key(call, arguments)
    return call.suspend(
      access.value(of: key, try arguments.run(call)) { call, found in
        if let found { call.push(json: found.value.text) } else { call.pushNil() }
        call.push(found?.version ?? 0)
        return .results(2)
      })
  }

  private static let set = LuaFunction.host("set", as: "kv.set") { call, arguments throws(Misuse) in
    let access = try Access(call, arguments)
    let change = try access.change(call, key: try key(call, arguments), value: 2, options: 3)
    let room = try arguments.hold(change.value?.text.utf8.count ?? 0, for: call)
    return call.suspend(
      CallRequest { request in
        access.store.change(change, at: access.now) { result in
          room.release()
          switch result {
          case .success: request.complete([])
          case .failure(let error): request.complete(raising: access.failure(error))
          }
        }
      })
  }

  private static let replace = LuaFunction.host("__replace", as: "kv.update") { call, arguments throws(Misuse) in
    let access = try Access(call, arguments)
    var change = try access.change(call, key: try key(call, arguments), value: 2, options: 4)
    change.expecting = call.integer(3) ?? 0
    let final = change
    let room = try arguments.hold(change.value?.text.utf8.count ?? 0, for: call)
    return call.suspend(
      CallRequest { request in
        access.store.change(final, at: access.now) { result in
          room.release()
          switch result {
          case .success(let done): request.complete([.bool(done)])
          case .failure(let error): request.complete(raising: access.failure(error))
          }
        }
      })
  }

  private static let delete = LuaFunction.host("delete", as: "kv.delete") { call, arguments throws(Misuse) in
    let access = try Access(call, arguments)
    let change = KeyValueChange(space: access.space, key: try key(call, arguments), value: nil)
    return call.suspend(
      CallRequest { request in
        access.store.change(change, at: access.now) { result in
          switch result {
          case .success: request.complete([])
          case .failure(let error): request.complete(raising: access.failure(error))
          }
        }
      })
  }

  /// `kv.keys(prefix, { limit = 1000 })`, in byte order.
  private static let keys = LuaFunction.host("keys", as: "kv.keys") { call, arguments throws(Misuse) in
    let access = try Access(call, arguments)
    let prefix = call.isNil(1) ? "" : try text(call, arguments, "a prefix")
    let limit = try arguments.options(call, 2, ["limit"]).integer("limit") ?? 1_000
    guard (1...100_000).contains(limit) else { throw arguments.misuse("limit must be from 1 to 100000, not \(limit)") }
    return call.suspend(
      AnswerRequest(try arguments.run(call).answers.room(), first: firstKeys) { request, bytes in
        access.store.keys(prefix: prefix, in: access.space, limit: limit, upTo: bytes, at: access.now) { result in
          switch result {
          // How large all are, nobody knows; so each time with room for twice as much.
          case .success(.larger(let size)): request.needs(max(size, 2 * bytes))
          case .success(.value(let keys)):
            request.complete { call in
              call.push(.table(LuaTable(array: keys.map { .string(LuaString($0)) })))
              return .results(1)
            }
          case .failure(let error): request.complete(raising: access.failure(error))
          }
        }
      })
  }

  /// Keys are text. Bytes that are not would have to be replaced, and then two keys could be one.
  private static func text(
    _ call: borrowing LuaCall, _ arguments: Arguments, _ what: String, _ index: Int = 1,
    in size: ClosedRange<Int> = 0...Arguments.nameBytes
  ) throws(Misuse) -> String {
    let bytes = try arguments.bytes(call, index, what, in: size)
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    throw arguments.misuse("\(what) is UTF-8 text, and this is not: write its bytes as text, such as hash.hex(key)")
  }

  static func key(
    _ call: borrowing LuaCall, _ arguments: Arguments, _ index: Int = 1
  ) throws(Misuse) -> String {
    try text(call, arguments, "a key", index, in: 1...Quotas.kvKeyBytes)
  }

  /// The store of the run's job, and the script's space in it.
  struct Access: Sendable {
    let store: any KeyValueStore
    let space: String
    let now: Instant
    let function: String
    let quotas: Quotas

    init(_ call: borrowing LuaCall, _ arguments: Arguments) throws(Misuse) {
      let run = try arguments.run(call)
      guard let store = run.services.keyValues(run.definition) else {
        throw arguments.misuse("this host has no store for values: give it one (stores.default in moondial.lua)")
      }
      self.store = store
      space = run.script.text
      now = run.services.wall.now
      function = arguments.function
      quotas = run.services.quotas()
    }

    /// A request for a value, which `push` pushes when the script takes it.
    func value(
      of key: String, _ run: RunContext, push: @escaping @Sendable (inout LuaCall, KeyValue?) -> LuaReturn
    ) -> AnswerRequest {
      AnswerRequest(run.answers.room(), first: KeyValueModule.firstValue) { request, bytes in
        store.value(of: key, in: space, upTo: bytes, at: now) { result in
          switch result {
          case .success(.larger(let size)): request.needs(size)
          case .success(.value(let found)): request.complete { push(&$0, found) }
          case .failure(let error): request.complete(raising: failure(error))
          }
        }
      }
    }

    func failure(_ error: StoreError) -> String { "\(function): \(error.message)" }

    /// A value of nil deletes.
    func change(
      _ call: borrowing LuaCall, key: String, value index: Int, options: Int
    ) throws(Misuse) -> KeyValueChange {
      let arguments = Arguments(function: function)
      guard call.type(index) != .none else {
        throw arguments.misuse("expected a value as argument \(index); nil deletes")
      }
      let value = try arguments.json(
        call, index, "the value", limit: quotas.kvValueBytes, setting: "kv_value_bytes")
      return try change(key: key, value: value, call, options: options)
    }

    func change(
      key: String, value: JSONText?, _ call: borrowing LuaCall, options: Int
    ) throws(Misuse) -> KeyValueChange {
      let arguments = Arguments(function: function)
      let lifetime = try arguments.options(call, options, ["ttl"]).duration("ttl")
      if lifetime == 0 { throw arguments.misuse("ttl must be longer than 0; kv.delete(key) deletes") }
      var change = KeyValueChange(
        space: space, key: key, value: value, expiresAt: lifetime.map { now.advanced(byNanoseconds: $0) })
      change.quota = quotas.kvBytesPerScript
      return change
    }
  }
}

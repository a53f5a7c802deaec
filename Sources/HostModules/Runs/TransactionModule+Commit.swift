internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// From what a transaction asked for to its commit, and the updates of an outbox.
extension TransactionModule {
  // MARK: Evaluating and committing a transaction

  static func evaluated(_ call: borrowing LuaCall, _ arguments: Arguments) throws(Misuse) -> TransactionDraft {
    guard let draft = try arguments.run(call).journal.draft else {
      throw arguments.misuse("works in the function of ctx:transaction")
    }
    return draft
  }

  static let rewind = LuaFunction.host("__tx_rewind", as: "ctx:transaction") { call, arguments throws(Misuse) in
    try evaluated(call, arguments).rewind()
    return .none
  }

  /// The number of the next update and the present value; nothing when all is evaluated.
  static let advance = LuaFunction.host("__tx_advance", as: "tx.kv.update") { call, arguments throws(Misuse) in
    let draft = try evaluated(call, arguments)
    guard let update = draft.nextUpdate() else { return .none }
    let number = update.number
    if let known = draft.value(of: update.change.key) {
      push(number, known, &call)
      return .results(2)
    }
    let access = try access(call, arguments)
    let key = update.change.key
    return call.suspend(
      access.value(of: key, try arguments.run(call)) { call, found in
        draft.found(found, of: key)
        push(number, found?.value, &call)
        return .results(2)
      })
  }

  static func push(_ number: Int, _ value: JSONText?, _ call: inout LuaCall) {
    call.push(number)
    if let value { call.push(json: value.text) } else { call.pushNil() }
  }

  /// `(value)`: the new value of the present update.
  static let put = LuaFunction.host("__tx_put", as: "tx.kv.update") { call, arguments throws(Misuse) in
    let quotas = try arguments.run(call).services.quotas()
    let draft = try evaluated(call, arguments)
    let value = try arguments.json(
      call, 1, "the value", limit: quotas.kvValueBytes, setting: "kv_value_bytes")
    guard draft.valueBytes + (value?.text.utf8.count ?? 0) <= Quotas.transactionBytes else {
      throw arguments.misuse("a transaction has at most \(Quotas.transactionBytes >> 20) MB of keys, values and data")
    }
    draft.put(value)
    return .none
  }

  /// `(result)`: true and the result as it is stored; false, when others have changed a value; nil and why not.
  static let land = LuaFunction.host("__tx_land", as: "ctx:transaction") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let draft = try evaluated(call, arguments)
    let result = try StepModule.result(call, 1, "the result of the transaction", arguments)
    let journal = run.journal
    var step = try StepModule.step(.transaction, "", journal, run, arguments)
    step.result = result
    var transaction = RunTransaction()
    transaction.step = step
    transaction.keyValues = draft.values
    transaction.intent = RunOperation.encoded(draft.operations).map { operations in
      RunIntent(
        run: step.run, position: step.position, job: run.definition.name, at: run.services.wall.now,
        operations: operations)
    }
    let keeper = try StepModule.keeper(of: run, arguments)
    let operations = draft.operations
    let function = arguments.function
    return call.suspend(
      CallRequest { [transaction, step] request in
        keeper.commit(transaction, asking: operations) { answer in
          switch answer {
          case .committed:
            request.complete(building: { call in
              journal.finish(step)
              call.push(true)
              if let result { call.push(json: result.text) } else { call.pushNil() }
              return .results(2)
            })
          case .conflict: request.complete([.bool(false)])
          case .refused(let refusal): request.complete(function, refusing: refusal)
          case .failed(let error): request.complete(raising: "\(function): nothing is committed: \(error.message)")
          }
        }
      })
  }

  // MARK: Updates of the outbox

  /// `(key, change, options)`: the value as it is now.
  static let look = LuaFunction.host("__tx_look", as: "ctx.outbox.kv.update") {
    call, arguments throws(Misuse) in
    let key = try KeyValueModule.key(call, arguments, 1)
    guard call.type(2) == .function else {
      throw arguments.misuse("expected a function as argument 2, got \(arguments.name(call, 2))")
    }
    let draft = try draft(true, call, arguments, adding: key.utf8.count)
    if let known = draft.value(of: key) {
      if let known { call.push(json: known.text) } else { call.pushNil() }
      return .results(1)
    }
    let access = try access(call, arguments)
    return call.suspend(
      access.value(of: key, try arguments.run(call)) { call, found in
        draft.found(found, of: key)
        if let found { call.push(json: found.value.text) } else { call.pushNil() }
        return .results(1)
      })
  }

  /// `(key, value, options)`
  static let write = LuaFunction.host("__tx_write", as: "ctx.outbox.kv.update") {
    call, arguments throws(Misuse) in
    let access = try access(call, arguments)
    let change = try access.change(call, key: try KeyValueModule.key(call, arguments, 1), value: 2, options: 3)
    try draft(true, call, arguments, adding: change.bytes).land(change)
    return .none
  }
}

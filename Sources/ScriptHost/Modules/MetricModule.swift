internal import Lua

/// `metric.counter(name, amount, labels)` and `metric.gauge(name, value, labels)`.
enum MetricModule {
  static func module() -> LuaModule { LuaModule("metric", functions: [counter, gauge]) }

  private static let counter = LuaFunction.host("counter", as: "metric.counter") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = try arguments.string(call, 1, "a name")
    let amount = call.isNil(2) ? 1 : try arguments.number(call, 2, "an amount")
    let refusal = run.services.metrics.add(counter: name, labels: try labels(call, arguments), by: amount)
    if let refusal { throw arguments.misuse(refusal.message) }
    return .none
  }

  private static let gauge = LuaFunction.host("gauge", as: "metric.gauge") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = try arguments.string(call, 1, "a name")
    let value = try arguments.number(call, 2, "a value")
    let refusal = run.services.metrics.set(gauge: name, labels: try labels(call, arguments), to: value)
    if let refusal { throw arguments.misuse(refusal.message) }
    return .none
  }

  private static func labels(
    _ call: borrowing LuaCall, _ arguments: Arguments
  ) throws(Misuse) -> [(key: String, value: String)] {
    if call.isNil(3) { return [] }
    // The table of labels is read like an option, so that the errors are the same.
    let wrapped = Options(
      arguments: arguments,
      reader: LuaReader(.table(LuaTable(fields: [("labels", try arguments.value(call, 3))])), path: ""))
    return try wrapped.strings("labels") ?? []
  }
}

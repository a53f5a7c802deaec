internal import FileWatching
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `metric.counter(name, amount, labels)` and `metric.gauge(name, value, labels)`.
enum MetricModule {
  static func module() -> LuaModule { LuaModule("metric", functions: [counter, gauge]) }

  private static let counter = LuaFunction.host("counter", as: "metric.counter") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = run.services.secrets.mask.masked(try arguments.string(call, 1, "a name"))
    let amount = call.isNil(2) ? 1 : try arguments.number(call, 2, "an amount")
    let refusal = run.services.metrics.add(
      counter: name, labels: try labels(call, arguments, run), by: amount, of: run.script.text,
      quotas: run.services.quotas())
    return try answer(refusal, run, &call, arguments)
  }

  private static let gauge = LuaFunction.host("gauge", as: "metric.gauge") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = run.services.secrets.mask.masked(try arguments.string(call, 1, "a name"))
    let value = try arguments.number(call, 2, "a value")
    let refusal = run.services.metrics.set(
      gauge: name, labels: try labels(call, arguments, run), to: value, of: run.script.text,
      quotas: run.services.quotas())
    return try answer(refusal, run, &call, arguments)
  }

  /// True; or nil and why not, with a line in the log the first time. Only wrong arguments are an error: a run does not
  /// fail because of what was measured before.
  private static func answer(
    _ refusal: MetricRegistry.Refusal?, _ run: RunContext, _ call: inout LuaCall, _ arguments: Arguments
  ) throws(Misuse) -> LuaReturn {
    switch refusal {
    case nil:
      call.push(true)
      return .results(1)
    case .misuse(let message): throw arguments.misuse(message)
    case .full(let message, let isFirst):
      if isFirst { run.note(.warn, "\(arguments.function): \(message); said once") }
      call.pushNil()
      call.push(message)
      return .results(2)
    }
  }

  private static func labels(
    _ call: borrowing LuaCall, _ arguments: Arguments, _ run: RunContext
  ) throws(Misuse) -> [(key: String, value: String)] {
    if call.isNil(3) { return [] }
    let told = run.services.secrets.mask.masked(try arguments.value(call, 3))
    // The table of labels is read like an option, so that the errors are the same.
    let wrapped = Options(
      arguments: arguments,
      reader: LuaReader(.table(LuaTable(fields: [("labels", told)])), path: ""))
    return try wrapped.strings("labels") ?? []
  }
}

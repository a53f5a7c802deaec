internal import Chronology
internal import JobModel
internal import Lua

/// `jobs`: list, run, pause, resume. What the scheduler refuses is `nil, message`.
enum JobsModule {
  static let parameterLimit = 1 << 20

  static func module() -> LuaModule { LuaModule("jobs", functions: [list, run, pause, resume]) }

  private static let list = LuaFunction.host("list", as: "jobs.list") { call, arguments throws(Misuse) in
    let jobs = try arguments.run(call).services.jobs.jobs()
    call.push(.table(LuaTable(array: jobs.map(value))))
    return .results(1)
  }

  private static func value(_ job: JobSummary) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [
      ("name", .string(LuaString(job.name))), ("paused", .bool(job.isPaused)), ("enabled", .bool(job.isEnabled)),
      ("running", .integer(Int64(job.running))),
      ("tags", .table(LuaTable(array: job.tags.map { .string(LuaString($0)) }))),
    ]
    if let script = job.script { fields.append(("script", .string(LuaString(script)))) }
    if let next = job.nextFire { fields.append(("next_run_time", .number(next.fractionalSeconds))) }
    if let outcome = job.lastOutcome { fields.append(("last_outcome", .string(LuaString(outcome.rawValue)))) }
    return .table(LuaTable(fields: fields))
  }

  /// `jobs.run(name, params)`: the id of the new run, or nil and why not.
  private static let run = LuaFunction.host("run", as: "jobs.run") { call, arguments throws(Misuse) in
    let services = try arguments.run(call).services
    let name = try arguments.string(call, 1, "a job's name")
    if !call.isNil(2), call.type(2) != .table {
      throw arguments.misuse("expected a table of parameters as argument 2, got \(arguments.name(call, 2))")
    }
    let params = try arguments.json(call, 2, "the parameters", limit: parameterLimit)
    return call.suspend(
      CallRequest { request in
        services.jobs.run(name, params: params) { result in
          switch result {
          case .success(let id): request.complete([.integer(id.number)])
          case .failure(let refusal): request.complete(refusing: refusal.message)
          }
        }
      })
  }

  private static let pause = change("pause") { $0.jobs.pause($1, completion: $2) }
  private static let resume = change("resume") { $0.jobs.resume($1, completion: $2) }

  /// A change of one job: true, or nil and why not.
  private static func change(
    _ name: String,
    _ change: @escaping @Sendable (HostServices, String, @escaping @Sendable (HostRefusal?) -> Void) -> Void
  ) -> LuaFunction {
    .host(name, as: "jobs.\(name)") { call, arguments throws(Misuse) in
      let services = try arguments.run(call).services
      let job = try arguments.string(call, 1, "a job's name")
      return call.suspend(
        CallRequest { request in
          change(services, job) { refusal in
            if let refusal { request.complete(refusing: refusal.message) } else { request.complete([true]) }
          }
        })
    }
  }
}

internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `jobs`: list, run, schedule, unschedule, pause, resume. What the scheduler refuses is `nil, message`;
/// a name that no script declares is an error.
enum JobsModule {
  static func module() -> LuaModule { LuaModule("jobs", functions: [list, run, schedule, unschedule, pause, resume]) }

  private static let list = LuaFunction.host("list", as: "jobs.list") { call, arguments throws(Misuse) in
    let control = try arguments.run(call).services.jobs
    let jobs: [JobSummary]
    do throws(HostRefusal) { jobs = try control.jobs() } catch {
      call.pushNil()
      call.push(error.message)
      return .results(2)
    }
    guard call.claim(jobs.reduce(0) { $0 + size($1) }) else { return .none }
    call.push(.table(LuaTable(array: jobs.map(value))))
    return .results(1)
  }

  /// About what a job takes outside the Lua state while the list is made.
  private static func size(_ job: JobSummary) -> Int {
    job.schedules.reduce(1_200) { $0 + 900 + 4 * ($1.params?.text.utf8.count ?? 0) }
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
    fields.append(("schedules", .table(LuaTable(array: job.schedules.map(value)))))
    return .table(LuaTable(fields: fields))
  }

  private static func value(_ schedule: ScheduleSummary) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [
      ("id", .string(LuaString(schedule.id))), ("trigger", .string(LuaString(schedule.trigger))),
      ("running", .integer(Int64(schedule.running))),
    ]
    if let next = schedule.nextFire { fields.append(("next_run_time", .number(next.fractionalSeconds))) }
    if let params = schedule.params.flatMap(LuaValue.init(json:)) { fields.append(("params", params)) }
    return .table(LuaTable(fields: fields))
  }

  /// `jobs.run(name, params)`: the id of the new run, or nil and why not.
  private static let run = LuaFunction.host("run", as: "jobs.run") { call, arguments throws(Misuse) in
    let services = try arguments.run(call).services
    let (name, params) = try runRequest(call, arguments, from: 1)
    return call.suspend(
      CallRequest { request in
        services.jobs.run(name, params: params) { result in
          switch result {
          case .success(let id): request.complete([.integer(id.number)])
          case .failure(let refusal): request.complete("jobs.run", refusing: refusal)
          }
        }
      })
  }

  /// A job's name and parameters, as arguments from `index` on.
  static func runRequest(
    _ call: borrowing LuaCall, _ arguments: Arguments, from index: Int
  ) throws(Misuse) -> (job: String, params: JSONText?) {
    let name = try arguments.string(call, index, "a job's name")
    if !call.isNil(index + 1), call.type(index + 1) != .table {
      throw arguments.misuse("expected a table of parameters as argument 2, got \(arguments.name(call, index + 1))")
    }
    let params = try arguments.toldJSON(
      call, index + 1, "the parameters", limit: try arguments.run(call).services.quotas().paramsBytes,
      setting: "params_bytes")
    return (name, params)
  }

  /// `jobs.schedule(name, { … })`: the id of the new schedule when it is on disk, or nil and why not.
  private static let schedule = LuaFunction.host("schedule", as: "jobs.schedule") { call, arguments throws(Misuse) in
    let request = try ScheduleDecoder.request(call, arguments)
    let services = try arguments.run(call).services
    return call.suspend(
      CallRequest { answer in
        services.jobs.schedule(request) { result in
          switch result {
          case .success(let id): answer.complete([.string(LuaString(id))])
          case .failure(let refusal): answer.complete("jobs.schedule", refusing: refusal)
          }
        }
      })
  }

  /// `jobs.pause(name, reason)`: the reason stands beside the pause until it is resumed.
  private static let pause = change("pause", reasonBytes: reasonBytes) { services, change, done in
    services.jobs.pause(change.subject, reason: change.reason, by: change.caller, completion: done)
  }

  private static let unschedule = change("unschedule", of: "a schedule's id") { services, change, done in
    services.jobs.unschedule(change.subject, completion: done)
  }

  private static let resume = change("resume") { services, change, done in
    services.jobs.resume(change.subject, by: change.caller, completion: done)
  }

  /// Bytes of the reason of a pause.
  private static let reasonBytes = 1_024

  /// What a script changes.
  private struct Change {
    /// A job, or a schedule.
    var subject: String
    var reason: String?
    /// The script that does it, and its run.
    var caller: String
  }

  /// A change of one job, or schedule: true, or nil and why not.
  ///
  /// - Parameter reasonBytes: of the reason that it takes as a second argument; nil: it takes none.
  private static func change(
    _ name: String, of what: String = "a job's name", reasonBytes: Int? = nil,
    _ change: @escaping @Sendable (HostServices, Change, @escaping @Sendable (HostRefusal?) -> Void) -> Void
  ) -> LuaFunction {
    .host(name, as: "jobs.\(name)") { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let services = run.services
      let caller = run.definition.source.file + (run.order.map { " (run \($0.id))" } ?? "")
      var wanted = Change(subject: try arguments.string(call, 1, what), caller: caller)
      if let reasonBytes, !call.isNil(2) {
        let reason = try arguments.string(call, 2, "a reason")
        guard reason.utf8.count <= reasonBytes else {
          throw arguments.misuse("a reason has at most \(reasonBytes) bytes, this one has \(reason.utf8.count)")
        }
        wanted.reason = reason
      }
      return call.suspend(
        CallRequest { [wanted] request in
          change(services, wanted) { refusal in
            if let refusal { request.complete("jobs.\(name)", refusing: refusal) } else { request.complete([true]) }
          }
        })
    }
  }
}

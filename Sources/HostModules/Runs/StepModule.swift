internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `ctx:step`, `ctx:sleep`, `ctx:sleep_until`, `ctx:wait_for`: what makes a run durable. Methods of `ctx`; their Lua
/// part is compiled in a state when one of them is first called there.
enum StepModule {
  static let methods = ["step", "sleep", "sleep_until", "wait_for", "transaction"]

  /// What the Lua part calls. No script sees them.
  static let natives: [LuaFunction] =
    [begin, leave, keep, sleep, sleepUntil, waitFor] + TransactionModule.natives

  /// Given the natives by name. `leave` is called when the function of a step ends, however it does.
  static let source = """
    local natives = ...
    local begin, leave, keep = natives.__begin, natives.__leave, natives.__keep
    local left = setmetatable({}, { __close = function() leave() end })
    local module = {}
    module.step = function(ctx, name, body)
      local isDone, stored = begin(ctx, name, body)
      if isDone then return stored end
      local value, reason
      do
        local _ <close> = left
        value, reason = body()
      end
      if value == nil and reason ~= nil then return nil, reason end
      return keep(name, value)
    end
    module.sleep, module.sleep_until, module.wait_for = natives.__sleep, natives.__until, natives.__wait

    """ + TransactionModule.source + "\nreturn module\n"

  // MARK: Steps

  /// `(ctx, name, body)`: whether the step was done before, and its result.
  private static let begin = LuaFunction.host("__begin", as: "ctx:step") { call, arguments throws(Misuse) in
    try ContextModule.checkColon(call, "step")
    let name = try arguments.string(call, 2, "a step's name", in: 1...Quotas.stepNameBytes)
    guard call.type(3) == .function else {
      throw arguments.misuse("expected a function as argument 3, got \(arguments.name(call, 3))")
    }
    let run = try arguments.run(call)
    guard run.services.secrets.mask.masked(name) == name else {
      throw arguments.misuse("a step's name is told to everybody, and this one has the value of a secret in it")
    }
    switch try journal(&call, arguments, run) {
    case .wait(let suspension): return suspension
    case .ready(let journal):
      switch journal.begin(.step, name) {
      case .misuse(let message): throw arguments.misuse(message)
      case .new, .parked:
        journal.began = run.services.wall.now
        call.push(false)
        return .results(1)
      case .done(let step):
        call.push(true)
        if let result = step.result { call.push(json: result.text) } else { call.pushNil() }
        return .results(2)
      }
    }
  }

  private static let leave = LuaFunction.host("__leave", as: "ctx:step") { call, arguments throws(Misuse) in
    try arguments.run(call).journal.leave()
    return .none
  }

  /// `(name, value)`: the value as it is stored, when it is.
  private static let keep = LuaFunction.host("__keep", as: "ctx:step") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = call.string(1) ?? ""
    let result = try result(call, 2, "the result of step \"\(name)\"", arguments)
    let journal = run.journal
    var step = try step(.step, name, journal, run, arguments)
    step.result = result
    return try keep(step, &call, arguments, run) { call in
      if let result { call.push(json: result.text) } else { call.pushNil() }
      return .results(1)
    }
  }

  /// A result as it is stored. One with the value of a secret is an error: hidden it would be another one.
  static func result(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, _ arguments: Arguments
  ) throws(Misuse) -> JSONText? {
    let services = try arguments.run(call).services
    let limit = services.quotas().resultBytes
    let value = try arguments.value(call, index, limit: limit)
    guard services.secrets.mask.masked(value) == value else {
      throw arguments.misuse("\(what) has the value of a secret in it: what needs it calls secret itself")
    }
    return try arguments.json(call, index, what, limit: limit, setting: "result_bytes")
  }

  // MARK: Parking

  /// `(ctx, duration)`
  private static let sleep = LuaFunction.host("__sleep", as: "ctx:sleep") { call, arguments throws(Misuse) in
    try ContextModule.checkColon(call, "sleep")
    let span = try arguments.duration(call, 2, "a duration")
    let until = try arguments.run(call).services.wall.now.advanced(byNanoseconds: span)
    return try wait(.sleep, "", until: until, &call, arguments)
  }

  /// `(ctx, time)`
  private static let sleepUntil = LuaFunction.host("__until", as: "ctx:sleep_until") { call, arguments throws(Misuse) in
    try ContextModule.checkColon(call, "sleep_until")
    let until = try time(call, 2, arguments)
    return try wait(.sleep, "", until: until, &call, arguments)
  }

  /// `(ctx, event, timeout)`: the event's data, true if it has none; nil and "timeout".
  private static let waitFor = LuaFunction.host("__wait", as: "ctx:wait_for") { call, arguments throws(Misuse) in
    try ContextModule.checkColon(call, "wait_for")
    let name = try EventModule.name(call, arguments, 2)
    let timeout = call.isNil(3) ? nil : try arguments.duration(call, 3, "the timeout")
    let now = try arguments.run(call).services.wall.now
    return try wait(.wait, name, until: timeout.map { now.advanced(byNanoseconds: $0) }, &call, arguments)
  }

  private static func time(
    _ call: borrowing LuaCall, _ index: Int, _ arguments: Arguments
  ) throws(Misuse) -> Instant {
    if let seconds = call.number(index) {
      guard let instant = Instant(fractionalSeconds: seconds) else {
        throw arguments.misuse("\(seconds) is not a time")
      }
      return instant
    }
    guard call.type(index) == .string else {
      throw arguments.misuse(
        "expected a time (seconds since 1970, or text like \"2027-01-31 09:00\") as argument \(index), got "
          + arguments.name(call, index))
    }
    let text = try arguments.string(call, index, "a time")
    let run = try arguments.run(call)
    let zone: TimeZoneRules
    do { zone = try run.services.zones.zone(named: run.definition.timeZone) } catch {
      throw arguments.misuse(error.message)
    }
    do throws(TimeTextError) { return try ISO8601.parse(text).instant(in: zone) } catch {
      throw arguments.misuse(error.message)
    }
  }

  /// The run parks, unless it has waited before or there is nothing to wait for.
  private static func wait(
    _ kind: RunStep.Kind, _ name: String, until: Instant?, _ call: inout LuaCall, _ arguments: Arguments
  ) throws(Misuse) -> LuaReturn {
    let run = try arguments.run(call)
    guard run.definition.watch == nil else {
      throw arguments.misuse(
        "a run of a job that watches files does not park, since its files would be given to another one: let it ask for a run "
          + "of a job of its own (jobs.run)")
    }
    let journal: RunJournal
    switch try Self.journal(&call, arguments, run) {
    case .wait(let suspension): return suspension
    case .ready(let found): journal = found
    }
    switch journal.begin(kind, name) {
    case .misuse(let message): throw arguments.misuse(message)
    case .done(let step): return push(step, &call)
    case .parked(let step): return park(at: step, &call, journal)
    case .new:
      var step = try step(kind, name, journal, run, arguments)
      step.until = until
      if let until, until <= step.startedAt {
        return try keep(step, &call, arguments, run) { [step] call in push(step, &call) }
      }
      step.finishedAt = nil
      return park(at: step, &call, journal)
    }
  }

  private static func park(at step: RunStep, _ call: inout LuaCall, _ journal: RunJournal) -> LuaReturn {
    let suspension = call.suspend(ParkRequest())
    if case .suspend = suspension { journal.park(at: step) }
    return suspension
  }

  private static func push(_ step: RunStep, _ call: inout LuaCall) -> LuaReturn {
    guard step.kind == .wait else { return .none }
    if let result = step.result {
      call.push(json: result.text)
      return .results(1)
    }
    call.pushNil()
    call.push("timeout")
    return .results(2)
  }

  // MARK: What they share

  enum Found {
    case ready(RunJournal)
    /// The store is asked; the call begins again.
    case wait(LuaReturn)
  }

  /// The journal of the run, once it knows what the store has.
  static func journal(
    _ call: inout LuaCall, _ arguments: Arguments, _ run: RunContext
  ) throws(Misuse) -> Found {
    let journal = run.journal
    guard !journal.isInHook else {
      throw arguments.misuse("works in run, not in the functions that are called after it")
    }
    if journal.stored == nil, let loaded = call.carried as? LoadedSteps { journal.use(loaded.steps) }
    if journal.stored != nil { return .ready(journal) }
    let keeper = try keeper(of: run, arguments)
    return .wait(call.suspendAndRepeat(after: StepsRequest(keeper, of: run.current.id, for: arguments.function)))
  }

  static func keeper(of run: RunContext, _ arguments: Arguments) throws(Misuse) -> any RunKeeper {
    guard let keeper = run.keeper else { throw arguments.misuse("there is no store here that could keep steps") }
    return keeper
  }

  /// A step that is done now, at the place where the run is.
  static func step(
    _ kind: RunStep.Kind, _ name: String, _ journal: RunJournal, _ run: RunContext, _ arguments: Arguments
  ) throws(Misuse) -> RunStep {
    let now = run.services.wall.now
    var step = RunStep(
      run: run.current.id, position: journal.position, kind: kind, name: name, attempt: run.current.attempt,
      startedAt: journal.began ?? now)
    step.finishedAt = now
    return step
  }

  /// Suspends until the step is durable, and answers what `push` pushes.
  private static func keep(
    _ step: RunStep, _ call: inout LuaCall, _ arguments: Arguments, _ run: RunContext,
    push: @escaping @Sendable (inout LuaCall) -> LuaReturn
  ) throws(Misuse) -> LuaReturn {
    let keeper = try keeper(of: run, arguments)
    let room = try arguments.hold(step.textBytes, for: call)
    let journal = run.journal
    let job = run.current.job.definition.name
    let function = arguments.function
    return call.suspend(
      CallRequest { request in
        keeper.keep(step, of: job) { error in
          room.release()
          if let error {
            request.complete(raising: "\(function): \(step.words) is done, and not stored: \(error.message)")
          } else {
            request.complete(building: { call in
              journal.finish(step)
              return push(&call)
            })
          }
        }
      })
  }
}

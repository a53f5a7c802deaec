internal import Chronology
internal import JobModel
package import Lua
internal import Triggers

/// The functions with which scripts declare: `job`, `job_defaults` and the trigger constructors, as plain globals.
///
///     LuaRuntime(modules: DeclareModules.modules + hostModules)
///
/// In declare mode they add to the ``DeclareSession`` that is the declaration's context. In a run, `job` and
/// `job_defaults` are errors, and constructors make trigger values for whoever takes them.
package enum DeclareModules {
  package static let modules: [LuaModule] = [LuaModule("", functions: functions, prelude: prelude)]

  /// `job "name" { … }` are two calls, and the second one must know the first. The function that takes the table is a
  /// Lua closure over the ticket of the first call, since host functions have no upvalues of their own; `job_table`, to
  /// which it brings the ticket, is hidden from scripts.
  private static let prelude = """
    local globals = ...
    local open, close = globals.job, globals.job_table
    globals.job_table = nil
    local integer = math.type
    function globals.job(...)
      local ticket = open(...)
      if integer(ticket) ~= "integer" then return ticket end
      return function(...) return close(ticket, ...) end
    end
    """

  private static let functions: [LuaFunction] =
    [
      LuaFunction("job", in: .declare) { call in job(&call) },
      LuaFunction("job_table", in: .declare) { call in jobTable(&call) },
      LuaFunction("job_defaults", in: .declare) { call in jobDefaults(&call) },
    ]
    + TriggerBuilder.constructors.map { name in
      LuaFunction(name, in: .both) { call in construct(name, &call) }
    }

  /// `job "name"`: a ticket (an integer). `job { … }` and `job("name", { … })`: the name of the job.
  private static func job(_ call: inout LuaCall) -> LuaReturn {
    guard let session = call.context as? DeclareSession else { return .raise(notHere) }
    let location = session.location(call.caller)
    if case .string = call.type(1) {
      let name = call.string(1) ?? ""
      if call.count == 1 {
        do { call.push(try session.openJob(name, at: location)) } catch { return .raise(error.message) }
        return .results(1)
      }
      return whole(&call, session, name, 2, at: location)
    }
    return whole(&call, session, nil, 1, at: location)
  }

  /// A call that has the table.
  private static func whole(
    _ call: inout LuaCall, _ session: DeclareSession, _ name: String?, _ index: Int, at location: SourceLocation
  ) -> LuaReturn {
    do { try session.countJob() } catch { return .raise(error.message) }
    let table = table(call, index)
    do { try session.countBytes(call.bytesRead) } catch { return .raise(error.message) }
    return answer(&call, session.declare(name, table, at: location))
  }

  private static func jobTable(_ call: inout LuaCall) -> LuaReturn {
    guard let session = call.context as? DeclareSession, let ticket = call.integer(1) else { return .raise(notHere) }
    let table = table(call, 2)
    do { try session.countBytes(call.bytesRead) } catch { return .raise(error.message) }
    return answer(&call, session.closeJob(Int(ticket), table, at: session.location(call.caller)))
  }

  private static func jobDefaults(_ call: inout LuaCall) -> LuaReturn {
    guard let session = call.context as? DeclareSession else { return .raise(notHere) }
    session.setDefaults(table(call, 1), at: session.location(call.caller))
    return .results(0)
  }

  private static let notHere = "jobs can only be declared at the top level of a script"

  private static func table(_ call: borrowing LuaCall, _ index: Int) -> Result<LuaValue, LuaError> {
    do {
      return .success(try call.value(index))
    } catch {
      return .failure(error)
    }
  }

  private static func answer(_ call: inout LuaCall, _ name: String?) -> LuaReturn {
    guard let name else { return .results(0) }
    call.push(name)
    return .results(1)
  }

  /// A constructor only keeps what it was given; see ``TriggerSpecification``. In a run, whoever takes the value builds
  /// it.
  private static func construct(_ name: String, _ call: inout LuaCall) -> LuaReturn {
    var arguments: [LuaValue] = []
    for index in stride(from: 1, through: call.count, by: 1) {
      do {
        arguments.append(try call.value(index))
      } catch {
        return .raise("\(name): \(error.message)")
      }
    }
    let session = call.context as? DeclareSession
    let location = session.flatMap { session in call.caller.map { session.location($0) } }
    let specification = TriggerSpecification(constructor: name, arguments: arguments, location: location)
    if let complaint = specification.extent.complaint { return .raise("\(name): \(complaint)") }
    do {
      try session?.countBytes(call.bytesRead)
      try session?.made(specification)
    } catch { return .raise("\(name): \(error.message)") }
    call.push(LuaValue.object(specification))
    return .results(1)
  }
}

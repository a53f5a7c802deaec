internal import Basics
internal import FileWatching
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `env.get(name)`, as far as the script was granted the variable.
enum EnvironmentModule {
  static func module() -> LuaModule { LuaModule("env", functions: [get]) }

  private static let get = LuaFunction.host("get", as: "env.get") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = try arguments.string(call, 1, "a variable's name")
    // A grant such as `env = { "*" }` is none for secrets.
    guard !name.hasPrefix(Secrets.variablePrefix) else {
      throw arguments.misuse("\(name) holds a secret: read it with secret(name), which has a grant of its own")
    }
    guard run.services.grants(run.script).env.allows(name) else {
      throw arguments.misuse(Grants.refusal(of: "the variable \(name)", to: run.script, grant: "env = { \"\(name)\" }"))
    }
    if let value = run.services.environment(name) {
      call.push(value)
    } else if call.count >= 2 {
      call.pushArgument(2)
    } else {
      call.pushNil()
    }
    return .results(1)
  }
}

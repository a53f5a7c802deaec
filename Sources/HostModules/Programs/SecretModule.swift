internal import Chronology
internal import Executors
internal import FileWatching
internal import Lua
internal import ScriptRuntime

/// `secret(name)`: the secret's text, or nil and why not, as far as the script was granted it.
enum SecretModule {
  static func module(_ children: ChildProcesses) -> LuaModule {
    let secret = LuaFunction.host("secret", as: "secret") { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let name = try arguments.string(call, 1, "a secret's name")
      guard run.services.grants(run.script).secret.allows(name) else {
        throw arguments.misuse(
          Grants.refusal(of: "the secret \(name)", to: run.script, grant: "secret = { \"\(name)\" }"))
      }
      let until = run.services.monotonic.now.advanced(byNanoseconds: Secrets.patience).nanoseconds
      let room = try arguments.hold(0, for: call)
      return call.suspend(SecretRequest(name, room, until: until, children, run.services))
    }
    return LuaModule("", functions: [secret])
  }
}

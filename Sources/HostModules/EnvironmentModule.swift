internal import Basics
internal import FileWatching
package import JobModel
internal import Lua
internal import ScriptRuntime

/// `env.get(name)` and `secret(name)`, as far as the script was granted them.
enum EnvironmentModule {
  static func modules() -> [LuaModule] {
    [LuaModule("env", functions: [get]), LuaModule("", functions: [secret])]
  }

  private static let get = LuaFunction.host("get", as: "env.get") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = try arguments.string(call, 1, "a variable's name")
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

  /// The secret's text, or nil and why not.
  private static let secret = LuaFunction.host("secret", as: "secret") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = try arguments.string(call, 1, "a secret's name")
    guard run.services.grants(run.script).secret.allows(name) else {
      throw arguments.misuse(
        Grants.refusal(of: "the secret \(name)", to: run.script, grant: "secret = { \"\(name)\" }"))
    }
    let services = run.services
    return call.suspend(
      CallRequest { request in
        let isTaken = services.lane.run {
          switch services.secrets(name) {
          case .success(let value?): request.complete([.string(LuaString(value))])
          case .success(nil): request.complete(refusing: "there is no secret called \"\(name)\"")
          case .failure(let refusal): request.complete(refusing: refusal.message)
          }
        }
        if !isTaken { request.complete(refusing: services.lane.refusal) }
      })
  }
}

/// Secrets as files of a directory (a mounted volume, `$CREDENTIALS_DIRECTORY` of systemd) and as environment
/// variables.
package enum SecretFiles {
  /// A source that looks for the file `name` in `directory`, then for the variable `prefix` + `NAME`. One line end at
  /// the end of a file is not part of the secret.
  package static func source(
    directory: String?, variablePrefix prefix: String = "MOONDIAL_SECRET_",
    environment: @escaping @Sendable (String) -> String?
  ) -> @Sendable (String) -> Result<String?, HostRefusal> {
    { name in
      let isPlain =
        !name.isEmpty
        && name.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
          case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
          default: false
          }
        }
      guard isPlain, name.first != "." else {
        return .failure(
          HostRefusal("a secret's name has letters, digits, _ - and . and begins with no dot: \"\(name)\""))
      }
      if let directory, case .success(let file) = OpenFile.open("\(directory)/\(name)") {
        switch file.read(1 << 20) {
        case .success(var bytes):
          if bytes.last == 10 { bytes.removeLast() }
          if bytes.last == 13 { bytes.removeLast() }
          return .success(String(decoding: bytes, as: UTF8.self))
        case .failure(let error):
          return .failure(HostRefusal("the secret \"\(name)\" cannot be read: \(SystemCall.message(for: error.code))"))
        }
      }
      let variable = prefix + String(name.uppercased().map { $0 == "-" || $0 == "." ? "_" : $0 })
      return .success(environment(variable))
    }
  }
}

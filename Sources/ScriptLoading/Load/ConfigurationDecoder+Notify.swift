internal import JobModel
internal import Lua
internal import ScriptRuntime

extension ConfigurationDecoder {
  /// `notify = { ops = { mail = { server = …, from = …, to = … }, http = "https://…", secret = "NAME" } }`
  mutating func decodeNotify(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    let example = "{ ops = { http = \"https://hooks.example.org/x\" } }"
    for (name, value) in fields(["notify"], value, like: example) {
      let path = ["notify", name]
      var target = NotifyTarget()
      var isWhole = true
      for (key, value) in fields(path, value, like: "{ http = \"https://hooks.example.org/x\" }") {
        let reader = LuaReader(value, path: (path + [key]).joined(separator: "."))
        do throws(LuaError) {
          switch key {
          case "mail": try target.read(mail: reader)
          case "http": try target.read(http: reader)
          case "secret":
            target.secret = try reader.string()
            if target.secret == "" { throw reader.error("expected the name of a secret") }
          default: break
          }
        } catch {
          problem(path + [key], error.message)
          isWhole = false
        }
      }
      guard isWhole else { continue }
      if target.mail == nil, target.web == nil {
        problem(path, "notify.\(name) leads nowhere: add mail = { … } or http = \"https://…\"")
      }
      configuration.notify[name] = target
    }
  }
}

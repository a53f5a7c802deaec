internal import Lua
internal import ScriptRuntime

/// What scripts can call and read in a run, by the names that they write: `kv.get`, `sleep`, `ctx.id`.
///
/// It is made from the modules as states get them, so a function is known here by being registered. Types for editors,
/// docs/lua-api, completion and fakes of tests are held against it, and it against the sandbox
/// (`HostFunctionNamesTests`).
package enum HostFunctions {
  /// Sorted.
  package static let names: [String] = (registered + ofPreludes).sorted()

  /// Functions of the host itself. Those that begin with an underscore are for preludes.
  private static var registered: [String] {
    HostModules.all(children: ChildProcesses()).filter { $0.name != "ctx" }.flatMap { module in
      module.functions.map(\.name).filter { !$0.hasPrefix("_") }.map { name in path(module.name, name) }
    }
  }

  /// Functions that preludes make from those.
  private static var ofPreludes: [String] {
    let modules = [
      ("", FanOutModule.functions + LogModule.functions + NotifyModule.functions), ("kv", KeyValueModule.functions),
      ("fs", FileModule.pieces), ("csv", CSVModule.functions), ("template", TemplateModule.functions),
      ("sqlite", SQLiteModule.functions), ("mail", MailModule.functions), ("http", HTTPModule.functions),
      ("ctx", ContextModule.fields),
    ]
    return modules.flatMap { module, names in names.map { path(module, $0) } }
  }

  private static func path(_ module: String, _ name: String) -> String { module.isEmpty ? name : "\(module).\(name)" }
}

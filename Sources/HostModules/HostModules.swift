package import Lua
package import ScriptRuntime

/// All modules that every script has.
package enum HostModules {
  package static func all(children: ChildProcesses) -> [LuaModule] {
    [
      ContextModule.module(), SleepModule.module(), TimeModule.module(), KeyValueModule.module(), JobsModule.module(),
      EventModule.module(), FanOutModule.module(), HashModule.module(), .json, MetricModule.module(),
      ExecModule.module(children), FileModule.module(), EnvironmentModule.module(), SecretModule.module(children),
    ] + LogModule.modules()
  }
}

extension LuaHost {
  /// A host whose scripts see all host modules.
  ///
  /// - Parameters:
  ///   - declareModules: what only exists while scripts are loaded (`job`, triggers), beside the host modules.
  ///   - lua: slices, memory and deadlines of the runtime.
  /// - Throws: when the address space for states cannot be reserved, or a module is wrong.
  package convenience init(
    services: HostServices, declareModules: [LuaModule] = [], lua: LuaConfiguration = .init(),
    configuration: LuaHostConfiguration = .init()
  ) throws(LuaError) {
    try self.init(services: services, lua: lua, configuration: configuration) {
      HostModules.all(children: $0) + declareModules
    }
  }
}

internal import Lua

/// All modules that every script has.
enum HostModules {
  static func all(children: ChildProcesses) -> [LuaModule] {
    [
      ContextModule.module(), SleepModule.module(), TimeModule.module(), KeyValueModule.module(), JobsModule.module(),
      EventModule.module(), FanOutModule.module(), HashModule.module(), .json, MetricModule.module(),
      ExecModule.module(children), FileModule.module(),
    ] + LogModule.modules() + EnvironmentModule.modules()
  }
}

package import Basics
package import HTTPTransfer
package import Lua
package import ScriptRuntime

/// All modules that every script has.
package enum HostModules {
  package static func all(
    children: ChildProcesses, http: HTTPClient = HTTPClient(),
    mail: BlockingPool = BlockingPool(name: "moondial-mail", threads: MailModule.threads)
  ) -> [LuaModule] {
    [
      ContextModule.module(), SleepModule.module(), TimeModule.module(), KeyValueModule.module(), JobsModule.module(),
      EventModule.module(), FanOutModule.module(), HashModule.module(), .json, MetricModule.module(),
      FileModule.module(), EnvironmentModule.module(), SecretModule.module(children),
      HTTPModule.module(http), CSVModule.module(), TemplateModule.module(), SQLiteModule.module(),
      MailModule.module(MailThreads(mail)), NotifyModule.module(http, MailThreads(mail)),
    ] + ExecModule.modules(children) + LogModule.modules()
  }
}

extension LuaHost {
  /// A host whose scripts see all host modules.
  ///
  /// - Parameters:
  ///   - declareModules: what only exists while scripts are loaded (`job`, triggers), beside the host modules.
  ///   - http: what asks other hosts for scripts; it is stopped with the host.
  ///   - lua: slices, memory and deadlines of the runtime.
  /// - Throws: when the address space for states cannot be reserved, or a module is wrong.
  package convenience init(
    services: HostServices, declareModules: [LuaModule] = [], lua: LuaConfiguration = .init(),
    configuration: LuaHostConfiguration = .init(), http: HTTPClient = HTTPClient()
  ) throws(LuaError) {
    let mail = BlockingPool(name: "moondial-mail", threads: MailModule.threads)
    try self.init(services: services, lua: lua, configuration: configuration) {
      HostModules.all(children: $0, http: http, mail: mail) + declareModules
    }
    whenStopped {
      http.stop()
      mail.stop()
    }
  }
}

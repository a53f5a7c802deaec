internal import CLinux
internal import Glibc
package import JobModel
internal import ProcessExecutor
internal import ProcessFrames
package import ScriptLoading
package import ScriptRuntime

/// Executors of processes, as a configuration names them.
package enum ProcessExecutors {
  static func make(
    _ name: String, _ configured: ExecutorConfiguration, _ luaHost: LuaHost?, _ blueprint: SchedulerAssembly.Blueprint,
    _ health: HostHealth
  ) throws(HostError) -> any JobExecutor {
    guard let luaHost else {
      throw HostError(
        .usage, "executor \"\(name)\" runs scripts in processes of their own, and there are no scripts: use threads")
    }
    let settings = try configuration(name, configured)
    return ProcessExecutor(
      settings, luaHost: luaHost, wallClock: blueprint.wallClock, makeThread: blueprint.makeThread,
      willBegin: blueprint.willBegin, onEvent: { health.note($0, executor: name, log: blueprint.log) })
  }

  /// The executor of one run in the foreground; nil when it is not of processes.
  package static func alone(
    _ name: String, _ configuration: HostConfiguration, _ luaHost: LuaHost, log: any HostLog
  ) throws(HostError) -> (any JobExecutor)? {
    guard let configured = configuration.executors[name], configured.kind == .process else { return nil }
    var settings = try Self.configuration(name, configured)
    settings.workers = 1
    let onEvent: @Sendable (ProcessExecutorEvent) -> Void = { event in
      switch event {
      case .cannotStart(let why): log.write(.error, "executor \"\(name)\" cannot start worker processes: \(why)")
      case .canStart: break
      case .note(let text): log.write(.warn, "executor \"\(name)\": \(text)")
      }
    }
    return ProcessExecutor(settings, luaHost: luaHost, onEvent: onEvent)
  }

  /// - Throws: one sentence when this host cannot have such workers.
  static func configuration(
    _ name: String, _ configured: ExecutorConfiguration
  ) throws(HostError) -> ProcessConfiguration {
    let options = configured.process
    var settings = ProcessConfiguration()
    settings.name = name
    if let workers = configured.workers { settings.workers = workers }
    if let program = options.program { settings.program = program }
    settings.memory = options.memory
    settings.processorTime = options.processorTime
    settings.files = options.files
    settings.processes = options.processes
    settings.nice = options.nice
    settings.recycleAfter = options.recycleAfter
    settings.hasNamespaces = options.namespaces
    settings.libraries = options.libraries == .all ? .all : .safe
    settings.user = try account(name, options)
    return settings
  }

  private static func account(
    _ name: String, _ options: ProcessOptions
  ) throws(HostError) -> ProcessConfiguration.UserNumbers? {
    guard options.user != nil || options.group != nil else { return nil }
    guard geteuid() == 0 else {
      throw HostError(
        .usage,
        "executor \"\(name)\": user and group are for a host that is root, and this one is not: leave them out")
    }
    var (user, group): (UInt32, UInt32) = (0, 0)
    if let wanted = options.user {
      // Safe: each call reads the text and writes the numbers, which outlive it.
      guard unsafe linux_find_user(wanted, &user, &group) else {
        throw HostError(.usage, "executor \"\(name)\": there is no user \(wanted.debugDescription)")
      }
    }
    if let wanted = options.group {
      guard unsafe linux_find_group(wanted, &group) else {
        throw HostError(.usage, "executor \"\(name)\": there is no group \(wanted.debugDescription)")
      }
    }
    return ProcessConfiguration.UserNumbers(user: options.user == nil ? nil : user, group: group)
  }
}

extension HostHealth {
  /// Says in the log what happened to the workers of `executor`, and keeps what is still so.
  func note(_ event: ProcessExecutorEvent, executor: String, log: any HostLog) {
    switch event {
    case .cannotStart(let why):
      set(.workers(executor: executor), "executor \"\(executor)\" cannot start worker processes: \(why)")
    case .canStart: clear(.workers(executor: executor))
    case .note(let text): log.write(.warn, "executor \"\(executor)\": \(text)")
    }
  }
}

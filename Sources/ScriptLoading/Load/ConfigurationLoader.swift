package import Chronology
package import FileWatching
package import JobModel
package import Lua
internal import ScriptRuntime

/// Reads moondial.lua and the settings laid over it.
///
///     let loader = try ConfigurationLoader(runtime: host.runtime, zones: zones, stores: kinds)
///     let loaded = loader.load(file: snapshot.configuration, settings: fromEnvironment + fromFlags)
///     // later settings win; loaded.configuration is nil when there is an error
///
/// Not thread-safe. Evaluates Lua on the calling thread, within the runtime's budget for declaring.
package final class ConfigurationLoader {
  package struct Loaded: Sendable {
    /// `nil` when there was an error: a running host keeps the one it has, a starting one stops.
    package let configuration: HostConfiguration?
    package let problems: [ScriptProblem]
  }

  private let declaration: LuaDeclaration
  private let session = DeclareSession()
  private let zones: TimeZoneDatabase
  private let stores: StoreKinds
  private let clock: any WallClock
  /// What the file is called in messages.
  private let name: String

  /// - Parameters:
  ///   - stores: the kinds that there are.
  ///   - name: what the file is called in messages.
  package init(
    runtime: LuaRuntime, zones: TimeZoneDatabase, stores: StoreKinds, name: String = "moondial.lua",
    clock: any WallClock = SystemWallClock()
  ) throws(LuaError) {
    declaration = try runtime.makeDeclaration(
      context: session,
      loader: { _ in .missing("\(name) cannot require modules; write what it needs in the file") })
    self.name = name
    self.zones = zones
    self.stores = stores
    self.clock = clock
  }

  /// The configuration of a file, or of none, with settings laid over it in their order.
  package func load(file: ScriptFile?, settings: [ConfigurationSetting] = []) -> Loaded {
    var problems: [ScriptProblem] = []
    var hook: FailureHook?
    let table = file.map { evaluate($0, &problems, &hook) } ?? LuaTable()
    guard let table else { return Loaded(configuration: nil, problems: problems) }
    var decoder = ConfigurationDecoder(
      table, of: name, settings: settings, zones: zones, stores: stores, now: clock.now)
    var configuration = decoder.decode()
    configuration.onFailure = hook
    problems += decoder.problems
    return Loaded(configuration: problems.contains { $0.severity == .error } ? nil : configuration, problems: problems)
  }

  /// The table that the file returns.
  private func evaluate(
    _ file: ScriptFile, _ problems: inout [ScriptProblem], _ hook: inout FailureHook?
  ) -> LuaTable? {
    let content: FileContent
    switch file.content {
    case .success(let found): content = found
    case .failure(let problem):
      problems.append(ScriptProblem(problem, configuration: name))
      return nil
    }
    session.begin(.configuration, file: name)
    defer { declaration.reset() }
    do {
      let results = try declaration.evaluate(content.bytes, chunkName: name)
      session.finish()
      problems += session.problems.sorted(in: name)
      if case .table(let table)? = results.first {
        if case .function(let function)? = table.field("on_failure") { hook = capture(function, in: name, &problems) }
        return table
      }
      let location = SourceLocation(file: name, line: 0)
      let shown = results.first.map(\.shown) ?? "nothing"
      problems.append(
        ScriptProblem(.error, at: location, "it must return a table of settings, not \(shown); write return { … }"))
    } catch {
      session.finish(after: ScriptProblem(error, in: name))
      problems += session.problems.sorted(in: name)
    }
    return nil
  }

  /// Captures `on_failure` with what it reaches, as a job's functions are.
  private func capture(
    _ function: LuaReference, in file: String, _ problems: inout [ScriptProblem]
  ) -> FailureHook? {
    var roots = JobRoots()
    roots.run = function
    do throws(LuaCaptureError) {
      let capture = try LuaCapture(of: [roots], in: declaration)
      let none: [ScriptFile] = []
      let scope = ScriptScope(script: .configuration, library: ModuleLibrary(DirectorySnapshot(none)))
      return FailureHook(
        payload: LuaJobPayload(
          capsule: capture.capsules[0], scope: scope, memoryLimit: nil, roots: roots, isFailureHook: true))
    } catch {
      problems.append(
        ScriptProblem(.error, at: SourceLocation(file: file, line: 0), "on_failure: \(error.message)"))
      return nil
    }
  }
}

extension ScriptProblem {
  /// An error that Lua raised while `file` was evaluated: at its own place, which may be in a module.
  init(_ error: LuaError, in file: String) {
    var message = error.message
    var location = SourceLocation(file: file, line: 0)
    if let errorFile = error.file, let line = error.line {
      if message.hasPrefix("\(errorFile):\(line): ") { message.removeFirst("\(errorFile):\(line): ".count) }
      location = SourceLocation(file: errorFile.isShortened(from: file) ? file : errorFile, line: line)
    }
    self.init(.error, at: location, message, traceback: error.traceback)
  }
}

package import FileWatching

/// Which scripts asked for which modules: so that a changed module reloads just the scripts that could behave
/// differently.
///
/// A script's modules are all names that `require` was asked for while it was evaluated, by the script or by a module
/// it loaded, found or not: a module that was missing, and is there now, changes the script as well.
///
///     var graph = RequireGraph()
///     graph.record(ScriptPath("backup.lua"), asksFor: ["net.retry", "paths"])
///     graph.scripts(affectedBy: [ScriptPath("lib/net/retry.lua")])          // [backup.lua]
package struct RequireGraph: Sendable, Equatable {
  private var modules: [ScriptPath: Set<String>] = [:]
  /// The other direction of `modules`; no set in it is empty.
  private var scripts: [String: Set<ScriptPath>] = [:]

  package init() {}

  /// Replaces what `script` asks for. To be called for every script that is loaded, also with no modules at all.
  /// Complexity: O(number of modules, former and new).
  package mutating func record(_ script: ScriptPath, asksFor names: some Sequence<String>) {
    remove(script)
    modules[script] = []
    for name in names { add(script, asksFor: name) }
  }

  /// Adds one module, such as one that is first required while a job runs.
  package mutating func add(_ script: ScriptPath, asksFor name: String) {
    modules[script, default: []].insert(name)
    scripts[name, default: []].insert(script)
  }

  /// Forgets `script`.
  package mutating func remove(_ script: ScriptPath) {
    for name in modules.removeValue(forKey: script) ?? [] {
      scripts[name]?.remove(script)
      if scripts[name]?.isEmpty == true { scripts[name] = nil }
    }
  }

  /// The names that `script` asks for; empty for one that was never recorded.
  package func modules(of script: ScriptPath) -> Set<String> { modules[script] ?? [] }

  /// The scripts that ask for any of `names`. Complexity: O(number of names and of answers).
  package func scripts(affectedByModules names: some Sequence<String>) -> Set<ScriptPath> {
    names.reduce(into: []) { $0.formUnion(scripts[$1] ?? []) }
  }

  /// The recorded scripts that the changed paths affect: those among them, and those that ask for a module among them.
  package func scripts(affectedBy changes: some Sequence<ScriptPath>) -> Set<ScriptPath> {
    var affected: Set<ScriptPath> = []
    for path in changes {
      if modules[path] != nil { affected.insert(path) }
      if let name = path.moduleName { affected.formUnion(scripts[name] ?? []) }
    }
    return affected
  }
}

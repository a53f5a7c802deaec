internal import Basics
internal import Chronology
package import FileWatching
package import Lua
internal import Synchronization

/// The modules of `lib/` as one generation sees them: what `require` finds, while a script loads and, when a module is
/// first asked for inside a run, for as long as that generation's jobs run. Never the disk.
///
/// A value behind a reference; safe to share.
package final class ModuleLibrary: Sendable {
  private let snapshot: DirectorySnapshot
  /// Asked instead of the snapshot; may block.
  private let elsewhere: (@Sendable (String) -> LuaModuleSource)?

  package init(_ snapshot: DirectorySnapshot) {
    self.snapshot = snapshot
    elsewhere = nil
  }

  /// The modules that another process has.
  package init(asking elsewhere: @escaping @Sendable (String) -> LuaModuleSource) {
    snapshot = .empty
    self.elsewhere = elsewhere
  }

  /// The source of `require(name)`, or what was looked for (the runtime says before it that the module was not found).
  package func source(named name: String) -> LuaModuleSource {
    if let elsewhere { return elsewhere(name) }
    switch snapshot.module(named: name) {
    case .found(let file):
      switch file.content {
      case .success(let content): return .source(content.bytes, chunkName: file.path.text)
      case .failure(let problem): return .missing(problem.description)
      }
    case .missing(let candidates):
      let places = candidates.map(\.description).joined(separator: " or ")
      let names = snapshot.modules.compactMap { file -> String? in
        if case .module(let name) = file.kind { name } else { nil }
      }
      let hint = Spelling.closest(to: name, among: names, limit: 1).first.map { "; did you mean \"\($0)\"?" } ?? ""
      return .missing("no file \(places) in the scripts directory\(hint)")
    case .illegalName:
      return .missing("write names of directories and files below lib/ joined by dots, like require \"net.retry\"")
    }
  }

  /// The modules that a text asks for by a literal name, and those that they ask for in turn, with the line of the
  /// text. Those in `known` are left out with what only they lead to.
  package func requests(of bytes: [UInt8], except known: Set<String>) -> (
    names: Set<String>, direct: [RequireScan.Request]
  ) {
    let direct = RequireScan.requests(in: bytes).filter { !known.contains($0.name) }
    var names: Set<String> = []
    var open = direct.map(\.name)
    // Modules that were loaded may ask for others later, inside a function.
    open += known
    var seen: Set<String> = []
    while let name = open.popLast() {
      guard seen.insert(name).inserted else { continue }
      if !known.contains(name) { names.insert(name) }
      guard case .found(let file) = snapshot.module(named: name), case .success(let content) = file.content else {
        continue
      }
      open += RequireScan.requests(in: content.bytes).map(\.name)
    }
    return (names, direct)
  }

  /// The bytes' hash of a module, for telling whether it changed; `nil` when there is no such module.
  func contentHash(ofModule name: String) -> ContentHash? {
    guard case .found(let file) = snapshot.module(named: name), case .success(let content) = file.content else {
      return nil
    }
    return content.hash
  }
}

/// Which modules runs asked for that their scripts had not required while loading: they too belong to the script, and
/// when they change its jobs have changed.
///
/// Runs add from any thread, the loader takes them at its next load.
package final class LateRequires: Sendable {
  private let requires = Mutex<[ScriptPath: Set<String>]>([:])

  package init() {}

  /// Modules of one script that are remembered.
  static let modulesMax = 1_000

  /// A run of a job of `script` asked for `module`.
  package func record(_ script: ScriptPath, asksFor module: String) {
    requires.withLock { requires in
      // A script that makes names up must not fill the host's memory; what it asks for is not there anyway.
      guard requires[script]?.count ?? 0 < Self.modulesMax else { return }
      requires[script, default: []].insert(module)
    }
  }

  /// All that were recorded so far.
  package var recorded: [ScriptPath: Set<String>] { requires.withLock { $0 } }

  /// Scripts that are gone will not be asked about again.
  package func keep(only scripts: Set<ScriptPath>) {
    requires.withLock { $0 = $0.filter { scripts.contains($0.key) } }
  }
}

/// What a scripts directory held at one scan: every file the host could load, with its bytes.
///
/// A value that never changes; unchanged bytes are shared with earlier snapshots. Everything that is built from one
/// snapshot, a generation of scripts and the modules they require, is built from the same state of the disk.
package struct DirectorySnapshot: Sendable {
  private let table: [ScriptPath: ScriptFile]
  /// Directories that could not be read, or were left out; in path order. Below such a one the former entries stay:
  /// nothing is deleted because something is unreadable or too much.
  package let problems: [ScanProblem]

  /// No files.
  package static let empty = DirectorySnapshot([:], problems: [])

  /// A snapshot of `files`, whose paths differ.
  package init(_ files: some Sequence<ScriptFile>, problems: [ScanProblem] = []) {
    self.init(Dictionary(files.map { ($0.path, $0) }) { first, _ in first }, problems: problems)
  }

  init(_ table: [ScriptPath: ScriptFile], problems: [ScanProblem]) {
    self.table = table
    self.problems = problems.sorted { $0.path < $1.path }
  }

  package subscript(path: ScriptPath) -> ScriptFile? { table[path] }

  /// All files, in path order. Complexity: O(n log n).
  package var files: [ScriptFile] { table.values.sorted { $0.path < $1.path } }

  /// The scripts, in path order: at start that order decides who keeps a name that two scripts declare.
  package var scripts: [ScriptFile] { files { $0 == .script } }

  /// The modules in `lib/`, in path order.
  package var modules: [ScriptFile] {
    files { if case .module = $0 { true } else { false } }
  }

  /// The `*_test.lua` files, in path order.
  package var tests: [ScriptFile] { files { $0 == .test } }

  /// The host's configuration file, if there is one.
  package var configuration: ScriptFile? { table[.configuration] }

  /// The file that `require(name)` loads: `lib/a/b.lua` before `lib/a/b/init.lua`, for `a.b`.
  ///
  ///     snapshot.module(named: "net.retry")       // .found(lib/net/retry.lua)
  ///     snapshot.module(named: "net.rety")        // .missing(lookedFor: [lib/net/rety.lua, lib/net/rety/init.lua])
  package func module(named name: String) -> ModuleLookup {
    let candidates = ScriptPath.candidates(forModule: name)
    guard !candidates.isEmpty else { return .illegalName }
    for path in candidates {
      if let file = table[path], case .module = file.kind { return .found(file) }
    }
    return .missing(lookedFor: candidates)
  }

  /// The paths whose entry differs: added, removed, other bytes, or unreadable now and not before or for another
  /// reason; and the directories whose problem differs. Equal bytes are no change, whoever wrote them when.
  package func changes(since former: DirectorySnapshot) -> Set<ScriptPath> {
    var changes = Set(Set(problems).symmetricDifference(former.problems).map(\.path))
    for (path, file) in table where former.table[path] != file { changes.insert(path) }
    for path in former.table.keys where table[path] == nil { changes.insert(path) }
    return changes
  }

  private func files(_ isWanted: (ScriptFile.Kind) -> Bool) -> [ScriptFile] {
    table.values.filter { isWanted($0.kind) }.sorted { $0.path < $1.path }
  }
}

extension DirectorySnapshot: Equatable {
  /// Whether there is no change between the two. Complexity: O(n).
  package static func == (left: DirectorySnapshot, right: DirectorySnapshot) -> Bool {
    left.changes(since: right).isEmpty
  }
}

extension DirectorySnapshot {
  /// The number of files.
  package var count: Int { table.count }

  /// The files in no order: for passes over all of them that need none.
  var unordered: Dictionary<ScriptPath, ScriptFile>.Values { table.values }

  /// This snapshot with other entries at some paths; `nil` removes one.
  func replacing(_ entries: [ScriptPath: ScriptFile?]) -> DirectorySnapshot {
    if entries.isEmpty { return self }
    var table = table
    for (path, file) in entries { table[path] = file }
    return DirectorySnapshot(table, problems: problems)
  }
}

/// What ``DirectorySnapshot/module(named:)`` found.
package enum ModuleLookup: Sendable {
  case found(ScriptFile)
  /// There is no such file; these were looked for, in this order.
  case missing(lookedFor: [ScriptPath])
  /// Not a module's name: components of letters, digits, `_` and `-`, joined by single dots.
  case illegalName
}

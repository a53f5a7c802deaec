package import Chronology
package import FileWatching
package import ScriptRuntime

/// A version of a script that was good once, with everything that it was loaded from: enough to load it again when its
/// file, a module or a calendar has been broken since.
package struct SavedScript: Sendable {
  /// The script's path and bytes.
  package let file: ScriptFile
  /// When it was first loaded.
  package let savedAt: Instant
  /// The modules and calendar files of that time.
  package let environment: DirectorySnapshot
  /// Those modules; one object for all scripts that were saved with the same ones.
  package let library: ModuleLibrary

  package init(file: ScriptFile, savedAt: Instant, environment: DirectorySnapshot, library: ModuleLibrary) {
    self.file = file
    self.savedAt = savedAt
    self.environment = environment
    self.library = library
  }
}

/// Where last good versions are kept over a restart. Asked by the loader for scripts that it has no version of.
///
/// Threading: any thread. Blocks on the disk.
package protocol SavedScripts: AnyObject, Sendable {
  /// The scripts of which there is a version.
  var paths: [ScriptPath] { get }
  /// What the bytes of the saved version are; nil: there is none.
  func content(of path: ScriptPath) -> ContentHash?
  /// The saved version; nil: there is none, or it cannot be read.
  func script(at path: ScriptPath) -> SavedScript?
}

/// What a restart needs of them.
extension SavedScripts {
  /// Scripts below directories that cannot be read, as files that cannot be: a directory that lost a right is no reason
  /// to take its jobs for gone.
  func hidden(by snapshot: DirectorySnapshot) -> [ScriptFile] {
    let unreadable = snapshot.problems.filter { problem in
      if case .unreadable = problem.code { return problem.isDirectory }
      return false
    }
    guard !unreadable.isEmpty else { return [] }
    return paths.compactMap { path in
      guard snapshot[path] == nil, let directory = unreadable.first(where: { path.isBelow($0.path) }) else {
        return nil
      }
      return ScriptFile(path, .script, .failure(ScanProblem(directory.code, path)))
    }
  }
}

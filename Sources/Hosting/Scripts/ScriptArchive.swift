package import Chronology
package import FileWatching
internal import Glibc
package import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// The last good version of each script, in the state directory: so that a restart while a script is broken goes on
/// with what ran before.
///
/// `scripts/` holds one file per content, named by its SHA-256, and `index`, which says which of them a script was
/// loaded from. A script's entry is renewed when a version of it is in force that is what its file says, and goes when
/// its file does. What cannot be read, or has another hash than its name says, counts as not there.
///
/// Threading: any thread; one process writes, the host of the state directory. Blocks on the disk.
package final class ScriptArchive: SavedScripts {
  private struct State: Sendable {
    var index: ScriptIndex
    /// Of saved libraries, by their number in the index.
    var libraries: [Int: ModuleLibrary] = [:]
  }

  /// What only who keeps knows.
  private struct Keeping: Sendable {
    var isComplaining = false
    /// Whether what a crash left behind was looked for.
    var isSwept = false
  }

  private let directory: String
  private let root: String
  private let state: Mutex<State>
  /// Held while a generation is written, before `state`, which is held for moments: thousands of new scripts take
  /// minutes on a slow disk, and nobody who reads waits for that.
  private let keeping = Mutex(Keeping())

  /// Reads the index, if there is one for this scripts directory.
  ///
  /// - Parameters:
  ///   - stateDirectory: it need not exist.
  ///   - root: the scripts directory as an absolute path.
  package init(in stateDirectory: String, of root: String) {
    directory = stateDirectory + "/scripts"
    self.root = root
    let found = PlainFile.read(directory + "/index").flatMap(ScriptIndex.init(bytes:))
    state = Mutex(State(index: found.flatMap { $0.root == root ? $0 : nil } ?? ScriptIndex(root: root)))
  }

  package var paths: [ScriptPath] { state.withLock { $0.index.scripts.keys.sorted() } }

  package func content(of path: ScriptPath) -> ContentHash? { state.withLock { $0.index.scripts[path]?.content } }

  /// The names of the jobs that each script declared when it was saved.
  package var jobs: [ScriptPath: [String]] { state.withLock { $0.index.scripts.mapValues(\.jobs) } }

  package func script(at path: ScriptPath) -> SavedScript? {
    state.withLock { state in
      guard let entry = state.index.scripts[path], let file = file(path, .script, entry.content) else { return nil }
      let modules = state.index.libraries[entry.library].compactMap { module -> ScriptFile? in
        guard let name = module.path.moduleName else { return nil }
        return self.file(module.path, .module(name: name), module.content)
      }
      let library = state.libraries[entry.library] ?? ModuleLibrary(DirectorySnapshot(modules))
      state.libraries[entry.library] = library
      let calendars = entry.calendars.compactMap { self.file($0.path, .calendar, $0.content) }
      return SavedScript(
        file: file, savedAt: entry.savedAt, environment: DirectorySnapshot(modules + calendars), library: library)
    }
  }

  private func file(_ path: ScriptPath, _ kind: ScriptFile.Kind, _ hash: ContentHash) -> ScriptFile? {
    guard let bytes = PlainFile.read("\(directory)/\(hash)") else { return nil }
    let content = FileContent(bytes)
    return content.hash == hash ? ScriptFile(path, kind, .success(content)) : nil
  }

  // MARK: Keeping

  /// Keeps what is in force and is what its file says. Writes what is new, and nothing when nothing is.
  ///
  /// - Parameters:
  ///   - elsewhere: reads a calendar outside the scripts directory.
  ///   - isWanted: asked before each file, with how many are to be written; when it is not wanted any more, what was
  ///     kept before stays.
  /// - Returns: why it could not be kept, once until it can again.
  package func keep(
    _ generation: LoadedGeneration, at now: Instant, elsewhere: (String) -> ScriptFile? = { _ in nil },
    isWanted: (_ left: Int) -> Bool = { _ in true }
  ) -> String? {
    keeping.withLock { keeping in
      let former = state.withLock { $0.index }
      var contents: [ContentHash: FileContent] = [:]
      let next = former.following(generation, at: now, elsewhere: elsewhere, contents: &contents)
      guard next != former else { return nil }
      do throws(Unwritten) {
        try write(next, after: former, contents, isWanted)
      } catch {
        guard let why = error.why else { return nil }
        defer { keeping.isComplaining = true }
        return keeping.isComplaining ? nil : "the last good versions of the scripts cannot be kept: \(why)"
      }
      keeping.isComplaining = false
      let wanted = next.contents
      // What no index names any more goes after it was replaced: who reads meanwhile finds no such file, as if there
      // were none.
      state.withLock { state in
        state.index = next
        state.libraries = [:]
      }
      for hash in former.contents where !wanted.contains(hash) { PlainFile.remove("\(directory)/\(hash)") }
      if !keeping.isSwept { sweep(keeping: wanted) }
      keeping.isSwept = true
      return nil
    }
  }

  /// Why the index was not replaced; nil: nobody wants it any more.
  private struct Unwritten: Error { var why: String? }

  /// Removes what no index names: a crash between two writes, or another scripts directory, left it.
  private func sweep(keeping contents: Set<ContentHash>) {
    let known = Set(contents.map(\.description))
    for name in PlainFile.names(in: directory) where name != "index" && !known.contains(name) {
      PlainFile.remove("\(directory)/\(name)")
    }
  }

  /// Contents first, then the index that names them; what no index names any more goes when that is in its place.
  private func write(
    _ next: ScriptIndex, after former: ScriptIndex, _ contents: [ContentHash: FileContent], _ isWanted: (Int) -> Bool
  ) throws(Unwritten) {
    if let failure = PlainFile.makeDirectory(directory) { throw Unwritten(why: failure) }
    let fresh = next.contents.subtracting(former.contents)
    for (index, hash) in fresh.enumerated() {
      guard isWanted(fresh.count - index) else { throw Unwritten(why: nil) }
      guard let content = contents[hash] else { continue }
      if let failure = PlainFile.write(content.bytes, to: "\(directory)/\(hash)") { throw Unwritten(why: failure) }
    }
    if let failure = PlainFile.write(next.bytes, to: directory + "/index") { throw Unwritten(why: failure) }
  }
}

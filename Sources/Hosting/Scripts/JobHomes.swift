internal import FileWatching
internal import JobModel
package import ScriptLoading
internal import Synchronization

/// Where jobs were declared that are declared no more: the words for an orphan are others when its script is gone, is
/// there and broken, or is there without it.
///
/// Threading: any thread.
package final class JobHomes: Sendable {
  private struct State: Sendable {
    /// Of jobs that the last change took away.
    var lost: [String: ScriptPath] = [:]
    /// The scripts that there are, and whether a version of each is in force.
    var scripts: [ScriptPath: Bool] = [:]
  }

  private let archive: ScriptArchive?
  private let state = Mutex(State())

  package init(_ archive: ScriptArchive?) { self.archive = archive }

  /// `generation` is about to replace `former`; nil: of what the last host had. On the thread that loads.
  /// O(scripts), and the jobs of those that changed.
  package func follow(_ generation: LoadedGeneration, after former: LoadedGeneration?) {
    var next = State()
    if former == nil, let archive { next.lost = Self.lost(archive.jobs, in: generation) }
    for script in generation.scripts { next.scripts[script.path] = script.active != nil }
    let inForce = Set(generation.scripts.compactMap { $0.active.map(ObjectIdentifier.init) })
    for script in former?.scripts ?? [] {
      guard let active = script.active, !inForce.contains(ObjectIdentifier(active)) else { continue }
      for job in active.jobs { next.lost[job.name] = script.path }
    }
    state.withLock { $0 = next }
  }

  /// Names that the last host had and this one has not, with their scripts. A script that declares what it did costs a
  /// comparison of the lists, and no look-up of each name.
  private static func lost(_ saved: [ScriptPath: [String]], in generation: LoadedGeneration) -> [String: ScriptPath] {
    var lost: [String: ScriptPath] = [:]
    for (path, names) in saved {
      let isSame = generation.script(at: path)?.jobs.elementsEqual(names, by: { $0.name == $1 }) ?? false
      if !isSame { for name in names { lost[name] = path } }
    }
    if !lost.isEmpty { for script in generation.scripts { for job in script.jobs { lost[job.name] = nil } } }
    return lost
  }

  /// Why a job is kept and does not run. Never waits for the disk.
  package func reason(for job: String) -> String {
    let (lost, scripts) = state.withLock { ($0.lost[job], $0.scripts) }
    guard let home = lost else {
      return "no script declares it any more: kept, not run until one does"
    }
    switch scripts[home] {
    case nil: return "its script is gone (\(home)): kept, not run until it returns"
    case false?:
      return "its script \(home) cannot be loaded, and no good version of it is known: kept, not run until it is mended"
    case true?: return "\(home) declares it no more: kept, not run until a script does (was it renamed?)"
    }
  }
}

internal import Chronology
package import FileWatching
package import JobModel
package import ScriptRuntime

/// One consistent set of scripts and jobs: a value that is swapped in as a whole.
///
/// Scripts that did not change share their versions with the generation before.
package struct LoadedGeneration: Sendable {
  package let number: Generation
  /// The files it was made from; `require` inside its runs reads these.
  package let snapshot: DirectorySnapshot
  /// Its modules.
  package let library: ModuleLibrary
  package let configuration: HostConfiguration
  /// In path order.
  package let scripts: [LoadedScript]
  /// Which scripts asked for which modules.
  package let requires: RequireGraph
  /// Files that were in the middle of being saved: their scripts stay as they were until the next load.
  package let pending: Set<ScriptPath>
  /// Scripts that take long to load and are evaluated aside: they stay as they were until then.
  package let loading: Set<ScriptPath>

  package init(
    number: Generation, snapshot: DirectorySnapshot, library: ModuleLibrary, configuration: HostConfiguration,
    scripts: [LoadedScript], requires: RequireGraph, pending: Set<ScriptPath> = [],
    loading: Set<ScriptPath> = []
  ) {
    self.number = number
    self.snapshot = snapshot
    self.library = library
    self.configuration = configuration
    self.scripts = scripts
    self.requires = requires
    self.pending = pending
    self.loading = loading
  }

  /// All jobs in force, by script path and then in the order of declaration. Complexity: O(number of jobs).
  package var jobs: [JobDefinition] {
    var jobs: [JobDefinition] = []
    jobs.reserveCapacity(scripts.reduce(0) { $0 + $1.jobs.count })
    for script in scripts { jobs += script.jobs }
    return jobs
  }

  /// The job of that name, if there is one. Complexity: O(number of jobs).
  package func job(named name: String) -> JobDefinition? {
    for script in scripts {
      if let job = script.jobs.first(where: { $0.name == name }) { return job }
    }
    return nil
  }

  /// The script at `path`, if it is part of the generation. Complexity: O(number of scripts).
  package func script(at path: ScriptPath) -> LoadedScript? { scripts.first { $0.path == path } }

  /// Everything there is to tell: of the directory, then of the scripts by path and line.
  package var problems: [ScriptProblem] { LoadedGeneration.problems(of: snapshot) + scripts.flatMap(\.problems) }

  /// Scripts that go on with a version from before the host started.
  package var restored: [ScriptProblem] { scripts.compactMap(\.restored) }

  package var errors: [ScriptProblem] { problems.filter { $0.severity == .error } }
  package var notes: [ScriptProblem] { problems.filter { $0.severity == .note } }

  /// What directories and modules that cannot be read have to tell. (A script that cannot be read tells it itself.)
  private static func problems(of snapshot: DirectorySnapshot) -> [ScriptProblem] {
    var found = snapshot.problems
    for file in snapshot.modules {
      if case .failure(let problem) = file.content { found.append(problem) }
    }
    return found.map({ ScriptProblem($0) })
  }

  /// What to log when this generation has taken the place of `former`: what is told by the scripts that were evaluated
  /// for it, and what is new otherwise. A problem that is merely still there is not repeated.
  package func freshProblems(since former: LoadedGeneration?) -> [ScriptProblem] {
    guard let former else { return problems }
    let known = Set(former.problems)
    let kept = Set(former.scripts.map { ObjectIdentifier($0.evaluation) })
    var fresh = LoadedGeneration.problems(of: snapshot).filter { !known.contains($0) }
    for script in scripts {
      let isKept = kept.contains(ObjectIdentifier(script.evaluation))
      fresh += isKept ? script.problems.filter { !known.contains($0) } : script.problems
    }
    return fresh
  }
}

extension ScriptProblem {
  /// A file or directory that the scan could not read. Its sentence names the path itself, as a place does.
  ///
  /// - Parameter configuration: what the configuration's file is called.
  init(_ problem: ScanProblem, configuration: String = "moondial.lua") {
    let isConfiguration = problem.path == .configuration
    let file = isConfiguration ? configuration : problem.path.text.isEmpty ? problem.name : problem.path.text
    var message = problem.description
    // "a.lua: Permission denied…" and "a.lua is not…" both begin with the name, which the place says already.
    let name = problem.name
    if message.hasPrefix(name + ": ") {
      message.removeFirst(name.count + 2)
    } else if message.hasPrefix(name + " ") {
      message = "it" + message.dropFirst(name.count)
    }
    self.init(.error, at: SourceLocation(file: file, line: 0), message)
  }
}

// MARK: - What changed

/// What a new generation means for the jobs, for one line of the log.
package struct GenerationChanges: Sendable, Equatable {
  package var added: [String] = []
  package var changed: [String] = []
  package var removed: [String] = []
  /// Only their place in the source moved.
  package var moved: [String] = []

  package var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty && moved.isEmpty }
}

extension LoadedGeneration {
  /// Which jobs differ from `former`'s. Scripts whose version is the same object are passed over.
  package func changes(since former: LoadedGeneration?) -> GenerationChanges {
    var changes = GenerationChanges()
    let versions = Set(former?.scripts.compactMap { $0.active.map(ObjectIdentifier.init) } ?? [])
    let own = Set(scripts.compactMap { $0.active.map(ObjectIdentifier.init) })
    var before: [String: JobDefinition] = [:]
    for script in former?.scripts ?? [] {
      guard let active = script.active, !own.contains(ObjectIdentifier(active)) else { continue }
      for job in active.jobs { before[job.name] = job }
    }
    for script in scripts {
      guard let active = script.active, !versions.contains(ObjectIdentifier(active)) else { continue }
      for job in active.jobs {
        guard let old = before.removeValue(forKey: job.name) else {
          changes.added.append(job.name)
          continue
        }
        switch (job.hasSameOptions(as: old), job.payload.difference(from: old.payload)) {
        case (true, .none): if job.source != old.source { changes.moved.append(job.name) }
        case (true, .lineInformation): changes.moved.append(job.name)
        default: changes.changed.append(job.name)
        }
      }
    }
    changes.removed = before.keys.sorted()
    return changes
  }
}

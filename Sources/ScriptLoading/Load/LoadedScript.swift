package import FileWatching
package import JobModel

/// The jobs of one script as one evaluation declared them, ready to run.
///
/// Identity counts: a version that is still the same object after a load was not touched by it.
package final class ScriptVersion: Sendable {
  /// In the order of declaration.
  package let jobs: [JobDefinition]
  /// The bytes that were evaluated.
  package let content: ContentHash
  /// Of a version that an earlier host loaded and kept: when that was, as people read it.
  package let savedAt: String?

  package init(jobs: [JobDefinition], content: ContentHash, savedAt: String? = nil) {
    self.jobs = jobs
    self.content = content
    self.savedAt = savedAt
  }
}

/// What came of evaluating one script: a version, unless it had errors, and everything there is to tell about it.
package final class ScriptEvaluation: Sendable {
  package let path: ScriptPath
  /// `nil` when there was an error.
  package let version: ScriptVersion?
  /// By line; errors only when there is no version.
  package let problems: [ScriptProblem]
  /// Names of the modules that it asked for, found or not.
  package let modules: [String]
  /// The calendar files that it named, found or not.
  package let calendars: Set<ScriptPath>

  package init(
    path: ScriptPath, version: ScriptVersion?, problems: [ScriptProblem], modules: [String] = [],
    calendars: Set<ScriptPath> = []
  ) {
    self.path = path
    self.version = version
    self.problems = problems
    self.modules = modules
    self.calendars = calendars
  }
}

/// One script of a generation: what its file says now, and which of its versions is in force.
package struct LoadedScript: Sendable {
  package enum Status: String, Sendable, Hashable {
    /// The file as it is now.
    case current
    /// The last good version: the file as it is now has errors.
    case stale
    /// No version: the file has errors, and always had since the host started.
    case broken
  }

  /// The last evaluation of the file.
  package let evaluation: ScriptEvaluation
  /// The version in force.
  package let active: ScriptVersion?
  /// Errors that only the whole set of scripts shows: names declared twice, unknown and circular `after`.
  package let conflicts: [ScriptProblem]

  package init(evaluation: ScriptEvaluation, active: ScriptVersion?, conflicts: [ScriptProblem] = []) {
    self.evaluation = evaluation
    self.active = active
    self.conflicts = conflicts
  }

  package var path: ScriptPath { evaluation.path }

  package var status: Status {
    guard let active else { return .broken }
    return active === evaluation.version ? .current : .stale
  }

  /// The jobs in force.
  package var jobs: [JobDefinition] { active?.jobs ?? [] }

  /// Everything to tell about it.
  package var problems: [ScriptProblem] { evaluation.problems + conflicts + [restored].compactMap { $0 } }

  /// Said of a script that goes on with a version from before the host started; nil otherwise.
  package var restored: ScriptProblem? {
    guard let active, active !== evaluation.version, let savedAt = active.savedAt else { return nil }
    let jobs = "\(active.jobs.count) job\(active.jobs.count == 1 ? "" : "s")"
    return ScriptProblem(
      .note, at: SourceLocation(file: path.text, line: 0),
      "as it is now it cannot be loaded; its last good version, of \(savedAt), is used instead (\(jobs))")
  }
}

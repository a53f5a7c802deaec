package import JobModel

/// The jobs of one script as one evaluation declared them, ready to run.
///
/// Identity counts: a version that is still the same object after a load was not touched by it.
package final class ScriptVersion: Sendable {
  /// In the order of declaration.
  package let jobs: [JobDefinition]
  /// The bytes that were evaluated.
  package let content: ContentHash

  package init(jobs: [JobDefinition], content: ContentHash) {
    self.jobs = jobs
    self.content = content
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
  package var problems: [ScriptProblem] { evaluation.problems + conflicts }
}

/// The scripts of the generation in force, and what is wrong with them.
package struct ScriptsAnswer: Sendable, Codable, Equatable {
  package var directory: String?
  package var generation: Int
  /// By path.
  package var scripts: [ScriptAnswer]
  /// What is wrong with the directory itself, its modules or the configuration.
  package var problems: [ProblemAnswer]

  package init(directory: String?, generation: Int, scripts: [ScriptAnswer], problems: [ProblemAnswer]) {
    self.directory = directory
    self.generation = generation
    self.scripts = scripts
    self.problems = problems
  }
}

package struct ScriptAnswer: Sendable, Codable, Equatable {
  package enum Status: String, Sendable, Codable, CaseIterable {
    /// The file as it is now.
    case current
    /// The last good version: the file as it is now has errors.
    case stale
    /// No version is in force.
    case broken
    /// It takes long to load, and is not in force yet as it is now.
    case loading
  }
  package var path: String
  package var status: Status
  package var jobs: Int
  package var problems: [ProblemAnswer]

  package init(path: String, status: Status, jobs: Int, problems: [ProblemAnswer]) {
    self.path = path
    self.status = status
    self.jobs = jobs
    self.problems = problems
  }
}

/// One thing that is wrong, or worth knowing, at a line of a script.
package struct ProblemAnswer: Sendable, Codable, Equatable {
  package var isError: Bool
  package var file: String
  /// 0: the file as a whole.
  package var line: Int
  package var message: String
  package var traceback: String?

  private enum CodingKeys: String, CodingKey {
    case file, line, message, traceback
    case isError = "error"
  }

  package init(isError: Bool, file: String, line: Int, message: String, traceback: String?) {
    self.isError = isError
    self.file = file
    self.line = line
    self.message = message
    self.traceback = traceback
  }
}

/// A generation that this host has put in force.
package struct GenerationAnswer: Sendable, Codable, Equatable {
  package var number: Int
  package var at: HostTime
  package var scripts: Int
  package var jobs: Int
  package var added: Int
  package var changed: Int
  package var removed: Int
  /// Errors in scripts.
  package var errors: Int

  package init(
    number: Int, at: HostTime, scripts: Int, jobs: Int, added: Int, changed: Int, removed: Int, errors: Int
  ) {
    self.number = number
    self.at = at
    self.scripts = scripts
    self.jobs = jobs
    self.added = added
    self.changed = changed
    self.removed = removed
    self.errors = errors
  }
}

internal import Chronology
internal import FileWatching
internal import JobModel
internal import ScriptLoading

/// Questions about scripts.
extension SchedulerControl {
  package func scripts() async throws(ControlError) -> ScriptsAnswer {
    try await away { () throws(ControlError) in
      guard let generation = self.parts.scripts.current else {
        return ScriptsAnswer(directory: nil, generation: 0, scripts: [], problems: [])
      }
      let scripts = generation.scripts.map { script in
        ScriptAnswer(
          path: script.path.text,
          status: generation.loading.contains(script.path) ? .loading : ScriptAnswer.Status(script.status),
          jobs: script.jobs.count, problems: script.problems.map { ProblemAnswer($0) })
      }
      let all = Set(generation.scripts.flatMap(\.problems))
      var others = generation.problems.filter { !all.contains($0) }.map { ProblemAnswer($0) }
      if let failure = self.parts.scripts.configurationFailure { others.append(ProblemAnswer(configuration: failure)) }
      return ScriptsAnswer(
        directory: self.parts.scriptsDirectory, generation: generation.number.number, scripts: scripts, problems: others
      )
    }
  }

  package func generations() async throws(ControlError) -> [GenerationAnswer] {
    parts.scripts.past.map { past in
      GenerationAnswer(
        number: past.number, at: time(past.at), scripts: past.scripts, jobs: past.jobs, added: past.added,
        changed: past.changed, removed: past.removed, errors: past.errors)
    }
  }
}

extension ScriptAnswer.Status {
  init(_ status: LoadedScript.Status) {
    switch status {
    case .current: self = .current
    case .stale: self = .stale
    case .broken: self = .broken
    }
  }
}

extension ProblemAnswer {
  init(_ problem: ScriptProblem) {
    self.init(
      isError: problem.severity == .error, file: problem.location.file, line: problem.location.line,
      message: problem.message, traceback: problem.traceback)
  }

  init(configuration failure: String) {
    self.init(isError: true, file: "moondial.lua", line: 0, message: failure, traceback: nil)
  }
}

internal import Basics
internal import Chronology
package import JobModel

/// Something to tell the author of a script: where, and one sentence that says what to change.
///
///     cleanup.lua:4: job "cleanup": unknown field "crom"; did you mean "cron"?
package struct ScriptProblem: Error, Sendable, Hashable {
  package enum Severity: Sendable, Hashable {
    /// The script is not loaded, or keeps its last good version.
    case error
    /// The script is loaded; `check` and the log say this once.
    case note
  }

  package let severity: Severity
  package let location: SourceLocation
  /// One sentence, without the place. Made visible, so that a name in it cannot forge a line of a log.
  package let message: String
  /// The Lua call stack, for errors that a script raised.
  package let traceback: String?

  package init(_ severity: Severity, at location: SourceLocation, _ message: String, traceback: String? = nil) {
    self.severity = severity
    self.location = location
    self.message = VisibleText.line(message)
    self.traceback = traceback
  }
}

extension ScriptProblem: CustomStringConvertible {
  package var description: String {
    let location = VisibleText.line(location.description)
    return severity == .note ? "\(location): note: \(message)" : "\(location): \(message)"
  }
}

/// The problems of one script, in the order in which they were found; bounded, so that a mistake in a loop of 10,000
/// jobs gives a page and not a book.
package struct ScriptProblems: Sendable {
  /// How many of each severity are kept.
  package static let limit = 100

  private var kept: [ScriptProblem] = []
  private var known: Set<ScriptProblem> = []
  private var errorCount = 0
  private var noteCount = 0

  package init() {}

  package var hasErrors: Bool { errorCount > 0 }

  /// Adds a problem; one that says the same of the same line as an earlier one is not said again.
  package mutating func add(_ problem: ScriptProblem) {
    let count = problem.severity == .error ? errorCount : noteCount
    if count < ScriptProblems.limit {
      guard known.insert(problem).inserted else { return }
      kept.append(problem)
    }
    if problem.severity == .error { errorCount += 1 } else { noteCount += 1 }
  }

  package mutating func error(at location: SourceLocation, _ message: String) {
    add(ScriptProblem(.error, at: location, message))
  }

  package mutating func note(at location: SourceLocation, _ message: String) {
    add(ScriptProblem(.note, at: location, message))
  }

  /// Errors and notes by line, and a last sentence for each kind that was too many.
  package func sorted(in file: String) -> [ScriptProblem] {
    var result = kept.sorted { ($0.location.file, $0.location.line) < ($1.location.file, $1.location.line) }
    let whole = SourceLocation(file: file, line: 0)
    if errorCount > ScriptProblems.limit {
      result.append(
        ScriptProblem(.error, at: whole, "\(errorCount - ScriptProblems.limit) further errors are not shown"))
    }
    if noteCount > ScriptProblems.limit {
      result.append(ScriptProblem(.note, at: whole, "\(noteCount - ScriptProblems.limit) further notes are not shown"))
    }
    return result
  }
}

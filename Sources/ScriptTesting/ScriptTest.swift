package import JobModel
internal import Chronology

/// One `test("name", function(t) … end)` of a file.
package struct ScriptTest: Sendable {
  package var name: String { definition.name }
  package var source: SourceLocation { definition.source }
  let definition: JobDefinition
  /// When its clock begins.
  let begin: Instant
  /// The jobs that there are in it; nil: all.
  let jobs: [String]?
}

/// How a test ended.
package struct TestResult: Sendable {
  package var outcome: Outcome
  /// Why it failed: the place in its own fields, where it is known.
  package var error: RunError?
  /// Nanoseconds of real time.
  package var duration: Int64
  /// What it and its jobs wrote, in order.
  package var log: [LogLine]
  /// The runs of its jobs that have ended, in that order.
  package var runs: [RunRecord]
  /// What its host lacks that a host has, when the test failed and a run that may have missed it did not succeed: a
  /// sentence.
  package var note: String?

  package var hasPassed: Bool { outcome == .succeeded }

  /// The error without the place that stands before it.
  package var message: String {
    guard let error else { return outcome.rawValue }
    guard let file = error.file, let line = error.line else { return error.message }
    let place = "\(file):\(line): "
    return error.message.hasPrefix(place) ? String(error.message.dropFirst(place.utf8.count)) : error.message
  }
}

internal import Basics
internal import JobModel
package import ScriptLoading

/// The results of tests as the XML that build servers read (JUnit's): a suite for each test file, in it a case for each
/// test, and one that is an error for each mistake because of which a file could not be loaded.
///
/// Characters that XML cannot carry, and those that do not show, are written as their escapes.
package struct JUnitReport {
  private struct Case {
    var name: String
    var line: Int
    /// Nanoseconds.
    var duration: Int64 = 0
    /// The element `failure` or `error`, and what stands in it.
    var problem: (element: String, kind: String, message: String, text: String)?
    var output: [String] = []
  }
  private var suites: [(file: String, cases: [Case])] = []
  private var indices: [String: Int] = [:]

  package init() {}

  package mutating func add(_ test: ScriptTest, _ result: TestResult) {
    var entry = Case(name: test.name, line: test.source.line, duration: result.duration)
    if !result.hasPassed {
      var text = result.message
      if let error = result.error {
        if let file = error.file, let line = error.line { text = "\(file):\(line): \(text)" }
        if let traceback = error.traceback { text += "\n" + traceback }
      }
      if let note = result.note { text += "\n" + note }
      entry.problem = ("failure", result.outcome.rawValue, result.message, text)
    }
    entry.output = result.log.map(Self.text)
    add(entry, to: test.source.file)
  }

  /// A mistake in a script or a test file.
  package mutating func add(_ problem: ScriptProblem) {
    var entry = Case(name: "is loaded", line: problem.location.line)
    entry.problem = ("error", "mistake", problem.message, "\(problem)")
    add(entry, to: problem.location.file)
  }

  private mutating func add(_ entry: Case, to file: String) {
    let index = indices[file] ?? suites.count
    if index == suites.count {
      indices[file] = index
      suites.append((file, []))
    }
    suites[index].cases.append(entry)
  }

  private static func text(_ line: LogLine) -> String {
    let who = line.job.map { job in "\(job)\(line.run.map { " #\($0)" } ?? "")" } ?? "test"
    return "\(line.level.rawValue) \(who): \(line.message)\(line.fields.map { " " + $0.text } ?? "")"
  }

  // MARK: Writing

  /// The document.
  package var xml: String {
    var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    text += "<testsuites name=\"moondial test\"\(Self.sums(suites.flatMap(\.cases)))>\n"
    for (file, cases) in suites {
      text += "  <testsuite\(Self.attribute("name", file))\(Self.sums(cases))>\n"
      for entry in cases { Self.write(entry, of: file, to: &text) }
      text += "  </testsuite>\n"
    }
    return text + "</testsuites>\n"
  }

  private static func sums(_ cases: [Case]) -> String {
    let (failures, errors) = (
      cases.count { $0.problem?.element == "failure" }, cases.count { $0.problem?.element == "error" }
    )
    return " tests=\"\(cases.count)\" failures=\"\(failures)\" errors=\"\(errors)\" skipped=\"0\""
      + " time=\"\(seconds(cases.reduce(0) { $0 + $1.duration }))\""
  }

  private static func write(_ entry: Case, of file: String, to text: inout String) {
    let name = file.hasSuffix(".lua") ? String(file.dropLast(4)) : file
    text += "    <testcase\(attribute("name", entry.name))\(attribute("classname", name))\(attribute("file", file))"
    if entry.line > 0 { text += " line=\"\(entry.line)\"" }
    text += " time=\"\(seconds(entry.duration))\""
    guard entry.problem != nil || !entry.output.isEmpty else {
      text += "/>\n"
      return
    }
    text += ">\n"
    if let problem = entry.problem {
      text += "      <\(problem.element)\(attribute("message", problem.message))\(attribute("type", problem.kind))>"
      text += escaped(VisibleText.lines(problem.text)) + "</\(problem.element)>\n"
    }
    if !entry.output.isEmpty {
      let lines = entry.output.map { escaped(VisibleText.lines($0)) }
      text += "      <system-out>" + lines.joined(separator: "\n") + "</system-out>\n"
    }
    text += "    </testcase>\n"
  }

  private static func attribute(_ name: String, _ value: String) -> String {
    " \(name)=\"\(escaped(VisibleText.line(value)))\""
  }

  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      // Of what shows these two are no characters of XML 1.0.
      case "\u{FFFE}", "\u{FFFF}": escaped += "\u{FFFD}"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  /// With six places.
  private static func seconds(_ nanoseconds: Int64) -> String {
    let microseconds = max(0, nanoseconds) / 1_000
    let digits = "\(1_000_000 + microseconds % 1_000_000)".dropFirst()
    return "\(microseconds / 1_000_000).\(digits)"
  }
}

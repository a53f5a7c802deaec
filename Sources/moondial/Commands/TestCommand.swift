import ArgumentParser
internal import Basics
internal import Chronology
internal import FileWatching
import Hosting
internal import JobModel
internal import ScriptLoading
import ScriptRuntime
internal import ScriptTesting

struct TestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "test",
    abstract: "Run the *_test.lua files: schedules and jobs under a virtual clock, with fakes for the world.",
    discussion: """
      Examples:
        moondial test                         all tests of the scripts in ./scripts
        moondial test scripts/price_test.lua  those of one file
        moondial test --filter jump           those with "jump" in their name
        moondial test --junit results.xml     and what a build server reads
      Each test has a host, a clock, a store, a directory and a Lua state of its \
      own. Exit code 1 when a test fails, a file cannot be loaded, or there is \
      nothing to run. docs/testing.md has what tests can do.
      """)

  @Argument(
    help: "The scripts directory, and test files or directories below it. Default: all of scripts.",
    completion: .file())
  var paths: [String] = []
  @OptionGroup var settings: SettingOptions
  @Option(help: "Only tests whose name contains this text.") var filter: String?
  @Flag(name: .shortAndLong, help: "Show what jobs and tests log, also of tests that pass.") var verbose = false
  @Flag(help: "JSON lines: one for each test, and one with the sums.") var json = false
  @Option(help: "Write the results into this file too, as JUnit's XML.", completion: .file()) var junit: String?

  func run() throws {
    guard let junit else {
      var report = JUnitReport()
      return try run(&report)
    }
    let file = try OutputFile(junit, isNew: false)
    var report = JUnitReport()
    let end = Result { try run(&report) }
    // Also when there is no test, so that nobody reads the results of the last time.
    try file.write(report.xml)
    try end.get()
  }

  private func run(_ report: inout JUnitReport) throws {
    let choice = try TestChoice(paths)
    let session = try ScriptSession(
      choice.directory, settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
    let generation = try session.loadOnce()
    for problem in generation.errors + generation.restored { Terminal.error("moondial: \(problem)") }
    let wanted = try choice.wanted(generation.snapshot.tests.map(\.path))
    let suite = try TestSuite(session, generation) { wanted.contains($0) }
    let errors = suite.problems.filter { $0.severity == .error }
    for problem in suite.problems { Terminal.error("\(problem)") }
    let tests = suite.tests.filter { test in filter.map { test.name.contains($0) } ?? true }
    if tests.isEmpty, errors.isEmpty {
      guard let filter, !suite.tests.isEmpty else {
        throw CommandFailure("there is no *_test.lua in \(choice.directory): docs/testing.md has one to begin with")
      }
      throw CommandFailure("no test; --filter \(filter) leaves none of \(counted(suite.tests.count, "test"))")
    }
    let began = monotonicNow()
    var failures = 0
    for problem in generation.errors + errors { report.add(problem) }
    for test in tests {
      let result = try suite.run(test)
      report.add(test, result)
      if !result.hasPassed { failures += 1 }
      json ? show(json: test, result) : show(test, result)
    }
    finish(tests.count - failures, failures, errors.count, monotonicNow() - began)
    if failures > 0 || !errors.isEmpty || !generation.errors.isEmpty { throw CommandFailure.silent }
  }

  private func show(_ test: ScriptTest, _ result: TestResult) {
    Terminal.line(
      "\(result.hasPassed ? "ok    " : "FAIL  ")\(test.source)  \(test.name)  \(TimeFormat.span(result.duration))")
    if !result.hasPassed {
      let location = result.error.map { error -> String in
        guard let file = error.file, let line = error.line else { return "" }
        return "\(file):\(line): "
      }
      Terminal.block((location ?? "") + result.message)
      if verbose, let traceback = result.error?.traceback { Terminal.block(traceback) }
    }
    guard verbose || !result.hasPassed else { return }
    for run in result.runs.suffix(Self.linesOfFailure) {
      guard let outcome = run.outcome, outcome != .succeeded else { continue }
      Terminal.line("  \(run.job) #\(run.id) \(outcome.rawValue)\(run.error.map { ": " + $0.message } ?? "")")
    }
    if let note = result.note { Terminal.line("  \(note)") }
    guard !result.log.isEmpty else { return }
    let lines = verbose ? result.log[...] : result.log.suffix(Self.linesOfFailure)
    if lines.count < result.log.count {
      Terminal.line("  … \(result.log.count - lines.count) lines before (--verbose shows them)")
    }
    for line in lines {
      let who = line.job.map { job in "\(job)\(line.run.map { " #\($0)" } ?? "")" } ?? "test"
      Terminal.line(
        "  \(line.level.rawValue) \(who): \(line.message)\(line.fields.map { " " + $0.text } ?? "")")
    }
  }

  /// Log lines that are shown of a test that failed.
  private static let linesOfFailure = 20

  private func show(json test: ScriptTest, _ result: TestResult) {
    var line = JSONObject()
    line.set("file", test.source.file)
    line.set("line", test.source.line)
    line.set("name", test.name)
    line.set("outcome", result.hasPassed ? "passed" : result.outcome.rawValue)
    line.set("duration_ms", Double(result.duration) / 1e6)
    if let error = result.error {
      var object = JSONObject()
      object.set("message", result.message)
      object.set("file", error.file)
      object.set("line", error.line)
      object.set("traceback", error.traceback)
      line.set("error", json: object.json)
    }
    line.set("note", result.note)
    Terminal.json(line.json)
  }

  private func finish(_ passed: Int, _ failed: Int, _ broken: Int, _ duration: Int64) {
    guard json else {
      let files = broken > 0 ? ", \(counted(broken, "mistake")) in test files" : ""
      Terminal.line("\(passed) passed, \(failed) failed\(files) in \(TimeFormat.span(duration))")
      return
    }
    var line = JSONObject()
    line.set("passed", passed)
    line.set("failed", failed)
    line.set("mistakes", broken)
    line.set("duration_ms", Double(duration) / 1e6)
    Terminal.json(line.json)
  }
}

/// What the words behind `moondial test` mean.
struct TestChoice {
  /// The scripts directory.
  let directory: String
  /// Files and directories below it; none: all of it.
  private let paths: [String]

  /// The first word is the scripts directory when it is a directory; files alone are of `scripts` when they lie in it,
  /// else of the directory that holds the first of them.
  init(_ words: [String]) throws {
    for word in words {
      if case .missing = FileKind(word) { throw CommandFailure(.usage, "there is no file or directory \(word)") }
    }
    guard let first = words.first else {
      directory = "scripts"
      paths = []
      return
    }
    if case .directory = FileKind(first), !Self.isBelow(first, "scripts") {
      directory = first
      paths = Array(words.dropFirst())
    } else {
      directory = words.allSatisfy { Self.isBelow($0, "scripts") } ? "scripts" : Self.parent(of: first)
      paths = words
    }
  }

  /// The test files that are meant.
  func wanted(_ tests: [ScriptPath]) throws -> Set<ScriptPath> {
    guard !paths.isEmpty else { return Set(tests) }
    let root = Self.absolute(directory)
    var wanted: Set<ScriptPath> = []
    for path in paths {
      let named = Self.absolute(path)
      let found = tests.filter { test in
        let file = root + "/" + test.text
        return named == root || file == named || file.hasPrefix(named + "/")
      }
      guard !found.isEmpty else {
        throw CommandFailure(
          .usage, "\(path) is no *_test.lua of the scripts directory \(directory), and no directory with one")
      }
      wanted.formUnion(found)
    }
    return wanted
  }

  private static func isBelow(_ path: String, _ directory: String) -> Bool {
    let root = absolute(directory)
    return absolute(path).hasPrefix(root + "/")
  }

  private static func parent(of path: String) -> String {
    let whole = absolute(path)
    guard let slash = whole.lastIndex(of: "/"), slash != whole.startIndex else { return "/" }
    return String(whole[..<slash])
  }

  private static func absolute(_ path: String) -> String {
    PlainPath.absolute(path, from: SystemCall.workingDirectory)
  }
}

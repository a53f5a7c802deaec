internal import Basics
internal import Chronology
package import FileWatching
package import Hosting
internal import JobModel
internal import Lua
package import ScriptLoading
internal import ScriptRuntime

/// The tests of a scripts directory, loaded and ready to run.
///
///     let suite = try TestSuite(session, generation) { file in true }
///     for test in suite.tests { let result = try suite.run(test) }
///
/// Threading: one thread at a time.
package final class TestSuite {
  /// In the order of files, and of lines in them.
  package private(set) var tests: [ScriptTest] = []
  /// What is wrong with the files. A file with errors has no tests.
  package private(set) var problems: [ScriptProblem] = []
  /// How many files were loaded.
  package private(set) var files = 0

  private let session: ScriptSession
  private let generation: LoadedGeneration
  private let zone: TimeZoneRules

  /// What a test's clock shows at its beginning unless it says otherwise: the first moment of 2026 in its zone.
  private static let begin = CivilDateTime(date: CivilDate(year: 2026, month: 1, day: 1))

  /// Loads the test files that are wanted.
  ///
  /// - Parameter generation: the scripts that are tested.
  package init(
    _ session: ScriptSession, _ generation: LoadedGeneration, isWanted: (ScriptPath) -> Bool
  ) throws(HostError) {
    self.session = session
    self.generation = generation
    do {
      zone = try session.zones.zone(named: session.configuration.timeZone ?? session.systemZone.name)
      let host = try LuaHost(services: .unwired) { TestModules.declaring($0) }
      defer { host.stop() }
      let loader = try ScriptLoader(runtime: host.runtime, zones: session.zones, systemZone: zone.name)
      for file in generation.snapshot.tests where isWanted(file.path) { load(file, loader) }
    } catch { throw HostError("the tests cannot be loaded: \(error)") }
  }

  private func load(_ file: ScriptFile, _ loader: ScriptLoader) {
    files += 1
    let snapshot = generation.snapshot
    let alone = DirectorySnapshot([ScriptFile(file.path, .script, file.content)] + snapshot.modules)
    var configuration = HostConfiguration()
    configuration.quotas = session.configuration.quotas
    let loaded = loader.load(alone, configuration: configuration)
    let names = Set(generation.jobs.map(\.name))
    var own = loaded.problems.filter { $0.location.file != file.path.text || $0.message != "it declares no job" }
      .map(Self.reworded)
    var found: [ScriptTest] = []
    for definition in loaded.jobs.sorted(by: { $0.source.line < $1.source.line }) {
      switch test(definition, names) {
      case .success(let test): found.append(test)
      case .failure(let problem): own.append(problem)
      }
    }
    if found.isEmpty, !own.contains(where: { $0.severity == .error }) {
      own.append(
        ScriptProblem(
          .error, at: SourceLocation(file: file.path.text, line: 0),
          "it has no test: write test(\"name\", function(t) … end)"))
    }
    problems += own
    if !own.contains(where: { $0.severity == .error }) { tests += found }
  }

  /// A test is a job by another name, and nobody need know.
  private static func reworded(_ problem: ScriptProblem) -> ScriptProblem {
    guard problem.message.hasPrefix("job \"") else { return problem }
    return ScriptProblem(
      problem.severity, at: problem.location, "test" + problem.message.dropFirst(3), traceback: problem.traceback)
  }

  private func test(_ definition: JobDefinition, _ names: Set<String>) -> Result<ScriptTest, ScriptProblem> {
    func wrong(_ text: String) -> Result<ScriptTest, ScriptProblem> {
      .failure(ScriptProblem(.error, at: definition.source, "test \"\(definition.name)\": \(text)"))
    }
    guard case .table(let options)? = definition.params.flatMap(LuaValue.init(json:)) else {
      return .success(ScriptTest(definition: definition, begin: zone.instant(of: Self.begin), jobs: nil))
    }
    var begin = zone.instant(of: Self.begin)
    switch options["at"] ?? .nil {
    case .nil: break
    case .string(let text):
      do throws(TimeTextError) {
        begin = try ISO8601.parse(text.text).instant(in: zone)
      } catch { return wrong("at = \"\(text.text)\": \(error.message)") }
    default: return wrong("at is a time as text, such as \"2026-03-29T01:00\"")
    }
    guard let wanted = options["jobs"] else {
      return .success(ScriptTest(definition: definition, begin: begin, jobs: nil))
    }
    guard case .table(let list) = wanted, list.isSequence, list.array.allSatisfy({ $0.text != nil }) else {
      return wrong("jobs is a list of names, such as { \"price\" }")
    }
    let jobs = list.array.compactMap(\.text)
    if let unknown = jobs.first(where: { !names.contains($0) }) {
      let hint = closestName(to: unknown, in: names).map { "; did you mean \"\($0)\"?" } ?? ""
      return wrong("jobs: no script declares a job \"\(unknown)\"\(hint)")
    }
    return .success(ScriptTest(definition: definition, begin: begin, jobs: jobs))
  }

  // MARK: Running

  /// Runs a test in a host and a directory of its own, which is gone afterwards. Blocks until it has ended, for its
  /// timeout of real time at most.
  package func run(_ test: ScriptTest) throws(HostError) -> TestResult {
    let directory = try TestDirectory()
    defer { directory.remove() }
    let began = monotonicNow()
    do {
      let host = try TestHost(setting(of: test, directory.path))
      try host.start()
      let own: TestRun
      do { own = try TestRun(host) } catch {
        host.stop()
        throw error
      }
      let report = own.execute(test)
      own.stop()
      host.stop()
      var result = TestResult(
        outcome: report.outcome, error: report.details?.error, duration: monotonicNow() - began, log: host.log.all,
        runs: host.runs)
      if !result.hasPassed { result.note = note(on: result.runs) }
      return result
    } catch let error as HostError { throw error } catch {
      throw HostError("test \"\(test.name)\" cannot be run: \(error)")
    }
  }

  /// A job of an executor with all libraries may be told that there is no `io`, which its host has.
  private func note(on runs: [RunRecord]) -> String? {
    let failed = Set(runs.lazy.filter { $0.outcome != .succeeded }.map(\.job))
    let executors = session.configuration.executors
    let names = Set(generation.jobs.filter { failed.contains($0.name) }.map(\.executor)).filter { name in
      executors[name].map { $0.kind == .process && $0.process.libraries == .all } ?? false
    }
    guard let name = names.min() else { return nil }
    return "executor \"\(name)\" has libraries = \"all\": a test runs its jobs in the sandbox, without them"
  }

  private func setting(of test: ScriptTest, _ directory: String) throws -> TestHost.Setting {
    let configuration = session.configuration
    let table =
      session.allowsAll ? GrantTable.all : try GrantTable(configuration.grants, baseDirectory: directory)
    let wanted = test.jobs.map(Set.init)
    let jobs = generation.jobs.filter { wanted?.contains($0.name) ?? true }.map { job -> JobDefinition in
      var job = job
      job.store = "default"
      job.executor = "default"
      if let payload = job.payload as? LuaJobPayload { job.payload = payload.forAnotherHost() }
      return job
    }
    return TestHost.Setting(
      jobs: jobs, groups: configuration.groups, begin: test.begin, zones: session.zones, zone: zone,
      quotas: configuration.quotas,
      // moondial.lua is where grants are written.
      grants: { script in
        Self.below(directory, script == .configuration ? .all : table.grants(for: script))
      }, onFailure: configuration.onFailure?.forAnotherHost(), directory: directory)
  }

  /// What a script may do, as far as it is in the test's directory.
  private static func below(_ directory: String, _ grants: Grants) -> Grants {
    var grants = grants
    switch grants.files {
    case .any: grants.files = .below([Grants.FileRoot(path: directory, isWritable: true)])
    case .below(let roots):
      grants.files = .below(roots.filter { $0.path == directory || $0.path.hasPrefix(directory + "/") })
    }
    return grants
  }
}

internal import Chronology
internal import FileWatching
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization
internal import Triggers

/// Evaluates one script after the other in a fresh declare state: top level, checks, capture.
///
/// One Lua state serves all scripts and is reset in between, so nothing of one script reaches another. Not thread-safe.
final class ScriptEvaluator {
  private let declaration: LuaDeclaration
  private let session: DeclareSession
  private let library: LibraryInUse
  /// Of the script at hand, for `cancel`.
  private let current = Mutex<WorkDeadline?>(nil)
  private let isEnded = Atomic(false)

  /// What `require` reads from; the declaration's loader must be `Sendable`, hence the lock.
  private final class LibraryInUse: Sendable {
    let library = Mutex(ModuleLibrary(.empty))
  }

  init(runtime: LuaRuntime) throws(LuaError) {
    let library = LibraryInUse()
    let session = DeclareSession()
    declaration = try runtime.makeDeclaration(
      context: session, loader: { name in library.library.withLock { $0 }.source(named: name) })
    self.session = session
    self.library = library
  }

  /// What a script needs to know of its environment.
  struct Conditions {
    let environment: DeclareEnvironment
    let library: ModuleLibrary
    /// Modules that runs of the script's jobs have asked for.
    let lateModules: Set<String>
    /// The globals that versions of the script assign.
    let declared: DeclaredGlobals
    /// The script's text, for places in messages.
    let source: [UInt8]?
    /// The version in force: jobs that have not changed keep their payload, and with it their states.
    let former: ScriptVersion?
  }

  /// The result of an evaluation, and whether it may be the middle of a save.
  struct Outcome {
    let evaluation: ScriptEvaluation
    /// The file that ends in the middle of something: the script, a module that it requires, or a calendar that it
    /// names.
    let unfinished: ScriptPath?
    /// Whether it was ended because its time was over.
    var isOverrun = false
  }

  /// Ends the evaluation with this deadline, the one that goes on or one that is about to begin; its outcome says so.
  /// Any thread.
  func cancel(_ deadline: WorkDeadline) {
    deadline.cancel()
    current.withLock { if $0 === deadline { declaration.cancel() } }
  }

  /// Ends the evaluation that goes on, and every later one as it begins. Any thread.
  func end() {
    isEnded.store(true, ordering: .sequentiallyConsistent)
    if let deadline = current.withLock({ $0 }) { cancel(deadline) }
  }

  /// - Parameter deadline: when the script must have loaded.
  func evaluate(_ file: ScriptFile, _ conditions: Conditions, within deadline: WorkDeadline) -> Outcome {
    let path = file.path
    switch file.content {
    case .failure(let problem):
      return Outcome(
        evaluation: ScriptEvaluation(path: path, version: nil, problems: [ScriptProblem(problem)]), unfinished: nil)
    case .success(let content):
      library.library.withLock { $0 = conditions.library }
      conditions.environment.deadline = deadline
      declaration.timeout = deadline.allowed
      current.withLock { $0 = deadline }
      // Whoever cancels from now on finds it there; who did before has left a mark.
      if isEnded.load(ordering: .sequentiallyConsistent) || deadline.isCancelled { cancel(deadline) }
      session.begin(.script, file: path.text, environment: conditions.environment)
      defer {
        current.withLock { $0 = nil }
        session.begin(.expression, file: "")
        declaration.reset()
        conditions.environment.deadline = nil
      }
      var unfinished = ScriptEvaluator.isBlank(content.bytes) ? path : nil
      do {
        _ = try declaration.evaluate(content.bytes, chunkName: path.text)
        session.finish()
      } catch {
        var error = error
        if error.kind == .deadline { error.message += deadline.note }
        let problem = ScriptProblem(error, in: path.text)
        session.finish(after: problem)
        if error.isUnfinishedSource { unfinished = ScriptPath(problem.location.file) }
      }
      let late = lateModules(of: content.bytes, conditions)
      if !session.problems.hasErrors { unfinished = checkModules(late, path, conditions) ?? unfinished }
      let uses = GlobalUses(session.problems.hasErrors ? [] : declaration.globalUses())
      var jobs = session.problems.hasErrors ? nil : capture(path, conditions, late.names)
      if deadline.isOver {
        // What the host did on the script's behalf took the rest of its time.
        if !session.problems.hasErrors {
          let why = deadline.isCancelled ? "loading was cancelled" : deadline.overrun
          session.problems.error(at: SourceLocation(file: path.text, line: 0), why)
        }
        jobs = nil
      }
      if jobs != nil {
        uses.note(in: &session.problems, hasAllLibraries: conditions.environment.hasAllLibraries)
        conditions.declared.replace(with: uses.assigned)
      }
      if let jobs, jobs.isEmpty {
        session.problems.note(at: SourceLocation(file: path.text, line: 0), "it declares no job")
      }
      let calendars = conditions.environment.calendars
      let named = calendars?.takeNamed() ?? []
      unfinished = unfinished ?? calendars?.unfinished(among: named)
      let evaluation = ScriptEvaluation(
        path: path,
        version: session.problems.hasErrors ? nil : jobs.map { ScriptVersion(jobs: $0, content: content.hash) },
        problems: session.problems.sorted(in: path.text),
        modules: declaration.requiredModules.map(\.name) + late.names.sorted(),
        calendars: named)
      return Outcome(evaluation: evaluation, unfinished: unfinished, isOverrun: deadline.isOver)
    }
  }

  /// What the script's text asks for and its top level has not: modules that its runs will require.
  private func lateModules(
    of bytes: [UInt8], _ conditions: Conditions
  ) -> (names: Set<String>, direct: [RequireScan.Request]) {
    conditions.library.requests(of: bytes, except: Set(declaration.requiredModules.map(\.name)))
  }

  /// Says of modules that only runs require what would otherwise be found out then. Returns one that ends in the middle
  /// of something.
  private func checkModules(
    _ late: (names: Set<String>, direct: [RequireScan.Request]), _ path: ScriptPath, _ conditions: Conditions
  ) -> ScriptPath? {
    var unfinished: ScriptPath?
    for name in late.names.sorted() {
      guard case .source(let bytes, let chunkName) = conditions.library.source(named: name) else { continue }
      do {
        try declaration.check(bytes, chunkName: chunkName)
      } catch {
        session.problems.add(ScriptProblem(error, in: chunkName))
        if error.isUnfinishedSource { unfinished = ScriptPath(chunkName) }
      }
    }
    // The modules of the system are found by the processes that have them.
    if conditions.environment.hasAllLibraries { return unfinished }
    for request in late.direct where !LuaRuntime.isStockLibrary(request.name) {
      if case .missing(let text) = conditions.library.source(named: request.name) {
        session.problems.note(
          at: SourceLocation(file: path.text, line: request.line), "module '\(request.name)' not found: \(text)")
      }
    }
    return unfinished
  }

  /// Nothing but white space: many editors empty a file before they write it.
  private static func isBlank(_ bytes: [UInt8]) -> Bool {
    bytes.allSatisfy { $0 == 32 || (9...13).contains($0) }
  }

  /// The definitions with their captured functions, or `nil` after an error.
  private func capture(
    _ path: ScriptPath, _ conditions: Conditions, _ textualModules: Set<String>
  ) -> [JobDefinition]? {
    var declared = session.takeJobs()
    guard
      let capsules = JobCapture.capture(
        declared, in: declaration, script: path.text, problems: &session.problems,
        location: { field in self.location(ofHostField: field, path, conditions) })
    else {
      return nil
    }
    var former: [String: JobDefinition] = [:]
    for job in conditions.former?.jobs ?? [] { former[job.name] = job }
    var jobs: [JobDefinition] = []
    jobs.reserveCapacity(declared.count)
    let scope = ScriptScope(
      script: path, library: conditions.library, lateModules: conditions.lateModules.union(textualModules),
      declared: conditions.declared)
    for (index, capsule) in capsules.enumerated() {
      let payload = LuaJobPayload(
        capsule: capsule, scope: scope, memoryLimit: declared[index].definition.memoryLimit,
        roots: declared[index].roots)
      // In place, where it is held once: elsewhere the change would copy it.
      declared[index].definition.payload = payload
      let definition = declared[index].definition
      if !former.isEmpty, let old = former[definition.name], old.hasSameOptions(as: definition),
        case .none = payload.difference(from: old.payload)
      {
        declared[index].definition.payload = old.payload
      }
      jobs.append(declared[index].definition)
    }
    return jobs
  }
}

extension ScriptEvaluator {
  /// Where a text first names a field of a host table, such as `string.split`: the script, then its modules.
  private func location(ofHostField field: String, _ path: ScriptPath, _ conditions: Conditions) -> SourceLocation? {
    var texts: [(name: String, bytes: [UInt8])] = []
    if let bytes = conditions.source { texts.append((path.text, bytes)) }
    for module in declaration.requiredModules {
      if case .source(let bytes, let name) = conditions.library.source(named: module.name) {
        texts.append((name, bytes))
      }
    }
    for text in texts {
      let lines = text.bytes.split(separator: 10, omittingEmptySubsequences: false)
      if let index = lines.firstIndex(where: { Self.assigns(field, String(decoding: $0, as: UTF8.self)) }) {
        return SourceLocation(file: text.name, line: index + 1)
      }
    }
    return nil
  }

  /// Whether a line looks as if it set the field: `function string.split(` or `string.split =`.
  private static func assigns(_ field: String, _ line: String) -> Bool {
    guard let range = line.firstRange(of: field) else { return false }
    let rest = line[range.upperBound...].drop { $0 == " " || $0 == "\t" }
    return rest.first == "=" && !rest.hasPrefix("==")
      || rest.first == "(" && line[..<range.lowerBound].contains("function")
  }
}

extension LuaError {
  /// Whether the parser was still waiting for something when a text ended. In a module that is a run time error of
  /// `require`, so only the words tell.
  var isUnfinishedSource: Bool { message.hasSuffix("near <eof>") }
}

extension WorkDeadline {
  /// For one script: messages name the setting.
  convenience init(loading allowed: Int64) {
    self.init(allowed: allowed, note: Quotas.message("", "load_timeout"))
  }
}

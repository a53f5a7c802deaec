internal import Chronology
package import JobModel
internal import Lua
package import ScriptRuntime
internal import Triggers

/// A job as a script declared it: checked, with its functions still in the declaring state.
package struct DeclaredJob {
  package var definition: JobDefinition
  package let roots: JobRoots
}

/// The evaluation of one file: what the functions of declare mode (`job`, `job_defaults`, `cron`, …) add to.
///
/// It is the context object of a `LuaDeclaration`, made once and begun anew for each file. A mistake in a job does not
/// stop the script: it is kept as a problem, and the script goes on to show its others.
///
/// Not thread-safe: it belongs to the thread that evaluates.
package final class DeclareSession {
  /// What kind of file is evaluated.
  package enum Purpose: Sendable, Hashable {
    case script
    /// moondial.lua, where jobs cannot be declared.
    case configuration
    /// A trigger expression.
    case expression
  }

  package private(set) var purpose = Purpose.expression
  /// The path of the file, as its places are reported.
  package private(set) var file = ""
  package private(set) var jobs: [DeclaredJob] = []
  package var problems = ScriptProblems()

  private var environment: DeclareEnvironment?
  /// Each job starts from this: the host's and the script's defaults.
  private var base: JobDraft?
  private var defaultsLocation: SourceLocation?
  private var names = DeclaredNames()
  private var firstJobLocation: SourceLocation?
  private var open = OpenJobs()
  /// Trigger values made so far, and those that a job used.
  private var specifications: [TriggerSpecification] = []
  private var usedSpecifications: Set<ObjectIdentifier> = []
  private var amounts = DeclaredAmounts()

  package init() {}

  /// The zone of jobs that name none.
  var zone: TimeZoneRules { base?.timing.zone ?? environment?.zone ?? .utc }

  /// Forgets the last file and begins with the next one.
  package func begin(_ purpose: Purpose, file: String, environment: DeclareEnvironment? = nil) {
    self.purpose = purpose
    self.file = file
    self.environment?.triggers.forgetValues()
    self.environment = environment
    amounts = DeclaredAmounts()
    jobs = []
    problems = ScriptProblems()
    base = nil
    defaultsLocation = nil
    names = DeclaredNames()
    firstJobLocation = nil
    _ = open.takeAll()
    specifications = []
    usedSpecifications = []
    guard let environment else { return }
    var draft = JobDraft(zone: environment.zone)
    // What is wrong with the host's defaults was reported when moondial.lua was read.
    var decoder = JobDecoder(environment, .hostDefaults)
    decoder.apply(environment.hostDefaults, to: &draft)
    base = draft
  }

  /// The jobs, which are the caller's from now on: nothing else holds them, so that changing one copies nothing.
  func takeJobs() -> [DeclaredJob] {
    defer { jobs = [] }
    return jobs
  }

  /// To be called when the file's top level has ended: reports what was left unfinished.
  ///
  /// - Parameter error: what the top level was ended by. A job without a table is then its consequence and not
  ///   reported.
  package func finish(after error: ScriptProblem? = nil) {
    if let error {
      problems.add(error)
      _ = open.takeAll()
    }
    for call in open.takeAll() {
      problems.error(at: call.location, "job \(quoted(call.name)) has no table; write job \(quoted(call.name)) { … }")
    }
    guard let environment, let base else { return }
    // A trigger value that no job uses is checked all the same: it is in the script to be used.
    let context = TriggerContext(
      zones: environment.zones, zone: base.timing.zone, dst: base.timing.dst, jobName: "unused", now: environment.now,
      calendars: environment.calendars, deadline: environment.deadline)
    for specification in specifications where !usedSpecifications.contains(ObjectIdentifier(specification)) {
      do {
        _ = try environment.triggers.build(specification, in: context)
      } catch {
        problems.error(
          at: environment.triggers.takeFailure() ?? SourceLocation(file: file, line: 0), error.description)
        if environment.deadline?.isOver == true { return }
      }
    }
  }

  /// The place of a call, in this file's own spelling (Lua shortens long names).
  func location(_ location: LuaLocation?) -> SourceLocation {
    guard let location else { return SourceLocation(file: file, line: 0) }
    let isOwn = location.file == file || location.file.isShortened(from: file)
    return SourceLocation(file: isOwn ? file : location.file, line: location.line)
  }
}

// MARK: - What scripts call

extension DeclareSession {
  /// `job "name"`: its table is still to come. Returns the ticket to give with the table.
  func openJob(_ name: String, at location: SourceLocation) throws(DeclareOverrun) -> Int {
    try amounts.addJob(quota)
    return open.open(name, at: location)
  }

  /// The table of a `job { … }` without a call before it.
  func countJob() throws(DeclareOverrun) { try amounts.addJob(quota) }

  /// - Parameter bytes: of everything that the script has handed over so far.
  func countBytes(_ bytes: Int) throws(DeclareOverrun) { try amounts.checkBytes(bytes, quota) }

  private var quota: DeclareQuota { environment?.quota ?? DeclareQuota() }

  /// The table of `job "name"`. Returns the job's name.
  ///
  /// - Parameter place: asked for when the ticket was used before: to find it costs as much as to read a table.
  func closeJob(_ ticket: Int, _ value: Result<LuaValue, LuaError>, at location: @autoclosure () -> SourceLocation)
    -> String?
  {
    // The line of `job "name"` is the better one when the table was given elsewhere.
    let call = open.close(ticket)
    return declare(call?.name, value, at: call?.location ?? location())
  }

  /// Declares a job, or says everything that is wrong with it. Returns its name, when it has one.
  @discardableResult
  func declare(_ name: String?, _ value: Result<LuaValue, LuaError>, at location: SourceLocation) -> String? {
    guard purpose == .script, let environment, let base else {
      problems.error(at: location, "a job cannot be declared here; put it in a script of the scripts directory")
      return name
    }
    if firstJobLocation == nil { firstJobLocation = location }
    func title() -> String { name.map { "job \(quoted($0))" } ?? "job" }
    let table: LuaTable
    switch value {
    case .success(.table(let value)): table = value
    case .success(let other):
      problems.error(at: location, "\(title()) needs a table, not \(other.shown); write job \"name\" { … }")
      return name
    case .failure(let error):
      problems.error(at: location, "\(title()): \(error.message)")
      return name
    }
    var draft = base
    draft.definition.source = location
    var decoder = JobDecoder(environment, .job)
    decoder.apply(table, to: &draft)
    return finish(&draft, name: name, complaints: decoder.reading.complaints, at: location)
  }

  private func finish(_ draft: inout JobDraft, name: String?, complaints: [String], at location: SourceLocation)
    -> String?
  {
    var complaints = complaints
    let named = resolveName(&draft, name, &complaints)
    // Only what is wrong or worth a note needs it.
    func title() -> String { named.isEmpty ? "job" : "job \(quoted(named))" }
    if draft.roots.run == nil, !complaints.contains(where: { $0.hasPrefix("run ") }) {
      complaints.append("run is missing; add run = function(ctx) … end")
    }
    var assembly = TriggerAssembly(draft, environment!)
    do {
      try amounts.addUsed(assembly.extent.parts, quota)
      draft.definition.trigger = assembly.assemble()
    } catch {
      complaints.append(error.message)
    }
    for specification in assembly.specifications { markUsed(specification) }
    complaints += assembly.complaints + (environment?.complaints(aboutNodes: draft.definition) ?? [])
    for complaint in complaints { problems.error(at: location, "\(title()): \(complaint)") }
    for problem in assembly.specificationProblems { problems.error(at: problem.location ?? location, problem.message) }
    if !named.isEmpty { claimName(named, location) }
    if complaints.isEmpty && assembly.specificationProblems.isEmpty && !named.isEmpty {
      for note in notes(on: draft, assembly) { problems.note(at: location, "\(title()): \(note)") }
      // Jobs of a loop agree in nearly everything: their options become one object.
      if let last = jobs.last { draft.definition.shareOptions(with: last.definition) }
      jobs.append(DeclaredJob(definition: draft.definition, roots: draft.roots))
    }
    return named.isEmpty ? nil : named
  }

  private func notes(on draft: JobDraft, _ assembly: TriggerAssembly) -> [String] {
    var notes = assembly.notes
    if draft.definition.debounce != nil, draft.definition.events.isEmpty, base?.definition.debounce == nil {
      notes.append("debounce has no effect, because the job has no on")
    }
    return notes
  }

  /// The job's one name, or what is wrong with it.
  private func resolveName(_ draft: inout JobDraft, _ name: String?, _ complaints: inout [String]) -> String {
    let field = draft.definition.name
    if let name, !field.isEmpty, field != name {
      complaints.append("it has a second name, \(quoted(field)); remove name from its table")
    }
    let named = name ?? field
    draft.definition.name = named
    if named.isEmpty {
      if !complaints.contains(where: { $0.hasPrefix("name ") }) {
        complaints.append("it has no name; write job \"name\" { … }")
      }
    } else if let complaint = DeclareSession.complaint(aboutName: named) {
      complaints.append(complaint)
    }
    return named
  }

  /// Why a text cannot be a job's name.
  static func complaint(aboutName name: String) -> String? {
    if name.isEmpty { return "it has no name; write job \"name\" { … }" }
    if name.utf8.count > 200 { return "its name is longer than 200 bytes" }
    if name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return "its name has a control character in it" }
    if name.utf8.first == 0x20 || name.utf8.last == 0x20 { return "its name begins or ends with a space" }
    return nil
  }

  private func claimName(_ name: String, _ location: SourceLocation) {
    guard let first = names.declare(name, at: location) else { return }
    problems.error(
      at: location, "job \(quoted(name)) is declared twice, first at \(first); give one of them another name")
  }

  private func markUsed(_ specification: TriggerSpecification) {
    guard usedSpecifications.insert(ObjectIdentifier(specification)).inserted else { return }
    for argument in specification.arguments { markUsed(in: argument) }
  }

  private func markUsed(in value: LuaValue) {
    switch value {
    case .object(let object):
      if let specification = object as? TriggerSpecification { markUsed(specification) }
    case .table(let table):
      for item in table.array { markUsed(in: item) }
      for field in table.fields { markUsed(in: field.value) }
    default: break
    }
  }

  /// `job_defaults { … }`
  func setDefaults(_ value: Result<LuaValue, LuaError>, at location: SourceLocation) {
    guard purpose == .script, let environment, var draft = base else {
      problems.error(
        at: location,
        "job_defaults cannot be called here; put it in a script, or write job_defaults = { … } in moondial.lua")
      return
    }
    if let firstJobLocation {
      problems.error(
        at: location, "job_defaults comes after a job (\(firstJobLocation)); move it to the top of the script")
    } else if let defaultsLocation {
      problems.error(at: location, "job_defaults is called twice, first at \(defaultsLocation); make it one table")
    }
    defaultsLocation = defaultsLocation ?? location
    switch value {
    case .success(.table(let table)):
      var decoder = JobDecoder(environment, .scriptDefaults)
      decoder.apply(table, to: &draft)
      for complaint in decoder.reading.complaints { problems.error(at: location, "job_defaults: \(complaint)") }
      base = draft
    case .success(let other):
      problems.error(at: location, "job_defaults needs a table, not \(other.shown); write job_defaults { … }")
    case .failure(let error):
      problems.error(at: location, "job_defaults: \(error.message)")
    }
  }

  /// A trigger constructor was called.
  func made(_ specification: TriggerSpecification) throws(DeclareOverrun) {
    try amounts.addMade(specification.ownParts, quota)
    specifications.append(specification)
  }
}

extension String {
  /// Whether Lua made this of a chunk's name that is longer than its messages have room for: "...long/path/to/a.lua".
  func isShortened(from name: String) -> Bool {
    utf8.count >= 50 && utf8.starts(with: "...".utf8) && name.hasSuffix(dropFirst(3))
  }
}

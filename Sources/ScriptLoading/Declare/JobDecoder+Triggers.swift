internal import Chronology
package import JobModel
internal import Lua
package import Triggers

/// A mistake in a trigger value, which is reported where the value was made.
package struct SpecificationProblem {
  package var location: SourceLocation?
  package var message: String
}

/// The part of decoding that needs to know everything else about a job: its time triggers.
package struct TriggerAssembly {
  private let environment: DeclareEnvironment
  // Not the draft: its definition is still written, and is copied when somebody else holds it.
  private let timing: JobDraft.Timing
  private let context: TriggerContext
  package private(set) var complaints: [String] = []
  /// Mistakes of trigger values made elsewhere than in the job's table.
  package private(set) var specificationProblems: [SpecificationProblem] = []
  private(set) var notes: [String] = []
  /// The trigger values that the job uses.
  private(set) var specifications: [TriggerSpecification] = []
  /// How large they are together, with those that are written in the table.
  let extent: TriggerExtent

  package init(_ draft: JobDraft, _ environment: DeclareEnvironment) {
    timing = draft.timing
    extent = TriggerExtent(sumOf: draft.timing.times.lazy.map { TriggerExtent(of: [$0.value]) })
    self.environment = environment
    context = TriggerContext(
      zones: environment.zones, zone: timing.zone, dst: timing.dst, jobName: draft.definition.name,
      now: environment.now,
      calendars: environment.calendars, deadline: environment.deadline)
  }

  private var isFine: Bool { complaints.isEmpty && specificationProblems.isEmpty }

  /// All time triggers of the job as one, within its dates; `nil` when it has none, or when something is wrong with
  /// them.
  package mutating func assemble() -> AnyTrigger? {
    if let complaint = extent.complaint {
      complaints.append("its trigger is too large: \(complaint)")
      return nil
    }
    var triggers: [AnyTrigger] = []
    for time in timing.times { build(time.field, time.value, into: &triggers) }
    let from = date(.startDate, timing.startDate)
    let until = date(.endDate, timing.endDate)
    guard isFine else { return nil }
    guard !timing.times.isEmpty else {
      noteUselessOptions()
      return nil
    }
    if let from, let until, until < from {
      complaints.append("end_date is before start_date, so it can never fire; swap them")
      return nil
    }
    var trigger = triggers.count == 1 ? triggers[0] : AnyTrigger.anyOf(triggers)
    if from != nil || until != nil { trigger = trigger.bounded(from: from, until: until) }
    check(trigger)
    if let until, until < environment.now, !notes.contains(TriggerAssembly.isOver) {
      notes.append("end_date is over, so the job runs only when asked")
    }
    return complaints.isEmpty ? trigger : nil
  }

  // MARK: Building

  /// The triggers of one field. `cron` and `trigger` may be lists.
  private mutating func build(_ field: JobField, _ value: LuaValue, into triggers: inout [AnyTrigger]) {
    if field == .cron || field == .trigger, case .table(let table) = value, !table.array.isEmpty, table.isSequence {
      for item in table.array {
        if let trigger = buildOne(field, item) { triggers.append(trigger) }
      }
    } else if let trigger = buildOne(field, value) {
      triggers.append(trigger)
    }
  }

  private mutating func buildOne(_ field: JobField, _ value: LuaValue) -> AnyTrigger? {
    let specification: TriggerSpecification
    // What nearly every job has: one text, and no specification to make for it.
    if field != .trigger, case .string(let text) = value {
      do {
        return take(try environment.triggers.build(field.rawValue, text: text.text, in: context))
      } catch {
        complaints.append(error.description)
        return nil
      }
    }
    if case .object(let object) = value {
      guard let made = object as? TriggerSpecification else {
        complaints.append("\(field.rawValue) must be a trigger, not \(value.shown)")
        return nil
      }
      guard field == .trigger || made.constructor == field.rawValue else {
        complaints.append("\(field.rawValue) holds a trigger made by \(made.constructor); write trigger = … for it")
        return nil
      }
      specification = made
      specifications.append(made)
    } else if field == .trigger {
      complaints.append("trigger must be a trigger value like cron \"0 3 * * *\" or any_of { … }, not \(value.shown)")
      return nil
    } else {
      specification = TriggerSpecification(constructor: field.rawValue, arguments: [value])
    }
    do {
      return take(try environment.triggers.build(specification, in: context))
    } catch {
      if let location = environment.triggers.takeFailure() {
        specificationProblems.append(SpecificationProblem(location: location, message: error.description))
      } else {
        complaints.append(error.description)
      }
      return nil
    }
  }

  private mutating func take(_ built: BuiltTrigger) -> AnyTrigger {
    for note in built.notes where !notes.contains(note.message) { notes.append(note.message) }
    return built.trigger
  }

  // MARK: Dates

  /// An instant as scripts write it. The end of the job's time includes the day that it names.
  private mutating func date(_ field: JobField, _ value: LuaValue?) -> Instant? {
    let name = field.rawValue
    switch value {
    case nil:
      return nil
    case .integer(let seconds)?:
      return Instant(seconds: seconds)
    case .number(let seconds)?:
      if let instant = Instant(fractionalSeconds: seconds) { return instant }
    case .string(let string)?:
      do {
        let written = try ISO8601.parse(string.text)
        guard field == .endDate, !written.hasTimeOfDay else { return written.instant(in: timing.zone) }
        return WrittenTime.end(of: written.civil.date, in: timing.zone)
      } catch {
        complaints.append("\(name) \(quoted(string.text)): \(error.message)")
        return nil
      }
    default:
      break
    }
    complaints.append(
      "\(name) must be a time like \"2027-01-31 09:00\" or seconds since 1970, not \(value?.shown ?? "nil")")
    return nil
  }

  // MARK: Sense

  private static let isOver = "its last fire time is over, so it runs only when asked"

  private mutating func check(_ trigger: AnyTrigger) {
    if trigger.firesAtStart { return }
    switch trigger.nextFire(after: .distantPast) {
    case .at: break
    case .never:
      complaints.append("its trigger can never fire; change it, or leave it out for a job that runs only when asked")
      return
    case .unknown(let searched):
      notes.append(
        "no fire time was found up to \(ISO8601.format(searched, in: timing.zone)); check what its triggers have in common"
      )
      return
    }
    guard notes.isEmpty, !trigger.needsAnchor, case .never = trigger.nextFire(after: environment.now) else { return }
    notes.append(TriggerAssembly.isOver)
  }

  private mutating func noteUselessOptions() {
    for field in timing.timeOptions {
      notes.append("\(field.rawValue) has no effect, because the job has no cron, every, at, calendar or trigger")
    }
  }
}

extension WrittenTime {
  /// The last nanosecond of a day on a zone's clocks.
  fileprivate static func end(of date: CivilDate, in zone: TimeZoneRules) -> Instant {
    let next = CivilDateTime(date: CivilDate(daysSinceEpoch: date.daysSinceEpoch + 1))
    return zone.instant(of: next).advanced(byNanoseconds: -1)
  }
}

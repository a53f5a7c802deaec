internal import ScriptRuntime
internal import Chronology
internal import JobModel
package import Lua
internal import Triggers

/// Reads tables of job fields into a ``JobDraft``, strictly: every key must be known, every value have its type and
/// limits.
///
/// It finds all mistakes of a table in one pass; each is one sentence in `reading.complaints`.
package struct JobDecoder {
  /// What jobs may refer to.
  package let environment: DeclareEnvironment
  package let scope: JobField.Scope
  package var reading = FieldReading()

  package init(_ environment: DeclareEnvironment, _ scope: JobField.Scope) {
    self.environment = environment
    self.scope = scope
  }

  /// Applies a table's fields to `draft`.
  package mutating func apply(_ table: LuaTable, to draft: inout JobDraft) {
    reading.namedKeysOnly(table, in: scope.table)
    for (position, field) in table.fields.enumerated() {
      if reading.complaints.count >= Self.mostComplaints {
        reading.complain("and there may be more: mend these first")
        break
      }
      guard let name = environment.fields.field(named: field.key, at: position), name.isAllowed(in: scope) else {
        reading.complain(complaint(aboutKey: field.key))
        continue
      }
      apply(name, field.value, to: &draft)
    }
  }

  /// Mistakes of one table that are told. A table with a hundred thousand names that mean nothing has as many.
  private static let mostComplaints = 20

  /// Why a key is refused.
  private func complaint(aboutKey key: String) -> String {
    if scope == .schedule {
      let names = JobField.names(in: scope) + ["id", "replace_existing"]
      if let field = JobField.named[key] {
        return "\(field.rawValue) belongs to the job: set it where the job is declared"
      }
      return "unknown field \(quoted(key))\(FieldReading.suggestion(for: key, among: names))"
    }
    if let field = JobField.named[key] {
      return field == .onError || field == .onFailure || field == .onSuccess
        ? "\(key) is a function and cannot be a default in moondial.lua; set it in a script's job_defaults"
        : "\(key) cannot be a default: it belongs to one job"
    }
    if let advice = JobField.advice[key] { return "unknown field \(quoted(key)): \(advice)" }
    let names = JobField.names(in: scope)
    let suggestion = FieldReading.suggestion(for: key, among: names)
    return "unknown field \(quoted(key))\(suggestion)"
  }

  // MARK: One field

  private mutating func apply(_ field: JobField, _ value: LuaValue, to draft: inout JobDraft) {
    let name = field.rawValue
    switch field {
    case .name:
      if let text = reading.string(name, value) { draft.definition.name = text }
    case .run:
      if let function = function(name, value) { draft.roots.run = function }
    case .onError:
      if let function = function(name, value) { draft.roots.onError = function }
    case .onFailure:
      if let function = function(name, value) { draft.roots.onFailure = function }
    case .onSuccess:
      if let function = function(name, value) { draft.roots.onSuccess = function }
    case .description:
      if let text = reading.string(name, value, atMost: Quotas.descriptionBytes) {
        draft.definition.description = environment.strings.shared(text)
      }
    case .tags:
      if let tags = reading.names(name, value, of: "a string", atMost: Quotas.tags, bytes: Quotas.tagBytes) {
        draft.definition.tags = environment.strings.shared(tags)
      }
    case .params:
      applyParams(value, to: &draft)

    case .cron, .every, .at, .calendar, .trigger:
      draft.timing.times.append((field, value))
    case .on:
      if let events = reading.names(name, value, of: "an event's name", bytes: Quotas.eventNameBytes) {
        draft.definition.events = events
      }
    case .after:
      applyAfter(value, to: &draft)
    case .timezone:
      applyZone(value, to: &draft)
    case .dst:
      applyDST(value, to: &draft)
    case .startDate:
      draft.timing.startDate = value
      noteTimeOption(field, in: &draft)
    case .endDate:
      draft.timing.endDate = value
      noteTimeOption(field, in: &draft)
    case .jitter:
      if let span = reading.duration(name, value, atLeast: 0) { draft.definition.jitter = span }
      noteTimeOption(field, in: &draft)
    case .limit:
      if let limit = reading.integer(name, value, in: 1...Int.max) { draft.definition.limit = limit }
      noteTimeOption(field, in: &draft)
    case .debounce:
      if let span = reading.optionalDuration(name, value, atLeast: 1_000_000) { draft.definition.debounce = span }
    case .runAtStart:
      if let flag = reading.bool(name, value) { draft.definition.runAtStart = flag }

    case .coalesce:
      applyCoalesce(value, to: &draft)
    case .catchUpMax:
      if let count = reading.integer(name, value, in: 1...1_000_000) { draft.definition.catchUpMax = count }
    case .misfireGraceTime:
      if let span = reading.optionalDuration(name, value, atLeast: 0) { draft.definition.misfireGraceTime = span }
    case .maxInstances:
      if let count = reading.integer(name, value, in: 1...100_000) { draft.definition.maxInstances = count }
    case .overlap:
      if let policy = reading.choice(name, value, OverlapPolicy.self) { draft.definition.overlap = policy }
    case .priority:
      if let priority = reading.integer(name, value, in: -100...100) { draft.definition.priority = priority }

    case .timeout:
      applyTimeout(value, to: &draft)
    case .memory:
      applyMemory(value, to: &draft)
    case .retry:
      applyRetry(value, to: &draft)
    case .recover:
      if let flag = reading.bool(name, value) { draft.definition.recover = flag }
    case .state:
      // A shared copy of all options is only made for what differs.
      if let state = reading.choice(name, value, StateLifetime.self), state != draft.definition.state {
        draft.definition.state = state
      }

    case .executor:
      if let text = member(name, value, among: environment.executors) { draft.definition.executor = text }
    case .store:
      if let text = member(name, value, among: environment.stores) { draft.definition.store = text }
    case .onNodes:
      applyNodes(value, to: &draft)
    case .enabled:
      if let flag = reading.bool(name, value) { draft.definition.enabled = flag }
    case .watch:
      if let watch = WatchReading.read(value, &reading) { draft.definition.watch = watch }
    case .group:
      if value == .bool(false) {
        draft.definition.group = nil
      } else if let text = group(value) {
        draft.definition.group = text
      }
    case .rate:
      if let rate = reading.optionalRate(name, value) { draft.definition.rate = rate }
    }
  }

  private mutating func function(_ name: String, _ value: LuaValue) -> LuaReference? {
    if case .function(let reference) = value { return reference }
    reading.complain("\(name) must be a function, not \(value.shown)")
    return nil
  }

  /// What has no effect without a time trigger is worth a note in a job, but not in defaults, which serve many.
  private func noteTimeOption(_ field: JobField, in draft: inout JobDraft) {
    if scope == .job { draft.timing.timeOptions.append(field) }
  }

  private mutating func applyParams(_ value: LuaValue, to draft: inout JobDraft) {
    guard case .table(let table) = value, table.array.isEmpty, table.others.isEmpty else {
      reading.complain("params must be a table of named fields like { region = \"eu\" }, not \(listOr(value))")
      return
    }
    guard !table.isEmpty else { return draft.definition.params = nil }
    switch JSONText.encoding(value, limit: environment.quotas.paramsBytes, setting: "params_bytes") {
    case .success(let json): draft.definition.params = JSONText(environment.strings.shared(json.text))
    case .failure(let refusal): reading.complain("params: \(refusal.message)")
    }
  }

  private mutating func applyTimeout(_ value: LuaValue, to draft: inout JobDraft) {
    guard let span = reading.optionalDuration("timeout", value, atLeast: 1_000_000) else { return }
    if let span, let most = environment.quotas.maxTimeout, span > most, scope != .hostDefaults {
      let limit = DurationText.format(nanoseconds: most)
      return reading.complain(
        Quotas.message("timeout must be at most \(limit), not \(value.shown): ask for less", "max_timeout"))
    }
    draft.definition.timeout = span
  }

  private mutating func applyMemory(_ value: LuaValue, to draft: inout JobDraft) {
    guard let bytes = reading.size("memory", value, in: 1 << 20...16 << 30) else { return }
    if bytes > environment.quotas.maxMemory, scope != .hostDefaults {
      let limit = SizeText.format(environment.quotas.maxMemory)
      return reading.complain(
        Quotas.message("memory must be at most \(limit), not \(value.shown): ask for less", "max_memory"))
    }
    draft.definition.memoryLimit = bytes
  }

  private mutating func applyNodes(_ value: LuaValue, to draft: inout JobDraft) {
    let most = NodeConfiguration.labelsMost
    guard let labels = reading.names("on_nodes", value, of: "a label like \"gpu\"", atMost: most) else { return }
    for label in labels where !NodeConfiguration.isName(label) {
      return reading.complain("on_nodes: \(NodeConfiguration.mistake(label))")
    }
    draft.definition.onNodes = environment.strings.shared(labels)
  }

  private func listOr(_ value: LuaValue) -> String {
    if case .table = value { "a list" } else { value.shown }
  }

  private mutating func applyZone(_ value: LuaValue, to draft: inout JobDraft) {
    guard let name = reading.string("timezone", value, "the name of a time zone like \"Europe/Berlin\"") else { return }
    // What the defaults say already needs no look at the zones, and no options of the job's own.
    if name == draft.timing.zone.name, name == draft.definition.timeZone { return }
    do {
      draft.timing.zone = try environment.zones.zone(named: name)
      // The zone's own copy of its name: one string for all jobs.
      draft.definition.timeZone = draft.timing.zone.name
    } catch {
      reading.complain("timezone: \(error.message)")
    }
  }

  private mutating func applyDST(_ value: LuaValue, to draft: inout JobDraft) {
    do {
      let spec = try SpecValue(value) { (_) throws(TriggerError) in throw TriggerError("dst cannot hold a trigger") }
      let policy = try DSTPolicy(spec)
      draft.timing.dst = DSTPolicy(
        gap: policy.gap ?? draft.timing.dst.gap, overlap: policy.overlap ?? draft.timing.dst.overlap)
    } catch {
      reading.complain(error.description)
    }
  }

  private mutating func applyCoalesce(_ value: LuaValue, to draft: inout JobDraft) {
    switch value {
    case .bool(true), .string("latest"): draft.definition.coalesce = .latest
    case .string("earliest"): draft.definition.coalesce = .earliest
    case .bool(false), .string("all"): draft.definition.coalesce = .all
    default:
      reading.complain("coalesce must be true, false, \"latest\", \"earliest\" or \"all\", not \(value.shown)")
    }
  }

  private mutating func applyRetry(_ value: LuaValue, to draft: inout JobDraft) {
    switch value {
    case .bool(false):
      draft.definition.retry = nil
    case .integer:
      if let count = reading.integer("retry", value, in: 0...1_000_000) {
        draft.definition.retry = RetryPolicy(max: count)
      }
    case .table(let table):
      if let policy = retry(table) { draft.definition.retry = policy }
    default:
      reading.complain(
        "retry must be a table like { max = 3, base = \"2s\" } or a number of retries, not \(value.shown)")
    }
  }

  private mutating func retry(_ table: LuaTable) -> RetryPolicy? {
    let complaintsBefore = reading.complaints.count
    reading.namedKeysOnly(table, in: "retry")
    var policy = RetryPolicy(max: 3)
    for (key, value) in table.fields {
      let name = "retry.\(key)"
      switch key {
      case "max": policy.max = reading.integer(name, value, in: 0...1_000_000) ?? 0
      case "backoff": policy.backoff = reading.choice(name, value, RetryPolicy.Backoff.self) ?? .exponential
      case "base": policy.base = reading.duration(name, value, atLeast: 0) ?? 0
      case "cap": policy.cap = reading.duration(name, value, atLeast: 0) ?? .max
      case "jitter": policy.jitter = reading.bool(name, value) ?? true
      default:
        let keys = ["max", "backoff", "base", "cap", "jitter"]
        reading.complain("unknown field \"\(name)\"\(FieldReading.suggestion(for: key, among: keys))")
      }
    }
    if table.field("cap") == .none {
      // A base above the default cap means itself.
      policy.cap = max(policy.cap, policy.base)
    } else if policy.cap < policy.base, reading.complaints.count == complaintsBefore {
      reading.complain("retry.cap is shorter than retry.base; no delay can be both")
    }
    return reading.complaints.count == complaintsBefore ? policy : nil
  }

  private mutating func member(_ name: String, _ value: LuaValue, among known: [String]) -> String? {
    guard let text = reading.string(name, value) else { return nil }
    // The table's own copy of the name: one string for all jobs.
    if let index = known.firstIndex(of: text) { return known[index] }
    let suggestion = FieldReading.suggestion(for: text, among: known)
    let listed = known.map { "\"\($0)\"" }.joined(separator: ", ")
    reading.complain(
      "there is no \(name) \(quoted(text))\(suggestion.isEmpty ? "; moondial.lua has \(listed)" : suggestion)")
    return nil
  }

  private mutating func group(_ value: LuaValue) -> String? {
    guard let text = reading.string("group", value, "the name of a group of moondial.lua") else { return nil }
    let known = environment.groups
    if let index = known.firstIndex(of: text) { return known[index] }
    let suggestion = FieldReading.suggestion(for: text, among: known)
    let listed = known.map { "\"\($0)\"" }.joined(separator: ", ")
    let hint =
      known.isEmpty
      ? "; add groups = { \(text) = { max = 1 } } to moondial.lua"
      : suggestion.isEmpty ? "; moondial.lua has \(listed)" : suggestion
    reading.complain("there is no group \(quoted(text))\(hint)")
    return nil
  }
}

extension JobField.Scope {
  /// How messages call the table.
  var table: String {
    switch self {
    case .job: "the job's table"
    case .scriptDefaults, .hostDefaults: "job_defaults"
    case .schedule: "the schedule's table"
    }
  }
}

internal import Basics
internal import Chronology

/// What several constructors read from their arguments.
enum Arguments {
  /// Refuses a call with another number of arguments; `shape` says in words what there should be.
  static func require(_ arguments: [SpecValue], _ range: ClosedRange<Int>, _ shape: String) throws(TriggerError) {
    guard range.contains(arguments.count) else {
      throw TriggerError("expected \(shape), not \(arguments.count) arguments")
    }
  }

  /// A trigger that another constructor made.
  static func trigger(_ value: SpecValue) throws(TriggerError) -> AnyTrigger {
    guard case .trigger(let trigger) = value else {
      throw TriggerError("expected a trigger like cron \"0 3 * * *\" or every \"90s\", not \(value.typeName)")
    }
    return trigger
  }

  /// The table of a constructor that takes one, whose positions are refused.
  static func fields(_ value: SpecValue) throws(TriggerError) -> [SpecValue.Field] {
    switch value {
    case .table(let fields): return fields
    case .list([]): return []
    case .list: throw TriggerError("its fields have names, as in { hours = 1 }")
    default: throw TriggerError("expected a table, not \(value.typeName)")
    }
  }

  /// Splits a table into what stands at positions and the named fields; nil for what is no table.
  static func positions(_ value: SpecValue) -> (items: [SpecValue], fields: [SpecValue.Field])? {
    switch value {
    case .list(let items):
      return (items, [])
    case .table(let fields):
      let isPosition = { (field: SpecValue.Field) in Int(field.key) != nil }
      let items = fields.filter(isPosition).sorted { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }
      return (items.map(\.value), fields.filter { !isPosition($0) })
    default:
      return nil
    }
  }

  /// One of the words of an enumeration.
  static func word<Word: RawRepresentable & CaseIterable>(
    _ value: SpecValue, of name: String
  ) throws(TriggerError) -> Word where Word.RawValue == String {
    let words = Word.allCases.map(\.rawValue)
    guard case .string(let text) = value, let word = Word(rawValue: text) else {
      var near: String?
      if case .string(let text) = value { near = Spelling.closest(to: text, among: words, limit: 1).first }
      throw TriggerError(
        "\(name) is \(EnglishText.list(words.map { "\"\($0)\"" }, last: "or")), not \(value)",
        suggestion: near.map { "did you mean \"\($0)\"?" })
    }
    return word
  }

  /// A duration in nanoseconds: text like `1h30m`, or a number of seconds.
  static func duration(_ value: SpecValue) throws(TriggerError) -> Int64 {
    switch value {
    case .string(let text):
      do {
        return try DurationText.parseNanoseconds(text)
      } catch {
        throw TriggerError(error.message, at: error.position..<error.position)
      }
    case .integer(let seconds):
      return try product(seconds, 1_000_000_000)
    case .number(let seconds):
      return try product(seconds, 1e9)
    default:
      throw TriggerError("expected a duration like \"90s\" or a number of seconds, not \(value.typeName)")
    }
  }

  /// The error about a duration that has more nanoseconds than 64 bits.
  static var tooLong: TriggerError { TriggerError("it is longer than 292 years") }

  static func product(_ count: Int64, _ unit: Int64) throws(TriggerError) -> Int64 {
    let (product, overflow) = count.multipliedReportingOverflow(by: unit)
    guard !overflow else { throw tooLong }
    return product
  }

  static func product(_ count: Double, _ unit: Double) throws(TriggerError) -> Int64 {
    guard let product = Int64(exactly: (count * unit).rounded()) else { throw tooLong }
    return product
  }
}

extension DSTPolicy {
  /// `{ gap = "shift" | "skip", overlap = "first" | "last" | "both" }`.
  package init(_ value: SpecValue) throws(TriggerError) {
    guard case .table(let fields) = value else {
      throw TriggerError("dst is a table like { gap = \"skip\", overlap = \"both\" }, not \(value.typeName)")
    }
    self.init()
    var options = TriggerOptions(fields)
    if let text = try options.takeString("gap") {
      gap = Gap(rawValue: text)
      if gap == nil { throw TriggerError("dst.gap is \"shift\" or \"skip\", not \"\(text)\"") }
    }
    if let text = try options.takeString("overlap") {
      overlap = Overlap(rawValue: text)
      if overlap == nil { throw TriggerError("dst.overlap is \"first\", \"last\" or \"both\", not \"\(text)\"") }
    }
    try options.finish()
  }
}

extension TriggerContext {
  /// Refuses a combination that has no fire time within the reach of a search from now; `reason` says what it is about
  /// the trigger.
  func proveFires(_ trigger: AnyTrigger, _ reason: String) throws(TriggerError) {
    guard let now else { return }
    switch trigger.nextFire(after: now) {
    case .at: return
    case .never: throw TriggerError("it never fires: \(reason)")
    case .unknown(let searched):
      throw TriggerError(
        "no fire time was found up to \(ISO8601.format(searched, in: zone)): \(reason)",
        suggestion: "check its parts with moondial next")
    }
  }

  /// A trigger that has nothing ahead of it is accepted, and worth a word.
  func notesAboutEnd(of trigger: AnyTrigger) -> [TriggerNote] {
    guard let now, trigger.nextFire(after: now) == .never else { return [] }
    return [TriggerNote("it never fires again: its last time is over")]
  }
}

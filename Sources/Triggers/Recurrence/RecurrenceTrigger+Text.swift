package import Chronology

extension RecurrenceTrigger {
  package var zones: [TimeZoneRules] { [zone] }

  /// `rrule("FREQ=MONTHLY;BYDAY=-1FR", { start_date = "2026-01-01 09:00" })`.
  package func lua(_ form: LuaForm) -> String { lua(form, until: nil) }

  /// Its start date is that of its rules, so it takes no first instant.
  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    from == nil ? lua(form, until: until) : nil
  }

  private func lua(_ form: LuaForm, until: Instant?) -> String {
    var options: [(key: String, literal: String)] = []
    if let start { options.append(("start_date", LuaText.quote(RecurrenceTrigger.format(start)))) }
    let timeOfDay = start.map { $0 - $0.flooredQuotient(by: 86_400) * 86_400 } ?? 0
    add("rdate", added.map { RecurrenceTrigger.format($0, usual: timeOfDay) }, to: &options)
    let days = removedDays.map { CivilDate(daysSinceEpoch: $0).description }
    // A time removed at midnight is no day removed: it keeps its time.
    add("exdate", days + removed.map { RecurrenceTrigger.format($0, usual: nil) }, to: &options)
    options += WrittenOptions.clock(zone: zone, hasOwnZone: hasOwnZone, dst: dst, form)
    options += WrittenOptions.bounds(from: nil, until: until, zone: zone)
    let texts = rules.map { LuaText.quote($0.text) }
    if texts.count == 1 { return LuaText.call("rrule", texts[0], options: options) }
    return "rrule { \((texts + options.map { "\($0.key) = \($0.literal)" }).joined(separator: ", ")) }"
  }

  private func add(_ key: String, _ times: [String], to options: inout [(key: String, literal: String)]) {
    guard let first = times.first else { return }
    let quoted = times.map(LuaText.quote).joined(separator: ", ")
    options.append((key, times.count == 1 ? LuaText.quote(first) : "{ \(quoted) }"))
  }

  /// `2026-01-05`, `2026-01-05 09:00`, `2026-01-05 09:00:30`: a local time, as a date alone when its time of day is
  /// `usual`.
  static func format(_ local: Int, usual: Int? = 0) -> String {
    let civil = CivilDateTime(localSeconds: local)
    if civil.secondOfDay == usual { return civil.date.description }
    let time = civil.description.replacing("T", with: " ")
    return civil.second == 0 ? String(time.dropLast(3)) : time
  }

  /// `Every 2 weeks on Monday at 09:00, from 2026-01-05, Europe/Berlin time`.
  package var explanation: String {
    let explanations = rules.map { RecurrenceExplanation($0, start: start, zone: zone) }
    // The end of the only rule is the end of all.
    let endsTogether = explanations.count == 1
    var text = explanations.enumerated().map { index, rule in
      let text = rule.text + (endsTogether ? "" : rule.end)
      return index == 0 ? text : EnglishText.uncapitalized(text)
    }.joined(separator: "; or ")
    if let start { text += ", from \(RecurrenceTrigger.format(start))" }
    if endsTogether { text += explanations[0].end }
    func list(_ times: [String], _ word: String) -> String {
      times.count <= 3 ? EnglishText.list(times) : "\(times.count) \(word)"
    }
    let timeOfDay = start.map { $0 - $0.flooredQuotient(by: 86_400) * 86_400 } ?? 0
    if !added.isEmpty {
      text += ", and also on \(list(added.map { RecurrenceTrigger.format($0, usual: timeOfDay) }, "dates"))"
    }
    let left =
      removedDays.map { CivilDate(daysSinceEpoch: $0).description }
      + removed.map { RecurrenceTrigger.format($0, usual: nil) }
    if !left.isEmpty { text += ", except on \(list(left, "dates"))" }
    return text + EnglishText.clock(zone, dst)
  }
}

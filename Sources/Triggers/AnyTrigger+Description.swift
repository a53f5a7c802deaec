internal import Chronology

extension AnyTrigger: CustomStringConvertible {
  /// When it fires, as an English sentence without a full stop: `At 03:00 every day, Europe/Berlin time`.
  public var description: String {
    switch kind {
    case .cron(let trigger):
      return CronExplanation(trigger.fields).sentence + AnyTrigger.clock(trigger.zone, trigger.dst)
    case .every(let trigger):
      return trigger.sentence
    case .at(let trigger):
      return trigger.sentence
    case .calendar(let trigger):
      return trigger.sentence
    case .anyOf(let trigger):
      return AnyTrigger.sentence(trigger.members, joined: "or")
    case .allOf(let trigger):
      return "Whenever these coincide: " + AnyTrigger.parts(trigger.members)
    case .except(let trigger):
      var excluded = trigger.stretches.map { $0.text.replacing("..", with: " to ") }
      if let other = trigger.excluded { excluded.append("when due: \(EnglishText.uncapitalized(other.description))") }
      return "\(trigger.base.description), except \(excluded.first?.first?.isNumber == true ? "on " : "")"
        + EnglishText.list(excluded)
    case .bounded(let trigger):
      let zone = trigger.base.firstZone ?? .utc
      return trigger.base.description + AnyTrigger.bounds(from: trigger.from, until: trigger.until, zone: zone)
    case .calendarDays(let calendar):
      return "When a day begins that is \(calendar.words(last: "or"))" + AnyTrigger.clock(calendar.zone, DSTPolicy())
    case .dayRule(let trigger):
      let base = trigger.base.description
      switch trigger.rule {
      case .only: return "\(base), only on \(trigger.calendar.words())"
      case .except: return "\(base), except on \(trigger.calendar.words())"
      case .next: return "\(base); on \(trigger.calendar.words()) it waits for the next other day"
      case .previous: return "\(base); on \(trigger.calendar.words()) it comes on the last other day before"
      }
    case .recurrence(let trigger):
      return trigger.sentence
    case .workdays(let trigger):
      return trigger.sentence
    case .solar(let trigger):
      return trigger.sentence
    case .lunar(let trigger):
      return trigger.sentence
    case .startup:
      return "Once at each start of the host"
    }
  }

  private static func sentence(_ members: [AnyTrigger], joined word: String) -> String {
    guard members.count > 1 else { return members.first?.description ?? "Never" }
    let sentences = members.enumerated().map { index, member in
      index == 0 ? member.description : EnglishText.uncapitalized(member.description)
    }
    return sentences.joined(separator: "; \(word) ")
  }

  private static func parts(_ members: [AnyTrigger]) -> String {
    members.map { EnglishText.uncapitalized($0.description) }.joined(separator: "; and ")
  }

  /// Whose clocks it reads, and what is unusual when they change.
  static func clock(_ zone: TimeZoneRules, _ dst: DSTPolicy) -> String {
    var text = zone.name == "UTC" ? ", UTC" : ", \(zone.name) time"
    var changes: [String] = []
    if let gap = dst.gap {
      changes.append(gap == .shift ? "skipped times run after the gap" : "skipped times do not run")
    }
    switch dst.overlap {
    case .first?: changes.append("repeated times run the first time")
    case .last?: changes.append("repeated times run the last time")
    case .both?: changes.append("repeated times run each time")
    case nil: break
    }
    if !changes.isEmpty { text += " (\(changes.joined(separator: ", ")))" }
    return text
  }

  static func bounds(from: Instant?, until: Instant?, zone: TimeZoneRules) -> String {
    var text = ""
    if let from { text += ", from \(ISO8601.format(from, in: zone))" }
    if let until {
      // The last instant of a day is how a date alone is kept.
      let next = zone.civilTime(at: until.advanced(byNanoseconds: 1))
      if next.secondOfDay == 0 && next.nanosecond == 0 {
        text += ", until the end of \(zone.civilTime(at: until).date)"
      } else if next.nanosecond == 0 {
        // It was a date of another zone.
        text += ", before \(ISO8601.format(until.advanced(byNanoseconds: 1), in: zone))"
      } else {
        text += ", until \(ISO8601.format(until, in: zone))"
      }
    }
    return text
  }
}

extension IntervalTrigger {
  var sentence: String {
    "Every \(EnglishText.duration(nanoseconds: nanoseconds))"
      + AnyTrigger.bounds(from: startsAtAnchor ? anchor : nil, until: until, zone: .utc)
  }
}

extension DateListTrigger {
  var sentence: String {
    guard let first = instants.first, let last = instants.last else { return "Never" }
    if instants.count == 1 { return "Once at \(ISO8601.format(first, in: zone))" }
    if instants.count <= 3 {
      return "At \(EnglishText.list(instants.map { ISO8601.format($0, in: zone) }))"
    }
    return "At \(instants.count) times from \(ISO8601.format(first, in: zone)) to \(ISO8601.format(last, in: zone))"
  }
}

extension CalendarTrigger {
  var sentence: String {
    var counts: [String] = []
    if steps.years > 0 { counts.append(EnglishText.every(steps.years, "year")) }
    if steps.months > 0 { counts.append(EnglishText.every(steps.months, "month")) }
    if steps.weeks > 0 { counts.append(EnglishText.every(steps.weeks, "week")) }
    if steps.days > 0 { counts.append(EnglishText.every(steps.days, "day")) }
    var text = "Every \(EnglishText.list(counts))"
    switch dayRule {
    case .same: break
    case .number(let day): text += " on day \(day)"
    case .last: text += " on the last day of the month"
    }
    let (hour, minute, second) = (secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60)
    text += " at \(EnglishText.two(hour)):\(EnglishText.two(minute))"
    if second != 0 { text += ":\(EnglishText.two(second))" }
    text += AnyTrigger.clock(zone, dst)
    return text + AnyTrigger.bounds(from: startsAtAnchor ? anchor : nil, until: nil, zone: zone)
  }
}

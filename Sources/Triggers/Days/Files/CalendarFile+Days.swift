internal import Chronology
internal import Synchronization

extension CalendarFile {
  /// The days on the clocks of `zone` that an event touches. An event that ends at midnight does not touch the day
  /// that begins then; one without length touches the day that it is on.
  ///
  /// - Complexity: some tens of microseconds per repeating event; some milliseconds for one whose times are on the
  ///   clocks of another zone, or that repeats within the day. Asked again for the same zone: nothing.
  ///
  /// An event that cannot be counted is left out and said (``Days/skipped``). Where nothing else is left, it is an
  /// error; so is a file that takes more steps than all of its events may.
  /// - Parameter most: days that its daily events may name in all: two hundred of them up to the end of time, which
  ///   take about a second.
  func days(
    in zone: TimeZoneRules, deadline: WorkDeadline? = nil, most: Int = 20_000_000
  ) throws(TriggerError) -> Days {
    if let known = known.withLock({ $0[zone] }) { return known }
    let days = try expand(in: zone, deadline, most)
    known.withLock { $0[zone] = days }
    return days
  }

  private func expand(
    in zone: TimeZoneRules, _ deadline: WorkDeadline?, _ most: Int
  ) throws(TriggerError) -> Days {
    var expansion = CalendarExpansion(zone: zone, dailyBudget: most, deadline: deadline)
    var replaced: [String: [CalendarEvent.ClockReading]] = [:]
    for event in events {
      if let moment = event.replaces { replaced[event.uid, default: []].append(moment) }
    }
    var skipped = skipped
    for event in events where !event.isCancelled {
      try deadline?.check()
      do throws(TriggerError) {
        try expansion.add(event, without: event.replaces == nil ? replaced[event.uid] ?? [] : [])
      } catch {
        try deadline?.check()
        if expansion.isExhausted {
          throw TriggerError("\(event.line): \(error.message)", suggestion: error.suggestion)
        }
        skipped.append(Skipped(line: event.line, error: error, isEvent: true))
      }
    }
    if let first = skipped.first, expansion.days.isEmpty {
      throw TriggerError("\(first.line): \(first.error.message)", suggestion: first.error.suggestion)
    }
    return Days(days: expansion.days, skipped: skipped.sorted { $0.line < $1.line })
  }

  /// The days of a file on the clocks of a zone, and what was left out of them.
  struct Days: Sendable {
    let days: CalendarDays
    let skipped: [Skipped]

    /// One sentence for each event that was left out, the first few of them.
    func notes(path: String) -> [TriggerNote] {
      let most = 5
      var notes = skipped.prefix(most).map { event in
        TriggerNote("\(path):\(event.line): the \(event.isEvent ? "event" : "line") is left out: \(event.error)")
      }
      if skipped.count > most {
        notes.append(TriggerNote("\(path): \(skipped.count - most) more are left out"))
      }
      return notes
    }
  }
}

/// Events, turned into days.
private struct CalendarExpansion {
  private let zone: TimeZoneRules
  private(set) var days = CalendarDays()
  /// Occurrences that may still be gone through one by one: hundreds of weekly events up to the end of time. All of
  /// them take half a second.
  private var budget = 5_000_000
  /// The same of those that are taken from whole days.
  private var dailyBudget: Int
  private let deadline: WorkDeadline?
  /// As many of one event that repeats within the day: twenty years of every hour.
  private static let mostWithinDays = 200_000

  /// All events together have taken too many steps.
  var isExhausted: Bool { budget <= 0 || dailyBudget <= 0 }

  init(zone: TimeZoneRules, dailyBudget: Int, deadline: WorkDeadline?) {
    self.zone = zone
    self.dailyBudget = dailyBudget
    self.deadline = deadline
  }

  /// Adds all of an event, or nothing of it.
  mutating func add(_ event: CalendarEvent, without replaced: [CalendarEvent.ClockReading]) throws(TriggerError) {
    let before = days
    do throws(TriggerError) {
      try addOccurrences(event, replaced)
    } catch {
      days = before
      throw error
    }
  }

  private mutating func addOccurrences(
    _ event: CalendarEvent, _ replaced: [CalendarEvent.ClockReading]
  ) throws(TriggerError) {
    // The clock that the event's rules read.
    let clock = event.start.time.isUTC ? TimeZoneRules.utc : event.start.zone ?? zone
    let start = event.start.local(on: clock)
    let removed = event.removed + replaced
    let removedTimes = Set(removed.filter { $0.time.secondOfDay != nil }.map { $0.local(on: clock) })
    let removedDays = Set(removed.filter { $0.time.secondOfDay == nil }.map(\.time.day))
    func isRemoved(_ local: Int) -> Bool {
      removedTimes.contains(local) || removedDays.contains(local.flooredQuotient(by: 86_400))
    }
    // The start is the first occurrence, whether or not the rules name it.
    if !isRemoved(start) { addOccurrence(event.start, event.end) }
    let length = localLength(event)
    let same = CalendarEvent.End.after(CalendarEvent.Length(days: length / 86_400, seconds: length % 86_400))
    for addition in event.added where !isRemoved(addition.start.local(on: clock)) {
      let end = if case .none = addition.end { same } else { addition.end }
      addOccurrence(addition.start, end)
    }
    for rule in event.rules {
      let last = rule.until.map { RecurrenceTrigger.last($0, clock) } ?? neverLocal - 1
      guard let pattern = RecurrencePattern(rule, start: start, last: last) else { continue }
      if isSame(clock, from: start), pattern.unit == 86_400, pattern.positions.isEmpty, pattern.times.count == 1 {
        try addDaily(pattern, event, isRemoved)
      } else {
        try addOneByOne(pattern, clock, event, isRemoved)
      }
    }
  }

  /// Whether another clock shows what the calendar's does from the local second `start` on: a zone that a file
  /// describes often differs from the system's only long ago.
  private func isSame(_ clock: TimeZoneRules, from start: Int) -> Bool {
    if clock === zone { return true }
    let from = start - TimeZoneRules.farthestOffset
    let (ours, theirs) = (
      zone.stretches.suffix(while: { $0.end > from }), clock.stretches.suffix(while: { $0.end > from })
    )
    return ours.count == theirs.count
      && zip(ours, theirs).allSatisfy { $0.offset == $1.offset && max($0.start, from) == max($1.start, from) }
  }

  /// How long an occurrence takes, in seconds on the event's clock.
  private func localLength(_ event: CalendarEvent) -> Int {
    switch event.end {
    case .none: return event.start.time.secondOfDay == nil ? 86_400 : 0
    case .after(let length): return length.days * 86_400 + length.seconds
    case .at(let end):
      let clock = event.start.time.isUTC ? TimeZoneRules.utc : event.start.zone ?? zone
      return end.local(on: clock) - event.start.local(on: clock)
    }
  }

  /// A rule whose days are those of the calendar: they are taken from its words, month by month.
  private mutating func addDaily(
    _ pattern: RecurrencePattern, _ event: CalendarEvent, _ isRemoved: (Int) -> Bool
  ) throws(TriggerError) {
    let time = pattern.times.first
    let length = max(localLength(event), 1)
    let count = (time + length - 1) / 86_400 + 1
    var day = pattern.start.flooredQuotient(by: 86_400)
    if pattern.start > day * 86_400 + time { day += 1 }
    // Days before the range are of no account.
    day = max(day, CalendarDays.first - count)
    let last = min(pattern.last, CalendarDays.last * 86_400)
    while let next = pattern.days.next(from: day), next * 86_400 + time <= last {
      dailyBudget -= 1 + count / 64
      guard dailyBudget > 0 else { throw CalendarExpansion.tooMany }
      if dailyBudget & 0xFFFF == 0 { try deadline?.check() }
      if !isRemoved(next * 86_400 + time) { days.insert(next, count: count) }
      day = next + 1
    }
  }

  private mutating func addOneByOne(
    _ pattern: RecurrencePattern, _ clock: TimeZoneRules, _ event: CalendarEvent, _ isRemoved: (Int) -> Bool
  ) throws(TriggerError) {
    let length = localLength(event)
    var local = max(pattern.start, (CalendarDays.first - 2) * 86_400 - max(length, 0))
    var left = pattern.unit == 86_400 ? budget : min(budget, CalendarExpansion.mostWithinDays)
    while true {
      local = pattern.nextLocal(from: local)
      if local >= CalendarDays.last * 86_400 { return }
      if !isRemoved(local) {
        budget -= 1
        left -= 1
        guard left > 0 else { throw CalendarExpansion.tooMany }
        if left & 0xFFF == 0 { try deadline?.check() }
        add(
          from: clock.instant(of: CivilDateTime(localSeconds: local)),
          until: clock.instant(of: CivilDateTime(localSeconds: local + length)))
      }
      local += 1
    }
  }

  private static let tooMany = TriggerError(
    "the event repeats too often to be counted up to 2262",
    suggestion: "end it with UNTIL or COUNT, or let it repeat daily")

  private mutating func addOccurrence(_ start: CalendarEvent.ClockReading, _ end: CalendarEvent.End) {
    if start.time.secondOfDay == nil {
      switch end {
      case .none: days.insert(start.time.day)
      case .at(let end): days.insert(start.time.day, count: max(1, end.time.day - start.time.day))
      case .after(let length):
        days.insert(start.time.day, count: max(1, length.days + (length.seconds + 86_399) / 86_400))
      }
      return
    }
    let first = start.instant(in: zone)
    switch end {
    case .none: add(from: first, until: first)
    case .at(let end): add(from: first, until: end.instant(in: zone))
    case .after(let length):
      let clock = start.time.isUTC ? TimeZoneRules.utc : start.zone ?? zone
      let day = clock.instant(of: CivilDateTime(localSeconds: start.local(on: clock) + length.days * 86_400))
      add(from: first, until: day.advanced(byNanoseconds: Int64(length.seconds) * 1_000_000_000))
    }
  }

  private mutating func add(from start: Instant, until end: Instant) {
    let first = zone.civilTime(at: start).date.daysSinceEpoch
    let last = end > start ? zone.civilTime(at: end.advanced(byNanoseconds: -1)).date.daysSinceEpoch : first
    days.insert(first, count: max(1, last - first + 1))
  }
}

extension Array {
  /// The elements at the end for which a condition holds.
  fileprivate func suffix(while condition: (Element) -> Bool) -> ArraySlice<Element> {
    var start = endIndex
    while start > startIndex, condition(self[start - 1]) { start -= 1 }
    return self[start...]
  }
}

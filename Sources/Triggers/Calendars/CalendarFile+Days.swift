internal import Chronology
internal import Synchronization

extension CalendarFile {
  /// The days on the clocks of `zone` that an event touches. An event that ends at midnight does not touch the day
  /// that begins then; one without length touches the day that it is on.
  ///
  /// - Complexity: some tens of microseconds per repeating event; some milliseconds for one whose times are on the
  ///   clocks of another zone, or that repeats within the day. Asked again for the same zone: nothing.
  ///
  /// - Parameter most: days that its daily events may name in all: two hundred of them up to the end of time, which
  ///   take about a second.
  func days(
    in zone: TimeZoneRules, deadline: WorkDeadline? = nil, most: Int = 20_000_000
  ) throws(TriggerError) -> CalendarDays {
    if let known = known.withLock({ $0[zone] }) { return known }
    let days = try expand(in: zone, deadline, most)
    known.withLock { $0[zone] = days }
    return days
  }

  private func expand(
    in zone: TimeZoneRules, _ deadline: WorkDeadline?, _ most: Int
  ) throws(TriggerError) -> CalendarDays {
    var expansion = CalendarExpansion(zone: zone, dailyBudget: most, deadline: deadline)
    var replaced: [String: [CalendarEvent.Moment]] = [:]
    for event in events {
      if let moment = event.replaces { replaced[event.uid, default: []].append(moment) }
    }
    for event in events where !event.isCancelled {
      try deadline?.check()
      do throws(TriggerError) {
        try expansion.add(event, without: event.replaces == nil ? replaced[event.uid] ?? [] : [])
      } catch {
        try deadline?.check()
        throw TriggerError("\(event.line): \(error.message)", suggestion: error.suggestion)
      }
    }
    return expansion.days
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

  init(zone: TimeZoneRules, dailyBudget: Int, deadline: WorkDeadline?) {
    self.zone = zone
    self.dailyBudget = dailyBudget
    self.deadline = deadline
  }

  mutating func add(_ event: CalendarEvent, without replaced: [CalendarEvent.Moment]) throws(TriggerError) {
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
      if clock == zone, pattern.unit == 86_400, pattern.positions.isEmpty, pattern.times.count == 1 {
        try addDaily(pattern, event, isRemoved)
      } else {
        try addOneByOne(pattern, clock, event, isRemoved)
      }
    }
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
    var local = pattern.start
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

  private mutating func addOccurrence(_ start: CalendarEvent.Moment, _ end: CalendarEvent.End) {
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

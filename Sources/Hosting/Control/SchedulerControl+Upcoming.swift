internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Triggers

/// The fires to come.
extension SchedulerControl {
  package func upcoming(_ query: UpcomingQuery) async throws(ControlError) -> UpcomingAnswer {
    try await away { () throws(ControlError) in try self.upcomingNow(query) }
  }

  func upcomingNow(_ query: UpcomingQuery) throws(ControlError) -> UpcomingAnswer {
    guard query.span > 0, query.span <= 32 * UpcomingQuery.day else {
      throw ControlError(.invalid, "the span must be longer than nothing and at most 32 days")
    }
    let limit = try PageLimit.checked(query.limit)
    if let job = query.job { try checkKnown(job) }
    let now = now
    let from = query.from ?? now
    var fires = UpcomingFires(from: from, to: from.advanced(byNanoseconds: query.span), in: parts.zone)
    everySlot({ core, range in core.armedSchedules(in: range) }) { schedules in
      for schedule in schedules {
        if let job = query.job, schedule.job != job { continue }
        if let tag = query.tag, !schedule.tags.contains(tag) { continue }
        fires.add(schedule)
      }
    }
    for run in engine.ask({ core, _, _ in core.parkedRuns(of: query.job) }) {
      if let tag = query.tag, !run.entry.definition.tags.contains(tag) { continue }
      fires.add(run.record, now: now)
    }
    return fires.answer(limit: limit)
  }
}

/// Collects what fires in a span. Schedules that fire often are one line each, so that the others can be seen.
struct UpcomingFires {
  let from: Instant
  let to: Instant
  /// More fires than this in the span are often.
  static let often = 12
  /// Instants that are counted one by one, over all schedules.
  private var countsLeft = 100_000
  private var next: [(at: Instant, fire: UpcomingFire)] = []
  private let zone: TimeZoneRules
  private var frequent: [(first: Instant, span: DueCount, schedule: ArmedSchedule)] = []

  struct DueCount {
    var count: Int
    var isAtLeast: Bool
  }

  init(from: Instant, to: Instant, in zone: TimeZoneRules) {
    self.zone = zone
    self.from = from
    self.to = to
  }

  mutating func add(_ schedule: ArmedSchedule) {
    guard let first = first(of: schedule) else { return }
    var found = [first]
    var edge = first
    while found.count <= Self.often, schedule.left.map({ found.count < $0 }) ?? true,
      let following = schedule.trigger.next(after: edge), following < to
    {
      found.append(following)
      edge = following
    }
    guard found.count > Self.often else {
      next += found.map { at in
        let fire = UpcomingFire(
          at: HostTime(at, in: zone), job: schedule.job, schedule: schedule.schedule, isPaused: schedule.isSkipped)
        return (at, fire)
      }
      return
    }
    frequent.append((first, count(schedule, from: first, found.count, edge), schedule))
  }

  /// A parked run, if it goes on in the span. One whose time has come goes on now, whatever the span begins with.
  mutating func add(_ run: RunRecord, now: Instant) {
    guard let until = run.park?.until else { return }
    let at = max(until, now)
    guard at >= from, at < to else { return }
    let fire = UpcomingFire(
      at: HostTime(at, in: zone), job: run.job, schedule: run.schedule, run: run.id.number, isPaused: false)
    next.append((at, fire))
  }

  /// The first fire in the span.
  private func first(of schedule: ArmedSchedule) -> Instant? {
    if schedule.nextFire >= from { return schedule.nextFire < to ? schedule.nextFire : nil }
    guard let first = schedule.trigger.next(after: from.advanced(byNanoseconds: -1)), first < to else { return nil }
    return first
  }

  private mutating func count(
    _ schedule: ArmedSchedule, from first: Instant, _ counted: Int, _ last: Instant
  ) -> DueCount {
    var (count, edge) = (counted, last)
    if let interval = schedule.trigger.intervalNanoseconds, interval > 0 {
      count = Int(to.advanced(byNanoseconds: -1).nanoseconds(since: first) / interval) + 1
    } else {
      while countsLeft > 0, let following = schedule.trigger.next(after: edge), following < to {
        count += 1
        countsLeft -= 1
        edge = following
      }
      if countsLeft == 0 { return DueCount(count: count, isAtLeast: true) }
    }
    return DueCount(count: min(count, schedule.left ?? .max), isAtLeast: false)
  }

  func answer(limit: Int) -> UpcomingAnswer {
    let fires = next.sorted { ($0.at, $0.fire.job) < ($1.at, $1.fire.job) }
    let lines = frequent.sorted {
      ($0.schedule.job, $0.schedule.schedule ?? "") < ($1.schedule.job, $1.schedule.schedule ?? "")
    }
    return UpcomingAnswer(
      from: HostTime(from, in: zone), to: HostTime(to, in: zone),
      fires: fires.prefix(limit).map(\.fire),
      frequent: lines.prefix(limit).map { line in
        FrequentFires(
          job: line.schedule.job, schedule: line.schedule.schedule, trigger: line.schedule.trigger.description,
          first: HostTime(line.first, in: zone), count: line.span.count, isAtLeast: line.span.isAtLeast,
          isPaused: line.schedule.isSkipped)
      },
      counts: counts, isCut: fires.count > limit || lines.count > limit)
  }

  /// Of all of them, not only of those that an answer lists.
  private var counts: [Int] {
    let width = max(1, to.nanoseconds(since: from) / Int64(UpcomingAnswer.parts))
    var counts = Array(repeating: 0, count: UpcomingAnswer.parts)
    for (at, fire) in next where !fire.isPaused {
      counts[min(max(0, Int(at.nanoseconds(since: from) / width)), counts.count - 1)] += 1
    }
    return counts
  }
}

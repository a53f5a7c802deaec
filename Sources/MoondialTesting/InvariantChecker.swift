package import Chronology
package import JobModel
internal import Triggers

/// Accounts for every due instant of every job from what a store holds: exactly one decision each.
package enum InvariantChecker {
  /// - Parameter definitions: the jobs, and whether each is absent (orphaned) at the end.
  /// - Returns: sentences about what is wrong; empty when every invariant holds.
  package static func check(
    _ definitions: [(job: JobDefinition, isAbsent: Bool)], store: any JobStore, now: Instant
  ) -> [String] {
    do {
      let runs = try store.runs(RunQuery(limit: 10_000_000))
      let ranges = try store.decisions(DecisionQuery(limit: 10_000_000))
      let schedules = Dictionary(
        try store.schedules().filter { $0.dynamic == nil }.map { ($0.job, $0) }, uniquingKeysWith: { first, _ in first }
      )
      var problems: [String] = []
      for (job, _) in definitions {
        problems += check(
          job, runs: runs.filter { $0.job == job.name && $0.schedule == nil },
          ranges: ranges.filter { $0.job == job.name && $0.schedule == nil },
          schedule: schedules[job.name])
      }
      // One that has begun and has no claim is parked, or about to go on: it waits for its job to come back, and so do
      // those that wait for its place.
      let parked = Set(
        runs.lazy.filter { $0.outcome == nil && $0.startedAt != nil && $0.claimedAt == nil }.map(\.job))
      for run in runs
      where run.outcome == nil && (run.startedAt == nil && !parked.contains(run.job) || run.claimedAt != nil) {
        problems.append("run \(run.id) of \(run.job) has no outcome, \(run.claimedAt == nil ? "waiting" : "claimed")")
      }
      return problems
    } catch { return ["the store cannot be read: \(error)"] }
  }

  private static func check(
    _ job: JobDefinition, runs: [RunRecord], ranges: [DecisionRange], schedule: ScheduleRecord?
  ) -> [String] {
    guard let trigger = job.trigger, let schedule else { return [] }
    let anchored = trigger.anchored(at: schedule.anchor ?? schedule.registeredAt)
    var problems: [String] = []
    let hasOtherCauses = job.runAtStart || !job.events.isEmpty
    // All of its fire times are decided: what is skipped after them at an instant that would be one came another way.
    let end = job.limit.flatMap { schedule.fireCount >= $0 ? schedule.lastFire : nil }
    let epochs = Set(runs.map(\.clockEpoch) + ranges.map(\.clockEpoch))
    for epoch in epochs.sorted() {
      problems += check(
        job.name, anchored, runs: runs.filter { $0.cause == .schedule && $0.clockEpoch == epoch },
        ranges: ranges.filter { range in
          guard range.clockEpoch == epoch, range.kind != .clock else { return false }
          guard let end, epoch == schedule.clockEpoch, hasOtherCauses else { return true }
          return range.first <= end || range.kind != .skipped
        }, epoch: epoch,
        hasOtherCauses: hasOtherCauses)
    }
    return problems
  }

  /// Within one clock epoch the decided instants are a stretch of the trigger's own, without a hole and none twice.
  ///
  /// - Parameter hasOtherCauses: a run at the start, or for an event, that was skipped at the very instant of a fire
  ///   time has left a range that looks like that one's.
  private static func check(
    _ name: String, _ trigger: AnyTrigger, runs: [RunRecord], ranges: [DecisionRange], epoch: ClockEpoch,
    hasOtherCauses: Bool
  ) -> [String] {
    var decided: [(first: Instant, last: Instant, count: Int, what: String)] = []
    for run in runs { decided.append((run.scheduledAt, run.scheduledAt, 1, "run \(run.id)")) }
    for range in ranges {
      // Events and manual runs that were skipped are decisions too, but not about fire times.
      guard isOwn(range.first, trigger), isOwn(range.last, trigger) else { continue }
      let reason = range.reason.map { " (\($0.rawValue))" } ?? ""
      decided.append((range.first, range.last, range.isAtLeast ? -1 : range.count, range.kind.rawValue + reason))
    }
    decided.sort { ($0.first, $0.last) < ($1.first, $1.last) }
    var problems: [String] = []
    var former: (first: Instant, last: Instant, what: String)?
    for entry in decided {
      if let former {
        if hasOtherCauses, entry.count == 1, entry.first == former.last, entry.what.hasPrefix("skipped") { continue }
        // The same, and the fire time is the first of several.
        let isAnothers =
          hasOtherCauses && entry.first == former.first && former.first == former.last
          && former.what.hasPrefix("skipped")
        if isAnothers {
          // What comes is the fire time's.
        } else if entry.first <= former.last {
          problems.append(
            "\(name): \(entry.first) is decided twice: \(former.what) and \(entry.what) (epoch \(epoch.number))")
        } else if let next = trigger.next(after: former.last), next < entry.first {
          problems.append(
            "\(name): \(next) has no decision, between \(former.what) and \(entry.what) (epoch \(epoch.number))")
        }
      }
      if entry.count >= 0 {
        let count = count(trigger, entry.first, entry.last)
        if count != entry.count {
          problems.append(
            "\(name): \(entry.what) says \(entry.count) instants from \(entry.first) to \(entry.last), there are \(count)"
          )
        }
      }
      former = (entry.first, max(former?.last ?? .distantPast, entry.last), entry.what)
    }
    return problems
  }

  private static func isOwn(_ instant: Instant, _ trigger: AnyTrigger) -> Bool {
    trigger.next(after: instant.advanced(byNanoseconds: -1)) == instant
  }

  private static func count(_ trigger: AnyTrigger, _ first: Instant, _ last: Instant) -> Int {
    var count = 1
    var instant = first
    while let next = trigger.next(after: instant), next <= last {
      count += 1
      instant = next
    }
    return count
  }
}

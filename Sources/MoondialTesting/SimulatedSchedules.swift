internal import Chronology
internal import JobModel
internal import Synchronization
internal import Triggers
internal import TestSupport

/// The schedules that a simulation makes at run time, and what must have become of them.
///
/// Invariants: a one-off is decided at most once; one whose making was durable, and that nobody took away, exactly
/// once, unless it is still to come.
final class SimulatedSchedules: Sendable {
  private struct Dynamic: Sendable {
    var isOneOff: Bool
    var isDurable = false
    var isUnscheduled = false
  }

  private let dynamic = Mutex<[String: Dynamic]>([:])

  /// A random schedule of a job: a one-off, past ones among them, or a short interval; a few under an id that is used
  /// again.
  func request(_ job: String, _ random: inout SeededGenerator, now: Instant) -> ScheduleRequest {
    let isOneOff = !random.oneIn(4)
    let trigger: AnyTrigger =
      isOneOff
      ? .at([now.advanced(byNanoseconds: random.number(-600...7_200) * 1_000_000_000)])
      : .every(nanoseconds: random.number(20...900) * 1_000_000_000)
    var request = ScheduleRequest(job: job, trigger: trigger)
    if random.oneIn(5) {
      request.id = "again \(job)"
      request.replaceExisting = true
    } else {
      request.id = dynamic.withLock { dynamic in
        let id = "\(isOneOff ? "once" : "beat") \(dynamic.count)"
        dynamic[id] = Dynamic(isOneOff: isOneOff)
        return id
      }
    }
    request.options.params = JSONText("{\"n\":\(random.number(0...9))}")
    if random.oneIn(4) { request.options.misfireGraceTime = random.number(0...300) * 1_000_000_000 }
    if random.oneIn(4) { request.options.priority = Int(random.number(-5...5)) }
    // Not of one that takes another's place: what runs of that one goes on, and is tried again, under the new limit.
    if !request.replaceExisting, random.oneIn(4) { request.options.maxInstances = Int(random.number(1...3)) }
    return request
  }

  func isDurable(_ id: String) { dynamic.withLock { $0[id]?.isDurable = true } }

  /// One to take away; it may or may not be decided from now on.
  func toUnschedule(_ random: inout SeededGenerator) -> String? {
    let choice = random.next()
    return dynamic.withLock { dynamic in
      guard !dynamic.isEmpty else { return nil }
      let ids = dynamic.keys.sorted()
      let id = ids[Int(choice % UInt64(ids.count))]
      dynamic[id]?.isUnscheduled = true
      return id
    }
  }

  /// Sentences about what is wrong.
  func check(_ store: any JobStore) -> [String] {
    do {
      var decided: [String: Int] = [:]
      for run in try store.runs(RunQuery(limit: 10_000_000)) where run.cause == .schedule {
        if let id = run.schedule { decided[id, default: 0] += 1 }
      }
      for range in try store.decisions(DecisionQuery(limit: 10_000_000)) where range.kind != .clock {
        if let id = range.schedule { decided[id, default: 0] += range.count }
      }
      let toCome = Set(try store.schedules().filter { $0.nextFire != nil }.compactMap(\.id))
      return dynamic.withLock { dynamic in
        dynamic.sorted { $0.key < $1.key }.compactMap { id, dynamic in
          guard dynamic.isOneOff else { return nil }
          let count = decided[id] ?? 0
          if count > 1 { return "schedule \(id) is decided \(count) times" }
          if count == 0, dynamic.isDurable, !dynamic.isUnscheduled, !toCome.contains(id) {
            return "schedule \(id) is lost"
          }
          return nil
        }
      }
    } catch { return ["the store cannot be read: \(error)"] }
  }

  var count: Int { dynamic.withLock { $0.count } }
}

import Basics
import Chronology
import JobModel
import MoondialTesting
import TestSupport
import Testing

@testable import MongoStore

let start = Instant(seconds: 1_767_225_600)

func claim(_ id: Int64, _ job: String) -> RunRecord {
  RunRecord(
    id: RunID(id), job: job, cause: .schedule, scheduledAt: start.advanced(byNanoseconds: id),
    claimedAt: start.advanced(byNanoseconds: id))
}

func finished(_ id: Int64, _ job: String, _ outcome: Outcome = .succeeded) -> RunRecord {
  var run = claim(id, job)
  run.outcome = outcome
  run.attempts = 1
  run.finishedAt = start
  return run
}

func schedule(_ job: String) -> ScheduleRecord { ScheduleRecord(job: job, trigger: "every 60s", registeredAt: start) }

func batch(_ edit: (inout StoreBatch) -> Void) -> StoreBatch { .make(edit) }

/// How stores are opened.
func options(_ edit: (inout MongoStore.Options) -> Void = { _ in }) -> MongoStore.Options {
  var options = MongoStore.Options()
  // Or the suite's runs, which are of a fixed day, would soon be too old to keep.
  options.clock = StandingClock(start)
  edit(&options)
  return options
}

/// Documents of that job are refused from now on; nil: none are.
func refuse(_ job: String?, in server: MongoServer) throws {
  for collection in [Collections.schedules, Collections.runs] {
    try server.ask(
      [
        "collMod": .text(collection), "validator": job.map { ["job": ["$ne": .text($0)]] } ?? [:],
        "validationAction": "error",
      ])
  }
}

/// Returns when something holds that another thread, process or the server brings about and tells nobody; fails when it
/// has not for longer than any machine needs.
func eventually(_ holds: () throws -> Bool, sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
  let deadline = monotonicNow() + patience
  while try !holds() {
    guard monotonicNow() < deadline else {
      Issue.record("it did not come to that", sourceLocation: sourceLocation)
      return
    }
    _ = Monitor(false).wait(until: monotonicNow() + 5_000_000) { $0 ? true : nil }
  }
}

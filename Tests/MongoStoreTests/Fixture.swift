import Chronology
import JobModel
import MoondialTesting
import TestSupport

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

// The scheduler is the whole program: `run` blocks until somebody stops it, here a job or Ctrl-C.
//
//   swift run Blocking 5

import Foundation
import MoondialScheduler

let seconds = CommandLine.arguments.dropFirst().first.flatMap { Double($0) } ?? 10

let scheduler = Scheduler()
try scheduler.add("tick", .every(.seconds(1))) { run in print("tick, due at \(run.scheduledAt)") }
try scheduler.add("end", .at(Date().addingTimeInterval(seconds))) { _ in scheduler.stop(waiting: false) }
try scheduler.run(stoppingOn: [SIGINT, SIGTERM])
print("stopped")

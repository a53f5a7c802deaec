// An interval job beside a main loop: the scheduler works in the background.
//
//   swift run Background          until it is interrupted
//   swift run Background 5        for five seconds

import Foundation
import MoondialScheduler

let seconds = CommandLine.arguments.dropFirst().first.flatMap { Double($0) } ?? .infinity

let scheduler = Scheduler()
try scheduler.add("tick", .every(.seconds(1))) { run in print("tick, due at \(run.scheduledAt)") }
try scheduler.start()

print("press Ctrl-C to exit")
let start = Date()
while Date().timeIntervalSince(start) < seconds {
  // The program's own work.
  Thread.sleep(forTimeInterval: 0.5)
}
scheduler.stop()
print("stopped")

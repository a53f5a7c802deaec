// A job that takes longer than its interval: while one instance runs, the next fire times are skipped, and the log says
// so.
//
//   swift run Skipped 6

import Foundation
import MoondialScheduler

let seconds = CommandLine.arguments.dropFirst().first.flatMap { Double($0) } ?? 10

let scheduler = Scheduler()
try scheduler.add("slow", .every(.seconds(1)), JobOptions(maxInstances: 1)) { run in
  print("run \(run.id) begins")
  Thread.sleep(forTimeInterval: 1.5)
  print("run \(run.id) ends")
}
try scheduler.start()
Thread.sleep(forTimeInterval: seconds)
scheduler.stop()

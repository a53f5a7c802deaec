// The same slow job, with two instances at a time. It is async: while it sleeps it holds no thread at all.
//
//   swift run TwoInstances 6

import Foundation
import MoondialScheduler

let seconds = CommandLine.arguments.dropFirst().first.flatMap { Double($0) } ?? 10

let scheduler = Scheduler()
try scheduler.add("slow", .every(.seconds(1)), JobOptions(maxInstances: 2)) { run in
  print("run \(run.id) begins")
  try await Task.sleep(for: .seconds(1.5))
  print("run \(run.id) ends")
}
try scheduler.start()
Thread.sleep(forTimeInterval: seconds)
scheduler.stop()

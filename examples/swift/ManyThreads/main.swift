// Many instances on many threads: a pool of 20, three instances of a job, every fire time by itself. The configuration
// in each of the three ways there are.
//
//   swift run ManyThreads 6 value        a value with typed parts
//   swift run ManyThreads 6 settings     flat keys, as `moondial --set` and the environment have them
//   swift run ManyThreads 6 late         a change before the start

import Foundation
import MoondialScheduler

let arguments = CommandLine.arguments.dropFirst()
let seconds = arguments.first.flatMap { Double($0) } ?? 10

let scheduler: Scheduler
switch arguments.dropFirst().first ?? "value" {
case "settings":
  scheduler = Scheduler(
    try Configuration(settings: [
      "executors.default.workers": "20", "job_defaults.coalesce": "false", "job_defaults.max_instances": "3",
    ]))
case "late":
  scheduler = Scheduler()
  try scheduler.configure {
    $0.executors["default"] = .threads(20)
    $0.jobDefaults = JobOptions(coalesce: .all, maxInstances: 3)
  }
default:
  var configuration = Configuration()
  configuration.executors["default"] = .threads(20)
  configuration.jobDefaults = JobOptions(coalesce: .all, maxInstances: 3)
  scheduler = Scheduler(configuration)
}

for name in ["a", "b"] {
  try scheduler.add(name, .every(.seconds(1))) { run in
    print("\(run.job) \(run.id) on thread \(pthread_self()) of process \(getpid())")
    Thread.sleep(forTimeInterval: 2.5)
  }
}
try scheduler.start()
Thread.sleep(forTimeInterval: seconds)
scheduler.stop()

// One service among others in an async program: SIGTERM drains the scheduler, as it drains a server.
//
//   swift run AsyncService 5

import Logging
import MoondialScheduler
import MoondialService
import ServiceLifecycle

@main
struct AsyncService {
  static func main() async throws {
    let seconds = CommandLine.arguments.dropFirst().first.flatMap { Double($0) } ?? 3600
    let logger = Logger(label: "example")
    var configuration = Configuration()
    configuration.log = .logger(logger)
    let scheduler = Scheduler(configuration)
    try await scheduler.add("tick", .every(.seconds(1))) { run in
      try await Task.sleep(for: .milliseconds(10))
      print("tick, due at \(run.scheduledAt)")
    }

    let group = ServiceGroup(
      configuration: ServiceGroupConfiguration(
        services: [
          .init(service: Server(seconds: seconds), successTerminationBehavior: .gracefullyShutdownGroup),
          .init(service: SchedulerRunner(scheduler, grace: .seconds(5))),
        ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    try await group.run()
    print("drained")
  }
}

/// Stands for the server that the program is about.
struct Server: Service {
  var seconds: Double
  func run() async throws {
    print("serving")
    await cancelWhenGracefulShutdown { try? await Task.sleep(for: .seconds(seconds)) }
  }
}

import ArgumentParser
import ProcessWorker

/// What a process executor starts: not for people.
struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "A process that runs jobs for a host, which starts it.", shouldDisplay: false)

  @Argument(help: "The name of the executor that it belongs to.") var executor: String

  func run() throws {
    guard WorkerProcess.isConnected() else {
      throw CommandFailure(
        .usage, "moondial worker is started by a host (executors with type = \"process\"), not by hand")
    }
    WorkerProcess.serve()
  }
}

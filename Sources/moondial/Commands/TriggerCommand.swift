import ArgumentParser
import HostClient
import Hosting
import JobModel

struct TriggerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trigger", abstract: "Have the host run a job now, whether it is paused or not.",
    discussion: """
      Example:
        moondial trigger backup --param target=/srv --wait
      It follows the job's overlap policy. With --wait the exit code says the outcome: 0 if it succeeded, 1 if not.
      """)

  @Argument(help: "The job.", completion: .custom(Completion.jobs)) var job: String
  @Option(help: "A parameter, key=value; the value as JSON, or else as text. May be repeated.") var param: [String] = []
  @OptionGroup var host: HostChoice
  @Flag(help: "Wait for the run to end.") var wait = false
  @Flag(help: "Wait, and show what it logs meanwhile.") var follow = false
  @Flag(help: "One JSON document: the run that was accepted or, with --wait, that has ended.") var json = false

  func run() throws {
    let client = try host.client
    let request = RunBody(params: try Parameters.json(param).map { JSONDocument($0) })
    let path = HostClient.path("jobs", job, "run")
    guard wait || follow else {
      let accepted = try client.post(AcceptedRun.self, path, request)
      return json ? Terminal.json(accepted.json) : Terminal.line("run \(accepted.id) of \(accepted.job)")
    }
    let watch = RunWatch(client, job: job, follows: follow && !json)
    try watch.run(printsJSON: json) { try client.post(AcceptedRun.self, path, request) }
  }
}

/// What a request for a run carries; the path says the job.
struct RunBody: Encodable {
  var params: JSONDocument?
}

extension AcceptedRun {
  var json: String {
    var object = JSONObject()
    object.set("id", id)
    object.set("job", job)
    object.set("retry_of", retryOf)
    return object.json
  }
}

struct RetryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry",
    abstract: "Run a job again as an earlier run of it did: with its parameters, its event and its fire time.",
    discussion: "Example:\n  moondial retry 1042 --wait\nThe new run says which run it retries.")

  @Argument(help: "The run's number.", completion: .custom(Completion.runs)) var runID: String
  @OptionGroup var host: HostChoice
  @Flag(help: "Wait for the run to end.") var wait = false
  @Flag(help: "Wait, and show what it logs meanwhile.") var follow = false
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    let client = try host.client
    let id = try RunID(argument: runID)
    let path = HostClient.path("runs", "\(id)", "retry")
    guard wait || follow else {
      let accepted = try client.post(AcceptedRun.self, path)
      return json
        ? Terminal.json(accepted.json) : Terminal.line("run \(accepted.id) of \(accepted.job), a retry of run \(id)")
    }
    let job = try client.get(RunAnswer.self, HostClient.path("runs", "\(id)")).job
    let watch = RunWatch(client, job: job, follows: follow && !json)
    try watch.run(printsJSON: json) { try client.post(AcceptedRun.self, path) }
  }
}

struct CancelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "End runs as cancelled.", discussion: "Example:\n  moondial cancel 1042 1043")

  @Argument(help: "The runs' numbers.", completion: .custom(Completion.openRuns)) var runs: [String]
  @OptionGroup var host: HostChoice
  @Flag(help: "JSON lines.") var json = false

  func run() throws {
    let client = try host.client
    let ids = try runs.map { try RunID(argument: $0) }
    var failures: [CommandFailure] = []
    for id in ids {
      do {
        let answer = try client.post(CancelAnswer.self, HostClient.path("runs", "\(id)", "cancel"))
        if json {
          Terminal.json(answer.json)
        } else {
          Terminal.line(answer.words)
        }
      } catch let failure as CommandFailure {
        // The others are cancelled all the same; without a host there are no others.
        guard failure.code == .failed else { throw failure }
        Terminal.error("moondial: " + failure.message)
        failures.append(failure)
      }
    }
    if !failures.isEmpty { throw CommandFailure.silent }
  }
}

extension CancelAnswer {
  var json: String {
    var object = JSONObject()
    object.set("id", id)
    object.set("job", job)
    object.set("state", state.rawValue)
    object.set("before", before.rawValue)
    return object.json
  }
}

extension RunID {
  /// A run as it is named on a command line.
  init(argument: String) throws {
    guard let id = RunID(argument) else {
      throw CommandFailure(.usage, "\(argument): a run is named by its number, as the log shows it")
    }
    self = id
  }
}

import ArgumentParser
import HostClient
import Hosting

struct PauseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pause",
    abstract: "What falls due of these jobs is skipped from now on, until they are resumed; also after a restart.",
    discussion: """
      Examples:
        moondial pause invoice dunning --reason "the ERP is down"
        moondial pause --all --reason "moving house"
      What runs goes on, and what somebody triggers runs. A pause of everything pauses no job by itself.
      """)

  @OptionGroup var pausing: PauseArguments

  func run() throws { try pausing.run("pause") }
}

struct ResumeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Run what falls due of these jobs from now on. What was skipped stays skipped.",
    discussion: "Examples:\n  moondial resume invoice\n  moondial resume --all")

  @OptionGroup var pausing: PauseArguments

  func run() throws { try pausing.run("resume") }
}

/// What pausing and resuming have in common.
struct PauseArguments: ParsableArguments {
  @Argument(help: "The jobs.", completion: .custom(Completion.jobs)) var jobs: [String] = []
  @Flag(help: "Everything, instead of some jobs.") var all = false
  @Option(help: "Why: it is shown as long as the pause lasts, and kept in the audit.") var reason: String?
  @OptionGroup var host: HostChoice
  @Flag(help: "One JSON document.") var json = false

  func run(_ verb: String) throws {
    guard all != !jobs.isEmpty else {
      throw CommandFailure(.usage, all ? "give either jobs or --all" : "name the jobs, or say --all")
    }
    let client = try host.client
    let request = PauseRequest(jobs: all ? nil : jobs, reason: reason)
    if json { return try client.printJSON("POST", HostClient.path(verb), body: request) }
    let answer = try client.post(PauseAnswer.self, HostClient.path(verb), request)
    let done = answer.isPaused ? "paused" : "resumed"
    if answer.everything { return Terminal.line("everything is \(done)") }
    for job in answer.changed { Terminal.line("\(job) is \(done)") }
    for job in answer.unchanged { Terminal.line("\(job) was \(answer.isPaused ? "paused" : "not paused") already") }
  }
}

struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload",
    abstract: "Read every script and the configuration again. Exit code 1 when something of it has errors.",
    discussion: "Example:\n  moondial reload\nSaved scripts are noticed without it; time zones are read anew.")

  @OptionGroup var host: HostChoice
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    let client = try host.client
    let path = HostClient.path("reload")
    let answer = try client.post(ReloadAnswer.self, path)
    if json {
      var object = JSONObject()
      object.set("generation", answer.generation)
      object.set("added", answer.added)
      object.set("changed", answer.changed)
      object.set("removed", answer.removed)
      object.set("errors", json: JSONObject.array(answer.errors.map(\.json)))
      Terminal.json(object.json)
    } else {
      let parts = [(answer.added, "added"), (answer.changed, "changed"), (answer.removed, "removed")]
        .filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
      let what = parts.isEmpty ? "nothing changed" : parts.joined(separator: ", ")
      Terminal.line("generation \(answer.generation): \(what)")
      for problem in answer.errors { Terminal.error("moondial: " + problem.words) }
    }
    if !answer.errors.isEmpty { throw CommandFailure.silent }
  }
}

extension ProblemAnswer {
  var words: String { "\(file)\(line > 0 ? ":\(line)" : ""): \(message)" }

  var json: String {
    var object = JSONObject()
    object.set("error", isError)
    object.set("file", file)
    object.set("line", line)
    object.set("message", message)
    object.set("traceback", traceback)
    return object.json
  }
}

struct DashboardCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dashboard", abstract: "Print a link that lets a browser in, once.",
    discussion: "Example:\n  xdg-open \"$(moondial dashboard)\"")

  @OptionGroup var host: HostChoice
  @Flag(help: "One JSON document.") var json = false

  private struct Link: Decodable { var url: String }

  func run() throws {
    let client = try host.client
    let path = HostClient.path("login-links")
    if json { return try client.printJSON("POST", path) }
    Terminal.line(try client.post(Link.self, path).url)
  }
}

import Foundation
import HostClient
import Hosting
import JobModel
import MoondialHTTP
import MoondialScheduler
import TestSupport
import Testing

/// A program's scheduler over HTTP.
@Suite("HTTP of a program's scheduler", .timeLimit(.minutes(1)))
struct ServeTests {
  private static let token = "a-token-of-a-program"

  private func options(_ directory: TemporaryDirectory) -> HTTPOptions {
    var options = HTTPOptions()
    options.stateDirectory = directory.path("state")
    options.listen = "127.0.0.1:0"
    options.tokens = [.init("ci", .operate, token: Self.token), .init("eyes", .read, token: "only-looks-at-it")]
    return options
  }

  private func scheduler() throws -> Scheduler {
    var configuration = Configuration()
    configuration.timezone = "UTC"
    configuration.log = .none
    let scheduler = Scheduler(configuration)
    try scheduler.add("hello", nil, JobOptions(tags: ["greeting"])) { _ in }
    return scheduler
  }

  @Test("it begins with the scheduler, answers at the socket and over TCP, takes orders, and ends with the scheduler")
  func serves() async throws {
    let directory = try TemporaryDirectory()
    let scheduler = try scheduler()
    let server = try scheduler.serve(options(directory))
    #expect(server.url == nil && server.makeLink() == nil)
    try await scheduler.start()
    let url = try #require(server.url)
    #expect(server.makeLink()?.hasPrefix(url + "/login?code=") == true)
    // As the commands ask it.
    let commands = HostClient(.stateDirectory(directory.path("state")), version: MoondialVersion.text)
    let jobs = try commands.ask(Page<JobAnswer>.self, "GET", HostClient.path("jobs"), query: [("tag", "greeting")])
    #expect(jobs.items.map(\.name) == ["hello"])
    let programs = HostClient(.server(url, token: Self.token), version: MoondialVersion.text)
    let run = try programs.ask(AcceptedRun.self, "POST", HostClient.path("jobs", "hello", "run"))
    let path = HostClient.path("runs", "\(run.id)")
    var answer = try programs.ask(RunAnswer.self, "GET", path)
    while answer.outcome == nil { answer = try programs.ask(RunAnswer.self, "GET", path) }
    #expect(answer.outcome == .succeeded)
    let audit = try programs.ask(Page<AuditAnswer>.self, "GET", HostClient.path("audit"))
    #expect(audit.items.first?.by == "token ci")
    let eyes = HostClient(.server(url, token: "only-looks-at-it"), version: MoondialVersion.text)
    #expect(throws: ClientFailure.self) {
      try eyes.ask(AcceptedRun.self, "POST", HostClient.path("jobs", "hello", "run"))
    }
    #expect(throws: ClientFailure.self) {
      try HostClient(.server(url, token: nil), version: "x").ask(HostStatus.self, "GET", HostClient.path("status"))
    }
    await scheduler.stop()
    #expect(server.url == nil)
    #expect(!FileManager.default.fileExists(atPath: directory.path("state/host.sock")))
    let lost = #expect(throws: ClientFailure.self) { try commands.document("GET", HostClient.path("status")) }
    #expect(lost?.kind == .noHost)
  }

  @Test("it may begin while the scheduler runs, and not after it has stopped")
  func later() async throws {
    let directory = try TemporaryDirectory()
    let scheduler = try scheduler()
    try await scheduler.start()
    let server = try scheduler.serve(options(directory))
    #expect(server.url != nil)
    let commands = HostClient(.stateDirectory(directory.path("state")), version: MoondialVersion.text)
    #expect(try commands.ask(HostStatus.self, "GET", HostClient.path("status")).jobs.total == 1)
    await scheduler.stop()
    let refused = #expect(throws: SchedulerError.self) { try scheduler.serve(options(directory)) }
    #expect(refused?.code == .state)
  }

  @Test("options that cannot be meant are refused at once; a place that cannot be had is left out")
  func mistakes() async throws {
    let scheduler = try scheduler()
    var options = HTTPOptions()
    options.listen = "nowhere"
    #expect(throws: SchedulerError.self) { try scheduler.serve(options) }
    options.listen = nil
    options.tokens = [.init("short", .read, token: "abc")]
    let short = #expect(throws: SchedulerError.self) { try scheduler.serve(options) }
    #expect(short?.message.contains("\"short\"") == true && short?.message.contains("abc") == false)
    options.tokens = []
    options.stateDirectory = "/proc/nobody-makes-directories-here"
    let server = try scheduler.serve(options)
    try await scheduler.start()
    #expect(server.url == nil)
    await scheduler.stop()
  }
}

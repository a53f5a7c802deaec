import Chronology
import HostClient
import Hosting
import JobModel

/// A host that is up, asked over HTTP.
struct HostSource: AnswerSource {
  private let client: HostClient
  let zone: TimeZoneRules
  let pause: PauseInfo?

  init(_ client: HostClient, _ status: HostStatus) {
    self.client = client
    zone = (try? Environment.zones.zone(named: status.timeZone)) ?? .utc
    pause = status.pause
  }

  private typealias Query = [(name: String, value: String?)]

  func scriptProblems() throws -> (lines: [String], isError: Bool) {
    let answer = try client.get(ScriptsAnswer.self, HostClient.path("scripts"))
    // A note counts where it says why the file as it is now is not in force.
    let all = answer.scripts.flatMap { script in
      script.problems.filter { $0.isError || script.status == .stale }
    }
    let problems = all.filter(\.isError) + answer.problems.filter(\.isError) + all.filter { !$0.isError }
    return (problems.map(HostSource.line), problems.contains { $0.isError })
  }

  private static func line(_ problem: ProblemAnswer) -> String {
    let location = SourceLocation(file: problem.file, line: problem.line)
    return "\(location): \(problem.isError ? "" : "note: ")\(problem.message)"
  }

  func jobs(_ query: JobQuery) throws -> Page<JobAnswer> {
    let parameters: Query = [
      ("tag", query.tag), ("file", query.file), ("state", query.state?.rawValue), ("text", query.text),
      ("after", query.after?.text), ("limit", "\(query.limit)"),
    ]
    return try client.get(Page<JobAnswer>.self, HostClient.path("jobs"), query: parameters)
  }

  func schedules(_ query: SchedulesQuery) throws -> Page<ScheduleAnswer> {
    let parameters: Query = [("job", query.job), ("after", query.after?.text), ("limit", "\(query.limit)")]
    return try client.get(Page<ScheduleAnswer>.self, HostClient.path("schedules"), query: parameters)
  }

  func nodes() throws -> NodesAnswer { try client.get(NodesAnswer.self, HostClient.path("nodes")) }

  func drain(_ node: String, isDraining: Bool, force: Bool) throws -> DrainAnswer {
    isDraining
      ? try client.post(DrainAnswer.self, HostClient.path("nodes", node, "drain"), DrainRequest(force: force))
      : try client.post(DrainAnswer.self, HostClient.path("nodes", node, "resume"))
  }

  func runs(_ query: RunsQuery) throws -> Page<RunAnswer> {
    let outcomes = query.outcomes.map { $0.map(\.rawValue).sorted().joined(separator: ",") }
    let parameters: Query = [
      ("job", query.job), ("tag", query.tag), ("outcome", outcomes), ("open", query.isOpen ? "true" : nil),
      ("from", query.from.map(text)), ("to", query.to.map(text)), ("text", query.text),
      ("after", query.after?.text), ("limit", "\(query.limit)"),
    ]
    return try client.get(Page<RunAnswer>.self, HostClient.path("runs"), query: parameters)
  }

  func run(_ id: RunID) throws -> RunAnswer { try client.get(RunAnswer.self, HostClient.path("runs", "\(id)")) }

  func log(of run: RunID, limit: Int) throws -> LogAnswer {
    try client.get(
      LogAnswer.self, HostClient.path("runs", "\(run)", "log"), query: [("limit", "\(min(limit, PageLimit.most))")])
  }

  func explain(_ query: ExplainQuery) throws -> ExplainAnswer {
    try client.get(
      ExplainAnswer.self, HostClient.path("jobs", query.job, "explain"),
      query: [("at", query.at.map(text)), ("limit", "\(query.limit)")])
  }

  private func text(_ instant: Instant) -> String { ISO8601.format(instant, in: .utc) }
}

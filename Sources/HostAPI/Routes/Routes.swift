package import Chronology
package import Hosting
internal import HTTPTypes
internal import JobModel

/// What the routes are made of.
package struct RouteContext: Sendable {
  package var control: any HostControl
  package var version: String
  package var credentials: Credentials
  /// In which the streams show times.
  package var zone: TimeZoneRules
  /// Where browsers find the host: `http://127.0.0.1:8047`; nil: nowhere.
  package var address: @Sendable () -> String?

  package init(
    control: any HostControl, version: String, credentials: Credentials, zone: TimeZoneRules = .utc,
    address: @escaping @Sendable () -> String?
  ) {
    self.zone = zone
    self.control = control
    self.version = version
    self.credentials = credentials
    self.address = address
  }
}

/// Every operation of a host.
package enum Routes {
  package static func all(_ context: RouteContext) -> [Route] {
    let routes =
      status(context) + nodes(context) + jobs(context) + runs(context) + schedules(context) + scripts(context)
      + history(context)
      + streams(context) + health(context) + login(context) + dashboard
    // The description describes itself too.
    let own = describe { ("", "") }
    let document = Once {
      let text = APIDescription(routes + [own], version: context.version).json
      return (text, EntityTag.of(text))
    }
    return routes + [describe { document.value }]
  }

  private static func describe(_ document: @escaping @Sendable () -> (text: String, tag: String)) -> Route {
    Route(
      method: .get, path: "/api/v1/openapi.json", name: "describe", summary: "This document", role: .read,
      parameters: [Parameters.ifNoneMatch],
      answers: [
        Route.Answer(status: .ok, content: .json(JSONObjectShape.self), summary: "an OpenAPI 3.1 document"),
        Route.Answer(status: .notModified, content: .nothing, summary: "it is as it was"),
      ],
      handle: { _ in
        let document = document()
        var reply = Reply(.ok, .text(document.text, type: "application/json"))
        reply.entityTag = document.tag
        return reply
      })
  }

  private static func status(_ context: RouteContext) -> [Route] {
    let control = context.control
    return [
      .get("/api/v1/status", "status", "How the host is") { _ in try await control.status() },
      .post("/api/v1/pause", "pause", "Pause some jobs, or everything", body: .json(PauseRequest.self)) { call in
        try await control.pause(try call.decode(PauseRequest.self), by: call.caller)
      },
      .post("/api/v1/resume", "resume", "Resume some jobs, or everything", body: .json(PauseRequest.self)) { call in
        try await control.resume(try call.decode(PauseRequest.self), by: call.caller)
      },
    ]
  }

  private static func jobs(_ context: RouteContext) -> [Route] {
    let control = context.control
    let texts = JobTexts()
    let file = Route.Parameter("file", .string(length: 1...1_000), "declared by this script")
    let at = Route.Parameter("at", .string(format: "date-time"), "decided about this instant")
    let state = Route.Parameter("state", .string(choices: JobQuery.State.allCases.map(\.rawValue)), "in this state")
    return [
      .get(
        "/api/v1/jobs", "jobs", "Jobs by name",
        [Parameters.tag, file, state, Parameters.text, Parameters.after, Parameters.limit],
        write: { try await texts.reply($0) }
      ) { call in
        try await control.jobs(
          JobQuery(
            tag: try call.string("tag"), file: try call.string("file"),
            state: try call.choice("state", JobQuery.State.self), text: try call.string("text"),
            after: try call.cursor(), limit: try call.limit()))
      },
      .get("/api/v1/jobs/{name}", "job", "One job", [Parameters.jobName]) { call in
        try await control.job(call.path("name"))
      },
      .get(
        "/api/v1/jobs/{name}/explain", "explainJob", "What became of a job's fire times",
        [Parameters.jobName, at, Parameters.limit]
      ) { call in
        try await control.explain(
          ExplainQuery(job: call.path("name"), at: try call.instant("at"), limit: try call.limit(standard: 10)))
      },
      .post(
        "/api/v1/jobs/{name}/run", "runJob", "Run a job now", [Parameters.jobName], body: .json(RunBody.self),
        status: .accepted
      ) { call in
        let body = try call.decode(RunBody.self)
        return try await control.runNow(RunRequest(job: call.path("name"), params: body.params), by: call.caller)
      },
      .post(
        "/api/v1/jobs/{name}/pause", "pauseJob", "Skip what falls due", [Parameters.jobName],
        body: .json(ReasonBody.self)
      ) { call in
        let body = try call.decode(ReasonBody.self)
        return try await control.pause(
          PauseRequest(jobs: [call.path("name")], reason: body.reason), by: call.caller)
      },
      .post(
        "/api/v1/jobs/{name}/resume", "resumeJob", "Run what falls due from now on", [Parameters.jobName],
        body: .json(ReasonBody.self)
      ) { call in
        let body = try call.decode(ReasonBody.self)
        return try await control.resume(
          PauseRequest(jobs: [call.path("name")], reason: body.reason), by: call.caller)
      },
      .get("/api/v1/jobs/{name}/log", "jobLog", "Lines of a job's latest runs", [Parameters.jobName] + logParameters) {
        call in
        try await control.log(try logQuery(call, of: .job(call.path("name"))))
      },
    ]
  }

  private static func runs(_ context: RouteContext) -> [Route] {
    let control = context.control
    let outcome = Route.Parameter(
      "outcome", .string(length: 1...200, pattern: "^[a-z_]+(,[a-z_]+)*$"), "one or more outcomes, with commas between")
    let open = Route.Parameter("open", .bool, "only those that have not ended")
    return [
      .get(
        "/api/v1/runs", "runs", "Runs, newest first",
        [
          Parameters.job, Parameters.tag, outcome, open, Parameters.from, Parameters.to, Parameters.text,
          Parameters.after, Parameters.limit,
        ]
      ) { call in
        var query = RunsQuery(job: try call.string("job"), outcomes: try call.outcomes(), limit: try call.limit())
        query.tag = try call.string("tag")
        query.isOpen = try call.bool("open") ?? false
        query.from = try call.instant("from")
        query.to = try call.instant("to")
        query.text = try call.string("text")
        query.after = try call.cursor()
        return try await control.runs(query)
      },
      .get("/api/v1/runs/{id}", "run", "One run", [Parameters.runID]) { call in
        try await control.run(try call.run())
      },
      .get("/api/v1/runs/{id}/log", "runLog", "Lines of one run", [Parameters.runID] + logParameters) { call in
        try await control.log(try logQuery(call, of: .run(try call.run())))
      },
      .post("/api/v1/runs/{id}/cancel", "cancelRun", "End a run as cancelled", [Parameters.runID], body: .nothing) {
        call in
        try await control.cancel(try call.run(), by: call.caller)
      },
      .post(
        "/api/v1/runs/{id}/retry", "retryRun", "Run the same again", [Parameters.runID], body: .nothing,
        status: .accepted
      ) { call in
        try await control.retry(try call.run(), by: call.caller)
      },
    ]
  }

  private static let logParameters = [
    Route.Parameter("since", .string(format: "date-time"), "written at or after this time"), Parameters.level,
    Parameters.text, Parameters.limit,
  ]

  private static func logQuery(_ call: APICall, of subject: LogQuery.Subject) throws -> LogQuery {
    var query = LogQuery(
      subject, since: try call.instant("since"), level: try call.choice("level", LogLevel.self),
      limit: try call.limit(standard: PageLimit.most))
    query.text = try call.string("text")
    return query
  }
}

extension Route.Body {
  static func json(_ type: AnswerType, isRequired: Bool = false) -> Route.Body {
    Route.Body(type: type, isRequired: isRequired)
  }
  /// Nothing, or `{}`.
  static var nothing: Route.Body { .json(EmptyBody.self) }
}

/// A document whose form is described elsewhere.
struct JSONObjectShape: Codable, Sendable, SchemaType {
  static var schema: Schema { .map(.any) }
  static var example: JSONObjectShape { JSONObjectShape() }
}

extension APICall {
  /// `failed,timed_out`.
  fileprivate func outcomes() throws(ProblemDetails) -> Set<Outcome>? {
    guard let text = try string("outcome") else { return nil }
    var outcomes: Set<Outcome> = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let outcome = Outcome(rawValue: String(word)) else {
        let all = Outcome.allCases.map(\.rawValue).joined(separator: ", ")
        throw .invalid("outcome=\(text): \(AnswerEncoder.quoted(String(word))) is none of \(all)")
      }
      outcomes.insert(outcome)
    }
    return outcomes
  }
}

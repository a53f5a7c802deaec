internal import Hosting
internal import HTTPTypes

/// What is to come, what may come, and what the scripts say.
extension Routes {
  static func schedules(_ context: RouteContext) -> [Route] {
    let control = context.control
    let hours = Route.Parameter("hours", .integer(1...768), "from then on (24)")
    return [
      .get(
        "/api/v1/upcoming", "upcoming", "Fires to come, by time",
        [Parameters.job, Parameters.tag, Parameters.from, hours, Parameters.limit]
      ) { call in
        let span = Int64(try call.integer("hours", in: 1...768) ?? 24) * 3_600_000_000_000
        return try await control.upcoming(
          UpcomingQuery(
            job: try call.string("job"), tag: try call.string("tag"), from: try call.instant("from"), span: span,
            limit: try call.limit(standard: PageLimit.most)))
      },
      .get(
        "/api/v1/schedules", "schedules", "Dynamic schedules, by id",
        [Parameters.job, Parameters.after, Parameters.limit]
      ) { call in
        try await control.schedules(
          SchedulesQuery(job: try call.string("job"), after: try call.cursor(), limit: try call.limit()))
      },
      .post(
        "/api/v1/schedules", "schedule", "Give a job a further schedule",
        body: .json(ScheduleOrder.self, isRequired: true), status: .created
      ) { call in
        try await control.schedule(try call.decode(ScheduleOrder.self), by: call.caller)
      },
      Route(
        method: .delete, path: "/api/v1/schedules/{id}", name: "unschedule", summary: "End such a schedule",
        role: .operate, parameters: [Parameters.scheduleID],
        answers: [Route.Answer(status: .noContent, content: .nothing, summary: "it is gone")],
        problems: [.notFound, .conflict],
        handle: { call in
          try await control.unschedule(call.path("id"), by: call.caller)
          return Reply(.noContent)
        }),
      .post(
        "/api/v1/backfill", "backfill", "Run a job for the fire times of a range",
        body: .json(BackfillRequest.self, isRequired: true)
      ) { call in
        try await control.backfill(try call.decode(BackfillRequest.self), by: call.caller)
      },
    ]
  }

  static func scripts(_ context: RouteContext) -> [Route] {
    let control = context.control
    return [
      .get("/api/v1/scripts", "scripts", "Scripts and what is wrong with them") { _ in try await control.scripts() },
      .get("/api/v1/generations", "generations", "What reloads have brought, the latest first") { _ in
        GenerationsAnswer(items: try await control.generations())
      },
      .post("/api/v1/reload", "reload", "Read every script again", body: .nothing) { call in
        try await control.reload(by: call.caller)
      },
    ]
  }

  static func history(_ context: RouteContext) -> [Route] {
    let control = context.control
    let action = Route.Parameter("action", .string(length: 1...200), "this action")
    let subject = Route.Parameter("subject", .string(length: 1...1_000), "about this job, run or schedule")
    let by = Route.Parameter("by", .string(length: 1...1_000), "of this person or token")
    return [
      .get(
        "/api/v1/decisions", "decisions", "Fire times that got no run of their own, newest first",
        [Parameters.job, Parameters.from, Parameters.to, Parameters.limit]
      ) { call in
        try await control.decisions(
          DecisionsQuery(
            job: try call.string("job"), from: try call.instant("from"), to: try call.instant("to"),
            limit: try call.limit()))
      },
      .get(
        "/api/v1/audit", "audit", "What somebody changed, newest first",
        [action, subject, by, Parameters.from, Parameters.to, Parameters.after, Parameters.limit]
      ) { call in
        var query = AuditQuery(after: try call.cursor(), limit: try call.limit())
        query.action = try call.string("action")
        query.subject = try call.string("subject")
        query.by = try call.string("by")
        query.from = try call.instant("from")
        query.to = try call.instant("to")
        return try await control.audit(query)
      },
    ]
  }
}

internal import Hosting
internal import HTTPTypes
internal import JobModel

/// What goes on while a client listens.
extension Routes {
  static func streams(_ context: RouteContext) -> [Route] {
    let control = context.control
    let run = Route.Parameter("run", .integer(1...Int64.max), "of this run")
    let type = Route.Parameter("type", .string(length: 1...1_000), "one or more types of events, with commas between")
    let zone = context.zone
    return [
      stream(
        "/api/v1/events", "events", "What the host does, as it happens", [Parameters.job, type]
      ) { call in
        let job = try call.string("job").map { AnswerEncoder.quoted($0) }
        let types = try call.types()
        return .journal(control.events.reader(after: try call.position())) { entry in
          // Made by the first of all readers, and shared by the others.
          let rendered = entry.rendered { entry in
            let answer = EventAnswer(entry.content, in: zone)
            return "\(answer.type)\n\(AnswerEncoder.quoted(answer.job ?? ""))\n" + json(answer)
          }
          let parts = rendered.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
          guard types?.contains(parts[0]) ?? true, job == nil || job == parts[1] else { return nil }
          return (parts[0], parts[2])
        }
      },
      stream(
        "/api/v1/log/stream", "followLog", "Lines that runs write, as they come",
        [Parameters.job, run, Parameters.level]
      ) { call in
        let job = try call.string("job")
        let run = try call.integer("run", in: 1...Int.max).map { RunID(Int64($0)) }
        let level = try call.choice("level", LogLevel.self)
        return .journal(control.lines.reader(after: try call.position())) { entry in
          let line = entry.content
          guard job == nil || line.job == job, run == nil || line.run == run else { return nil }
          if let level, (LogLevel(rawValue: line.level) ?? .info) < level { return nil }
          return ("line", entry.rendered { json(LogLineAnswer($0.content, in: zone)) })
        }
      },
    ]
  }

  private static func stream(
    _ path: String, _ name: String, _ summary: String, _ parameters: [Route.Parameter],
    _ open: @escaping @Sendable (APICall) throws -> EventStream
  ) -> Route {
    let after = Route.Parameter("after", .string(length: 1...64), "the id after which to begin")
    return Route(
      method: .get, path: path, name: name, summary: summary, role: .read,
      parameters: parameters + [after, Parameters.lastEventID],
      answers: [
        Route.Answer(status: .ok, content: .text("text/event-stream"), summary: "Server-Sent Events, without an end")
      ],
      handle: { call in Reply(.ok, .stream(try open(call))) })
  }

  private static func json(_ value: some Encodable) -> String {
    // These types encode themselves.
    (try? AnswerEncoder.json(value)) ?? "{}"
  }
}

extension APICall {
  /// `run_started,run_finished`.
  fileprivate func types() throws(ProblemDetails) -> Set<String>? {
    guard let text = try string("type") else { return nil }
    let types = Set(text.split(separator: ",", omittingEmptySubsequences: false).map(String.init))
    if let unknown = types.subtracting(EventAnswer.types).min() {
      throw .invalid(
        "type=\(text): \(AnswerEncoder.quoted(unknown)) is none of \(EventAnswer.types.joined(separator: ", "))")
    }
    return types
  }

  /// Where the client wants to go on; nil: with what happens from now on.
  fileprivate func position() throws(ProblemDetails) -> JournalPosition? {
    let after = try string("after")
    guard let text = headers[.lastEventID] ?? after else { return nil }
    guard let position = JournalPosition(text) else {
      throw .invalid("\(AnswerEncoder.quoted(text)) is no id of an event: send the one of the last frame")
    }
    return position
  }
}

extension HTTPField.Name {
  static let lastEventID = HTTPField.Name("Last-Event-ID")!
}

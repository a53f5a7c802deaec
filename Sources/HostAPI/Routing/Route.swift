package import HTTPTypes

/// One operation of the API: how it is called, who may call it, what it takes and answers, and what it does. The router
/// and the API's description are both made from these.
package struct Route: Sendable {
  package var method: HTTPRequest.Method
  /// Such as `/api/v1/jobs/{name}/run`.
  package var path: String
  /// A name of its own: `runJob`.
  package var name: String
  package var summary: String
  /// nil: nobody needs to be known.
  package var role: AccessRole?
  package var parameters: [Parameter] = []
  package var body: Body?
  package var answers: [Answer]
  /// Statuses of problems in addition to those that every route has.
  package var problems: [HTTPResponse.Status] = []
  /// Whether its answers are long, so that only some are made at a time (``AnswerGate``).
  package var isLong = false
  package var handle: @Sendable (APICall) async throws -> Reply

  /// A part of the path or of the query.
  package struct Parameter: Sendable {
    package enum Location: String, Sendable { case path, query, header }
    package var name: String
    package var location: Location
    package var schema: Schema
    package var summary: String

    package init(_ name: String, in location: Location = .query, _ schema: Schema, _ summary: String) {
      self.name = name
      self.location = location
      self.schema = schema
      self.summary = summary
    }
  }

  /// The JSON that a request carries.
  package struct Body: Sendable {
    package var type: AnswerType
    /// Where what decodes is less than what may be said.
    package var schema: Schema?
    package var isRequired: Bool
  }

  /// An answer that is no problem.
  package struct Answer: Sendable {
    package var status: HTTPResponse.Status
    package var content: Content
    package var summary: String

    package enum Content: Sendable {
      case json(AnswerType)
      case text(String)
      case nothing
    }
  }
}

/// What a handler answers.
package struct Reply: Sendable {
  package enum Content: Sendable {
    case nothing
    case text(String, type: String)
    case stream(EventStream)
  }
  package var status: HTTPResponse.Status
  package var content: Content
  package var headers = HTTPFields()
  /// Names the content, where somebody has worked it out before.
  package var entityTag: String?

  package init(_ status: HTTPResponse.Status = .ok, _ content: Content = .nothing) {
    self.status = status
    self.content = content
  }

  /// A value as JSON.
  package static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Reply {
    Reply(status, .text(try AnswerEncoder.json(value), type: "application/json"))
  }
}

extension Route {
  /// A question.
  ///
  /// - Parameter write: makes the reply of an answer; nil: as ``AnswerEncoder`` writes it.
  static func get<A: Codable & Sendable>(
    _ path: String, _ name: String, _ summary: String, _ parameters: [Parameter] = [],
    problems: [HTTPResponse.Status] = [], write: (@Sendable (A) async throws -> Reply)? = nil,
    _ handle: @escaping @Sendable (APICall) async throws -> A
  ) -> Route {
    Route(
      method: .get, path: path, name: name, summary: summary, role: .read,
      parameters: parameters + [Parameters.ifNoneMatch],
      answers: [
        Answer(status: .ok, content: .json(A.self), summary: "the answer"),
        Answer(status: .notModified, content: .nothing, summary: "it is as it was (If-None-Match)"),
      ],
      problems: problems
        + (path.contains("{") || parameters.contains { $0.name == "job" } ? [.notFound] : []),
      isLong: A.self is any LongAnswer.Type,
      handle: { call in
        let answer = try await handle(call)
        // Who has gone needs no text of it.
        try Task.checkCancellation()
        if let write { return try await write(answer) }
        guard let long = answer as? any LongAnswer else { return try .json(answer) }
        return Reply(.ok, .text(try await long.json(), type: "application/json"))
      })
  }

  /// An order.
  static func post<A: Codable & Sendable>(
    _ path: String, _ name: String, _ summary: String, _ parameters: [Parameter] = [], body: Body? = nil,
    status: HTTPResponse.Status = .ok, _ handle: @escaping @Sendable (APICall) async throws -> A
  ) -> Route {
    Route(
      method: .post, path: path, name: name, summary: summary, role: .operate, parameters: parameters, body: body,
      answers: [Answer(status: status, content: .json(A.self), summary: "what was done")],
      problems: [.notFound, .conflict], handle: { try .json(try await handle($0), status: status) })
  }
}

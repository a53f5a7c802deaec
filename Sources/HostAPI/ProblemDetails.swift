public import HTTPTypes
internal import NIOCore

/// What an answer says when it refuses: one sentence for a person, one title for a program.
///
/// Source: RFC 9457, "Problem Details for HTTP APIs". It is sent as `application/problem+json`.
public struct ProblemDetails: Error, Sendable, Equatable {
  /// The status in the head of the answer and in its body.
  public var status: HTTPResponse.Status
  /// The name of the kind of problem, the same for all problems of the kind.
  public var title: String
  /// One sentence that says what to change.
  public var detail: String
  /// Further fields of the answer's head: `Allow`, `Retry-After`, `WWW-Authenticate`.
  package var headers = HTTPFields()

  public init(status: HTTPResponse.Status, title: String, detail: String) {
    self.status = status
    self.title = title
    self.detail = detail
  }
}

extension ProblemDetails {
  package static func notFound(_ detail: String) -> ProblemDetails {
    ProblemDetails(status: .notFound, title: "Not Found", detail: detail)
  }

  package static func invalid(_ detail: String) -> ProblemDetails {
    ProblemDetails(status: .unprocessableContent, title: "Unprocessable Content", detail: detail)
  }

  package static func badRequest(_ detail: String) -> ProblemDetails {
    ProblemDetails(status: .badRequest, title: "Bad Request", detail: detail)
  }

  package static func conflict(_ detail: String) -> ProblemDetails {
    ProblemDetails(status: .conflict, title: "Conflict", detail: detail)
  }

  package static func unavailable(_ detail: String) -> ProblemDetails {
    var problem = ProblemDetails(status: .serviceUnavailable, title: "Service Unavailable", detail: detail)
    problem.headers[.retryAfter] = "1"
    return problem
  }

  package static func tooMany(_ detail: String) -> ProblemDetails {
    var problem = ProblemDetails(status: .tooManyRequests, title: "Too Many Requests", detail: detail)
    problem.headers[.retryAfter] = "1"
    return problem
  }

  package static func unauthorized(_ detail: String) -> ProblemDetails {
    var problem = ProblemDetails(status: .unauthorized, title: "Unauthorized", detail: detail)
    problem.headers[.wwwAuthenticate] = "Bearer realm=\"moondial\""
    return problem
  }

  /// The document that is sent.
  package var json: String {
    "{\"type\":\"about:blank\",\"title\":\(AnswerEncoder.quoted(title)),\"status\":\(status.code),"
      + "\"detail\":\(AnswerEncoder.quoted(detail))}"
  }

  /// A whole answer after which the connection is closed.
  var closing: (head: HTTPResponse, body: ByteBuffer) {
    let body = ByteBuffer(string: json)
    var fields = headers
    fields[.contentType] = "application/problem+json"
    fields[.contentLength] = String(body.readableBytes)
    fields[.connection] = "close"
    return (HTTPResponse(status: status, headerFields: fields), body)
  }
}

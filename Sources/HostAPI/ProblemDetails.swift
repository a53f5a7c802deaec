public import HTTPTypes
public import Hummingbird
import NIOCore

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

  public init(status: HTTPResponse.Status, title: String, detail: String) {
    self.status = status
    self.title = title
    self.detail = detail
  }
}

extension ProblemDetails: Encodable {
  private enum Key: String, CodingKey { case type, title, status, detail }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: Key.self)
    try fields.encode("about:blank", forKey: .type)
    try fields.encode(title, forKey: .title)
    try fields.encode(status.code, forKey: .status)
    try fields.encode(detail, forKey: .detail)
  }
}

extension ProblemDetails: HTTPResponseError {
  public func response(from request: Request, context: some RequestContext) throws -> Response {
    var response = try context.responseEncoder.encode(self, from: request, context: context)
    response.status = status
    response.headers[.contentType] = "application/problem+json"
    return response
  }
}

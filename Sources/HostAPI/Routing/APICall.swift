internal import FoundationEssentials
package import HTTPTypes
package import Hosting
internal import NIOCore

/// One request that may be made: who makes it, and what it says.
package struct APICall: Sendable {
  package let method: HTTPRequest.Method
  package let target: RequestTarget
  /// Parts of the path by their names in the route.
  package let arguments: [String: String]
  package let headers: HTTPFields
  package let identity: Identity?
  package let door: Door
  /// The authority by which the client calls the host.
  package let authority: String?
  let body: ByteBuffer
  /// What the route's body is held to, and what that names.
  let bodySchema: Schema
  let schemas: NamedSchemas

  /// Who gives an order, for the audit.
  package var caller: Caller {
    switch door {
    case .socket: Caller(clientName ?? "operator", .socket)
    case .tcp: Caller(identity?.name ?? "nobody", .http)
    }
  }

  /// What a client over the socket calls itself; nobody checks it, since whoever opens the socket may do everything.
  private var clientName: String? {
    guard let name = headers[.moondialClient], !name.isEmpty else { return nil }
    return name
  }

  /// Where there is no body, `{}` is read.
  private var data: Data { body.readableBytes == 0 ? Data("{}".utf8) : Data(body.readableBytesView) }

  /// Whether the body is as the route says.
  func checkBody() throws(ProblemDetails) {
    let value: JSONValue
    do { value = try JSONDecoder().decode(JSONValue.self, from: data) } catch {
      throw .badRequest("the body is no JSON document (RFC 8259), or one with too many levels")
    }
    if let complaint = bodySchema.complaint(about: value, schemas) { throw .invalid(complaint) }
  }

  /// The body as a value.
  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    do { return try JSONDecoder().decode(type, from: data) } catch let error as DecodingError {
      throw ProblemDetails.invalid("the body cannot be meant: \(APICall.sentence(error))")
    }
  }

  private static func sentence(_ error: DecodingError) -> String {
    switch error {
    case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context),
      .keyNotFound(_, let context):
      let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
      return (path.isEmpty ? "" : path + ": ") + context.debugDescription
    @unknown default: return "\(error)"
    }
  }
}

extension HTTPField.Name {
  /// What the commands call themselves.
  package static let moondialClient = HTTPField.Name("Moondial-Client")!
  static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}

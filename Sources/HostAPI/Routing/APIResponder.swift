internal import HTTPTypes
internal import Hosting
internal import HummingbirdCore
internal import NIOCore
internal import Synchronization

/// Answers requests: who asks, which route it is, whether it may be, what comes of it. Every refusal is a
/// ``ProblemDetails``.
final class APIResponder: Sendable {
  private let table: RouteTable
  private let description: Once<APIDescription>
  private let gate: RequestGate
  private let limits: ServerLimits
  private let streams: StreamRegister
  private let active = Atomic(0)
  /// One a door, so that who asks much over TCP does not hold up the commands.
  private let socketGate, networkGate: AnswerGate
  private let date = HTTPDate()

  init(_ table: RouteTable, _ description: Once<APIDescription>, _ gate: RequestGate, _ limits: ServerLimits) {
    self.table = table
    self.description = description
    self.gate = gate
    self.limits = limits
    streams = StreamRegister(limits)
    socketGate = AnswerGate(most: limits.longAnswers)
    networkGate = AnswerGate(most: limits.longAnswers)
  }

  /// Ends the streams: their clients come back to the next host.
  func stop() { streams.closeAll() }

  /// The answer to one request. Never throws: what goes wrong is an answer too.
  func respond(to request: Request, at door: Door, on channel: any Channel) async -> Response {
    // A client that sends a thousand requests at once is one among others: others' answers come between its own.
    await Task.yield()
    var isBodyRead = false
    var response: Response
    do {
      guard active.wrappingAdd(1, ordering: .relaxed).newValue <= limits.requests else {
        throw ProblemDetails.tooMany("the host answers as many requests as it can at once: try again")
      }
      response = try await answer(request, door, channel, &isBodyRead)
    } catch {
      response = APIResponder.response(to: error)
      if response.status == .unauthorized, APIResponder.isBrowser(request) { APIResponder.greet(&response) }
    }
    active.wrappingSubtract(1, ordering: .relaxed)
    let isLast = request.headers[.connection]?.lowercased() == "close"
    if isLast || !isBodyRead && APIResponder.hasBody(request.headers) {
      // What is left of it is dropped with the connection.
      response.headers[.connection] = "close"
    }
    return finish(response, of: request)
  }

  private func answer(
    _ request: Request, _ door: Door, _ channel: any Channel, _ isBodyRead: inout Bool
  ) async throws -> Response {
    let subject = APIResponder.subject(request, door)
    try gate.checkAddress(subject)
    let identity = try gate.identify(subject)
    let target: RequestTarget
    do { target = try RequestTarget(request.head.path ?? "") } catch {
      // Nobody who is not known learns which paths there are.
      guard identity != nil else { throw APIResponder.unknown }
      throw error
    }
    let (route, arguments) = try find(request.method, target, identity)
    try APIResponder.checkAccept(request.headers, route)
    try APIResponder.checkQuery(target, route)
    let body = route.body == nil ? ByteBuffer() : try await read(request, route, &isBodyRead)
    let described = route.body.map { _ in description.value }
    let call = APICall(
      method: request.method, target: target, arguments: arguments, headers: request.headers, identity: identity,
      door: door, authority: request.head.authority, body: body, bodySchema: described?.bodies[route.name] ?? .any,
      schemas: described?.schemas ?? NamedSchemas())
    if route.body != nil { try call.checkBody() }
    guard route.isLong else { return try response(await route.handle(call), request, channel) }
    let gate = door == .socket ? socketGate : networkGate
    return try response(await gate.pass { try await route.handle(call) }, request, channel)
  }

  // MARK: Before

  private static let unknown = ProblemDetails.unauthorized(
    "say who you are: a token of http.tokens (Authorization: Bearer …), or the link that `moondial dashboard` prints")

  private func find(
    _ method: HTTPRequest.Method, _ target: RequestTarget, _ identity: Identity?
  ) throws -> (Route, [String: String]) {
    let match = table.match(method, target.segments)
    if case .route(let route, let arguments) = match {
      guard let role = route.role else { return (route, arguments) }
      guard let identity else { throw Self.unknown }
      guard identity.role >= role else {
        throw ProblemDetails(
          status: .forbidden, title: "Forbidden", detail: "this takes the role \(role.rawValue), and the token has not")
      }
      return (route, arguments)
    }
    guard identity != nil else { throw Self.unknown }
    guard case .otherMethods(let methods) = match else {
      throw ProblemDetails.notFound("there is nothing at this path: /api/v1/openapi.json lists what there is")
    }
    let allowed = methods.map(\.rawValue).joined(separator: ", ")
    var problem = ProblemDetails(
      status: .methodNotAllowed, title: "Method Not Allowed", detail: "this path takes \(allowed)")
    problem.headers[.allow] = allowed
    throw problem
  }

  private static func subject(_ request: Request, _ door: Door) -> RequestGate.Subject {
    var subject = RequestGate.Subject(door: door)
    subject.host = request.head.authority
    subject.hasTwoHosts = request.headers.contains(HTTPField.Name("Host")!)
    subject.origin = request.headers[.origin]
    subject.fetchSite = request.headers[.secFetchSite]
    subject.authorization = request.headers[.authorization]
    subject.cookies = request.headers[values: .cookie]
    subject.isSafe = request.method == .get || request.method == .head
    return subject
  }

  /// Whether the client takes what the route answers.
  private static func checkAccept(_ headers: HTTPFields, _ route: Route) throws(ProblemDetails) {
    let accepted = headers[values: .accept].flatMap { $0.split(separator: ",") }
    guard !accepted.isEmpty else { return }
    let types = route.answers.compactMap { answer -> String? in
      switch answer.content {
      case .json: "application/json"
      case .text(let type): String(type.prefix { $0 != ";" })
      case .nothing: nil
      }
    }
    let isFine =
      types.isEmpty
      || accepted.contains { range in
        let parts = range.split(separator: ";").map { $0.filter { $0 != " " }.lowercased() }
        guard let name = parts.first, !parts.contains("q=0"), !parts.contains("q=0.0") else { return false }
        return name == "*/*" || types.contains { $0 == name || name == $0.prefix { $0 != "/" } + "/*" }
      }
    if !isFine {
      throw ProblemDetails(
        status: .notAcceptable, title: "Not Acceptable",
        detail: "this answers \(types.joined(separator: ", ")), which Accept does not take")
    }
  }

  private static func checkQuery(_ target: RequestTarget, _ route: Route) throws(ProblemDetails) {
    let names = route.parameters.filter { $0.location == .query }.map(\.name)
    guard let unknown = target.query.first(where: { !names.contains($0.name) }) else { return }
    let all = names.isEmpty ? "it takes none" : "it takes \(names.joined(separator: ", "))"
    throw .invalid("there is no parameter \(AnswerEncoder.quoted(unknown.name)): \(all)")
  }

  // MARK: Body

  private static func hasBody(_ headers: HTTPFields) -> Bool {
    headers.contains(.transferEncoding) || headers[.contentLength].map { $0 != "0" } == true
  }

  private func read(_ request: Request, _ route: Route, _ isRead: inout Bool) async throws -> ByteBuffer {
    guard APIResponder.hasBody(request.headers) else {
      if route.body?.isRequired == true { throw ProblemDetails.badRequest("the request has no body: send JSON") }
      return ByteBuffer()
    }
    let type = request.headers[.contentType]?.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
    guard type == "application/json" else {
      throw ProblemDetails(
        status: .unsupportedMediaType, title: "Unsupported Media Type",
        detail: "send the body as application/json (Content-Type)")
    }
    let tooLarge = ProblemDetails(
      status: .contentTooLarge, title: "Content Too Large", detail: "a body has at most \(limits.bodyBytes) bytes")
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limits.bodyBytes { throw tooLarge }
    do {
      let body = try await request.body.collect(upTo: limits.bodyBytes)
      isRead = true
      return body
    } catch is NIOTooManyBytesError { throw tooLarge }
  }

  // MARK: After

  private func response(_ reply: Reply, _ request: Request, _ channel: any Channel) throws -> Response {
    switch reply.content {
    case .nothing: return Response(status: reply.status, headers: reply.headers)
    case .text(let text, let type):
      var headers = reply.headers
      headers[.contentType] = type
      guard reply.status == .ok, request.method == .get || request.method == .head else {
        return Response(
          status: reply.status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
      }
      let tag = "\"\(reply.entityTag ?? EntityTag.brief(of: text))\""
      headers[.eTag] = tag
      if EntityTag.matches(request.headers[values: .ifNoneMatch], tag) {
        headers[.contentType] = nil
        return Response(status: .notModified, headers: headers)
      }
      return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    case .stream(let stream):
      var headers = reply.headers
      headers[.contentType] = "text/event-stream"
      if request.method == .head { return Response(status: .ok, headers: headers) }
      guard streams.enter(channel) else {
        throw ProblemDetails.tooMany("\(limits.streams) clients read events, as many as may: try again")
      }
      return Response(status: .ok, headers: headers, body: body(of: stream, channel))
    }
  }

  private func body(of stream: EventStream, _ channel: any Channel) -> ResponseBody {
    ResponseBody { [streams] writer in
      defer { streams.leave(channel) }
      // The head goes out at once.
      try await writer.write(ByteBuffer(string: ":\n\n"))
      while !Task.isCancelled {
        let frames = await stream.next()
        if frames.isEmpty { break }
        try await writer.write(ByteBuffer(string: frames))
      }
      try await writer.finish(nil)
    }
  }

  private static func response(to error: any Error) -> Response {
    let problem: ProblemDetails
    switch error {
    case let error as ProblemDetails: problem = error
    case let error as ControlError: problem = ProblemDetails(error)
    case is CancellationError: problem = .unavailable("the host is stopping")
    default:
      problem = ProblemDetails(
        status: .internalServerError, title: "Internal Server Error", detail: "the host cannot answer: \(error)")
    }
    var headers = problem.headers
    headers[.contentType] = "application/problem+json"
    return Response(
      status: problem.status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: problem.json)))
  }

  /// Whether a person has typed the address of the host.
  private static func isBrowser(_ request: Request) -> Bool {
    request.method == .get && ["/", "/login"].contains(request.head.path?.prefix { $0 != "?" } ?? "")
      && request.headers[values: .accept].contains { $0.lowercased().hasPrefix("text/html") }
  }

  /// The refusal in words for a person, who has no use for JSON.
  private static func greet(_ response: inout Response) {
    response.headers[.contentType] = "text/html; charset=utf-8"
    response.body = ResponseBody(
      byteBuffer: ByteBuffer(
        string: "<!doctype html><meta charset=\"utf-8\"><title>Moondial</title><h1>Moondial</h1>"
          + "<p>This host wants to know who you are. Run <code>moondial dashboard</code> on its machine, in the directory "
          + "where it runs, and open the link that this prints. It is good once.</p>\n"))
  }

  /// What every answer has.
  private func finish(_ response: Response, of request: Request) -> Response {
    var response = response
    if request.method == .head { response = response.createHeadResponse() }
    response.headers[.date] = date.now
    response.headers[.xContentTypeOptions] = "nosniff"
    response.headers[.cacheControl] = response.headers[.cacheControl] ?? "private, no-cache"
    response.headers[.contentSecurityPolicy] =
      response.headers[.contentSecurityPolicy] ?? "default-src 'none'; frame-ancestors 'none'"
    response.headers[HTTPField.Name("Referrer-Policy")!] = "no-referrer"
    response.headers[HTTPField.Name("Cross-Origin-Resource-Policy")!] = "same-origin"
    return response
  }
}

extension ProblemDetails {
  /// What the host says, as HTTP says it.
  init(_ error: ControlError) {
    self =
      switch error.code {
      case .notFound: .notFound(error.message)
      case .conflict: .conflict(error.message)
      case .invalid: .invalid(error.message)
      case .unavailable: .unavailable(error.message)
      }
  }
}

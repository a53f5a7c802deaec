internal import Hosting
internal import HTTPTypes

/// What machines ask a host all day, and what lets a person in.
extension Routes {
  static func health(_ context: RouteContext) -> [Route] {
    let control = context.control
    let version = context.version
    return [
      Route(
        method: .get, path: "/healthz", name: "health", summary: "Whether the process answers", role: nil,
        parameters: [Parameters.ifNoneMatch],
        answers: [
          Route.Answer(status: .ok, content: .json(HealthAnswer.self), summary: "it does"),
          Route.Answer(status: .notModified, content: .nothing, summary: "it is as it was"),
        ],
        handle: { _ in try .json(HealthAnswer(status: "ok")) }),
      Route(
        method: .get, path: "/readyz", name: "readiness",
        summary: "Whether the loop runs, stores are writable and scripts are loaded", role: .read,
        parameters: [Parameters.ifNoneMatch],
        answers: [
          Route.Answer(status: .ok, content: .json(Readiness.self), summary: "all of it"),
          Route.Answer(status: .notModified, content: .nothing, summary: "it is as it was"),
          Route.Answer(status: .serviceUnavailable, content: .json(Readiness.self), summary: "what is missing"),
        ],
        handle: { _ in
          let readiness = await control.readiness()
          return try .json(readiness, status: readiness.isReady ? .ok : .serviceUnavailable)
        }),
      Route(
        method: .get, path: "/metrics", name: "metrics", summary: "Numbers in the Prometheus text format", role: .read,
        parameters: [Parameters.ifNoneMatch],
        answers: [
          Route.Answer(
            status: .ok, content: .text("text/plain; version=0.0.4; charset=utf-8"), summary: "the page"),
          Route.Answer(status: .notModified, content: .nothing, summary: "it is as it was"),
        ],
        handle: { _ in
          let text = MetricsPage.text(try await control.metrics(), version: version)
          return Reply(.ok, .text(text, type: "text/plain; version=0.0.4; charset=utf-8"))
        }),
    ]
  }

  static func login(_ context: RouteContext) -> [Route] {
    let code = Route.Parameter("code", .string(length: 1...200), "of the link")
    return [
      .post("/api/v1/login-links", "makeLoginLink", "A link with which a browser gets in, once", body: .nothing) {
        call in
        guard let address = context.address() else {
          throw ProblemDetails.conflict("browsers cannot come in: http.listen is false, or its port is taken")
        }
        let code = context.credentials.makeLink(.operate)
        return LoginLinkAnswer(
          url: "\(address)/login?code=\(code)", expiresIn: Int(Credentials.linkLife / 1_000_000_000))
      },
      Route(
        method: .get, path: "/login", name: "login", summary: "Use such a link", role: nil, parameters: [code],
        answers: [
          Route.Answer(status: .ok, content: .text("text/html; charset=utf-8"), summary: "the browser is signed in")
        ],
        problems: [.notFound],
        handle: { try signIn($0, context) }),
      Route(
        method: .post, path: "/logout", name: "logout", summary: "Ends a browser's session", role: .read,
        body: .nothing,
        answers: [Route.Answer(status: .noContent, content: .nothing, summary: "it is over")],
        handle: { signOut($0, context) }),
    ]
  }

  /// A link is used by GET, since it is a link; it changes nothing but who the browser is.
  private static func signIn(_ call: APICall, _ context: RouteContext) throws(ProblemDetails) -> Reply {
    guard case .tcp(let port) = call.door else { throw .notFound("browsers come in over TCP") }
    guard let code = try call.string("code") else { throw .invalid("the link is not whole: it ends with ?code=…") }
    // A look ahead uses nothing up.
    if call.method == .head { return page("") }
    guard let session = context.credentials.takeLink(code) else {
      throw .unauthorized(
        "the link was used, or is more than 10 minutes old: get another one with `moondial dashboard`")
    }
    // A page of the host's own goes on, since cookies of this kind are not sent after a link on another page.
    var reply = page("Signed in.", next: "/")
    reply.headers[.setCookie] = cookie(port, session, Credentials.sessionLife / 1_000_000_000)
    return reply
  }

  private static func signOut(_ call: APICall, _ context: RouteContext) -> Reply {
    guard case .tcp(let port) = call.door,
      let session = RequestGate.session(in: call.headers[values: .cookie], port: port)
    else { return Reply(.noContent) }
    context.credentials.end(session: session)
    var reply = Reply(.noContent)
    reply.headers[.setCookie] = cookie(port, "", 0)
    return reply
  }

  private static func cookie(_ port: Int, _ value: String, _ age: Int64) -> String {
    "\(RequestGate.cookieName(port: port))=\(value); Path=/; Max-Age=\(age); HttpOnly; SameSite=Strict"
  }

  private static func page(_ words: String, next: String? = nil) -> Reply {
    let refresh = next.map { "<meta http-equiv=\"refresh\" content=\"0; url=\($0)\">" } ?? ""
    var reply = Reply(
      .ok,
      .text(
        "<!doctype html><meta charset=\"utf-8\"><title>Moondial</title>\(refresh)<p>\(words)</p>\n",
        type: "text/html; charset=utf-8"))
    reply.headers[.cacheControl] = "no-store"
    return reply
  }
}

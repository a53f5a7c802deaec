internal import HTTPTypes

/// The page for people, and what it is made of. It knows no more than the API tells it.
extension Routes {
  static let dashboard = DashboardFile.all.map { file in
    let tag = EntityTag.of(file.text)
    return Route(
      method: .get, path: file.path, name: file.name, summary: "A file of the dashboard", role: .read,
      parameters: [Parameters.ifNoneMatch],
      answers: [
        Route.Answer(status: .ok, content: .text(file.type), summary: "the file"),
        Route.Answer(status: .notModified, content: .nothing, summary: "it is as it was"),
      ],
      handle: { _ in
        var reply = Reply(.ok, .text(file.text, type: file.type))
        reply.entityTag = tag
        reply.headers[.contentSecurityPolicy] = policy
        return reply
      })
  }

  /// Scripts, styles and questions go to the host itself, nothing stands in the page, and no page holds it in a frame.
  /// Source: Content Security Policy Level 3, W3C.
  private static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

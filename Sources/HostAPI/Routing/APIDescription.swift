internal import HTTPTypes
internal import Hosting

/// The OpenAPI 3.1 document of a route table. It has nothing that the routes do not say.
package struct APIDescription: Sendable {
  /// Of everything that is named in it: what request bodies are held to.
  package let schemas: NamedSchemas
  /// The schemas of request bodies, by the name of their route.
  package let bodies: [String: Schema]
  /// The document.
  package let json: String

  package init(_ routes: [Route], version: String) {
    var schemas = NamedSchemas()
    var paths = JSONFields()
    var bodies: [String: Schema] = [:]
    for route in routes {
      if let body = route.body { bodies[route.name] = body.schema ?? schemas.closed(body.type) }
      var item = if case .object(let known)? = paths[route.path] { known } else { JSONFields() }
      item[route.method.rawValue.lowercased()] = .object(APIDescription.operation(route, &schemas))
      paths[route.path] = .object(item)
    }
    let problem = schemas.schema(of: Problem.self)
    var document = JSONFields()
    document["openapi"] = .string("3.1.0")
    var info = JSONFields()
    info["title"] = .string("Moondial")
    info["version"] = .string(version)
    info["description"] = .string("What a running host can be asked and told. See docs/http-api.md.")
    document["info"] = .object(info)
    document["paths"] = .object(paths)
    document["components"] = .object(APIDescription.components(schemas, problem))
    var bearer = JSONFields()
    bearer["bearer"] = .array([])
    var cookie = JSONFields()
    cookie["session"] = .array([])
    document["security"] = .array([.object(bearer), .object(cookie)])
    self.schemas = schemas
    self.bodies = bodies
    json = (try? AnswerEncoder.json(JSONValue.object(document))) ?? "{}"
  }

  /// Statuses that any request may get.
  private static let commonProblems: [HTTPResponse.Status] = [
    .badRequest, .unauthorized, .forbidden, .notAcceptable, .requestTimeout, .misdirectedRequest, .unprocessableContent,
    .tooManyRequests, .requestHeaderFieldsTooLarge, .serviceUnavailable,
  ]

  private static func operation(_ route: Route, _ schemas: inout NamedSchemas) -> JSONFields {
    var operation = JSONFields()
    operation["operationId"] = .string(route.name)
    operation["summary"] = .string(route.summary)
    operation["description"] = .string(
      route.role.map { "Needs a credential with the role \($0.rawValue)." } ?? "Needs no credential.")
    if route.role == nil { operation["security"] = .array([]) }
    if !route.parameters.isEmpty { operation["parameters"] = .array(route.parameters.map(parameter)) }
    var problems = commonProblems + route.problems
    if let body = route.body {
      problems += [.contentTooLarge, .unsupportedMediaType]
      var fields = JSONFields()
      fields["required"] = .bool(body.isRequired)
      fields["content"] = content("application/json", body.schema ?? schemas.closed(body.type))
      operation["requestBody"] = .object(fields)
    }
    var responses = JSONFields()
    for answer in route.answers {
      var fields = JSONFields()
      fields["description"] = .string(answer.summary)
      switch answer.content {
      case .nothing: break
      case .json(let type): fields["content"] = content("application/json", schemas.schema(of: type))
      case .text(let type): fields["content"] = content(type, .string())
      }
      responses["\(answer.status.code)"] = .object(fields)
    }
    for status in problems.sorted(by: { $0.code < $1.code }) where responses["\(status.code)"] == nil {
      var reference = JSONFields()
      reference["$ref"] = .string("#/components/responses/Problem")
      responses["\(status.code)"] = .object(reference)
    }
    operation["responses"] = .object(responses)
    return operation
  }

  private static func parameter(_ parameter: Route.Parameter) -> JSONValue {
    var fields = JSONFields()
    fields["name"] = .string(parameter.name)
    fields["in"] = .string(parameter.location.rawValue)
    fields["description"] = .string(parameter.summary)
    fields["required"] = .bool(parameter.location == .path)
    fields["schema"] = .object(parameter.schema.json)
    return .object(fields)
  }

  private static func content(_ type: String, _ schema: Schema) -> JSONValue {
    var media = JSONFields()
    media["schema"] = .object(schema.json)
    var fields = JSONFields()
    fields[type] = .object(media)
    return .object(fields)
  }

  private static func components(_ schemas: NamedSchemas, _ problem: Schema) -> JSONFields {
    var named = JSONFields()
    for (name, schema) in schemas.all.sorted(by: { $0.name < $1.name }) { named[name] = .object(schema.json) }
    var components = JSONFields()
    components["schemas"] = .object(named)
    var response = JSONFields()
    response["description"] = .string("One sentence that says what to change (RFC 9457).")
    response["content"] = content("application/problem+json", problem)
    var responses = JSONFields()
    responses["Problem"] = .object(response)
    components["responses"] = .object(responses)
    var bearer = JSONFields()
    bearer["type"] = .string("http")
    bearer["scheme"] = .string("bearer")
    var session = JSONFields()
    session["type"] = .string("apiKey")
    session["in"] = .string("cookie")
    session["name"] = .string("moondial_8047")
    var security = JSONFields()
    security["bearer"] = .object(bearer)
    security["session"] = .object(session)
    components["securitySchemes"] = .object(security)
    return components
  }
}

/// The form of ``ProblemDetails``.
private struct Problem: Codable {
  var type: String
  var title: String
  var status: Int
  var detail: String
}

extension NamedSchemas {
  /// The schema of a request's body: it takes no field that it does not know.
  package mutating func closed(_ type: AnswerType) -> Schema {
    guard case .named(let name) = schema(of: type) else { return .any }
    close(name)
    return .named(name)
  }
}

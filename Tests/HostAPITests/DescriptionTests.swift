import HTTPFixtures
import HTTPTypes
import Hosting
import Testing

@testable import HostAPI

/// The OpenAPI document, held against the server.
@Suite("The description of the API", .timeLimit(.minutes(5)))
struct DescriptionTests {
  private static func document(_ fixture: ServerFixture) throws -> APIDocument {
    try APIDocument(fixture.socketClient().request("GET", "/api/v1/openapi.json").body)
  }

  @Test("it names each path and method that the server has, and no others")
  func paths() throws {
    let fixture = try ServerFixture()
    let operations = try Self.document(fixture).operations
    let described = Set(operations.map { "\($0.method) \($0.path)" })
    let routes = Routes.all(
      RouteContext(control: fixture.control, version: "1", credentials: Credentials(), address: { nil }))
    #expect(described == Set(routes.map { "\($0.method.rawValue) \($0.path)" }))
    // What people and programs know it by.
    for path in [
      "jobs", "jobs/{name}", "runs", "runs/{id}", "runs/{id}/log", "upcoming", "schedules", "scripts", "status",
      "decisions", "nodes", "audit", "events", "openapi.json",
    ] { #expect(described.contains("GET /api/v1/" + path), "\(path)") }
    for path in [
      "jobs/{name}/run", "jobs/{name}/pause", "jobs/{name}/resume", "runs/{id}/cancel", "runs/{id}/retry", "reload",
    ] { #expect(described.contains("POST /api/v1/" + path), "\(path)") }
    for path in Set(operations.map(\.path)) {
      for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] where !described.contains("\(method) \(path)") {
        let target = path.replacing("{name}", with: "nightly").replacing("{id}", with: "7")
        #expect(try fixture.socketClient().request(method, target).status == 405, "\(method) \(path)")
      }
    }
  }

  @Test("every answer of the server has the status, the type and the form that it says")
  func answers() throws {
    let fixture = try ServerFixture()
    let document = try Self.document(fixture)
    var checked = 0
    for operation in document.operations
    where !operation.path.hasSuffix("/stream") && !operation.path.hasSuffix("/events") {
      for (name, id) in [("nightly", "7"), ("other", "x")] {
        for body in ["{}", "[]", #"{"job":"nightly","at":"2027-01-01"}"#, "{"] {
          let target = operation.path.replacing("{name}", with: name).replacing("{id}", with: id)
          let answer = try fixture.socketClient().request(
            operation.method, target, body: operation.method == "POST" ? body : nil)
          let complaint = document.complaint(about: answer, to: operation)
          #expect(complaint == nil, "\(operation.method) \(target) \(body): \(answer)")
          checked += 1
        }
      }
    }
    #expect(checked > 100)
  }

  @Test("a schema is what its type decodes")
  func probe() throws {
    var schemas = NamedSchemas()
    #expect(schemas.schema(of: Page<JobAnswer>.self) == .named("JobAnswerPage"))
    let named = Dictionary(uniqueKeysWithValues: schemas.all.map { ($0.name, $0.schema) })
    let job = try #require(named["JobAnswer"])
    guard case .object(let fields, false) = job else { throw RawClient.Failure(description: "no object") }
    #expect(fields.first { $0.name == "tags" }?.schema == .array(.string()))
    #expect(fields.first { $0.name == "next_run_time" }?.schema == .nullable(.string(format: "date-time")))
    #expect(fields.first { $0.name == "name" }?.isRequired == true)
    let closed = schemas.closed(PauseRequest.self)
    #expect(closed == .named("PauseRequest"))
    #expect(
      closed.complaint(
        about: .object(
          {
            var fields = JSONFields(); fields["reson"] = .string("x"); return fields
          }()), schemas)
        == #"the body has no field "reson" (reason?): it takes jobs, reason"#)
  }
}

import Chronology
import Foundation
import HTTPTypes
import Hosting
import Testing

@testable import HostAPI

/// The OpenAPI document, held against the server.
@Suite("The description of the API")
struct DescriptionTests {
  private static func document(_ fixture: ServerFixture) throws -> [String: Any] {
    let answer = try fixture.socketClient().request("GET", "/api/v1/openapi.json")
    return try #require(try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
  }

  @Test("it names each path and method that the server has, and no others")
  func paths() throws {
    let fixture = try ServerFixture()
    let paths = try #require(try Self.document(fixture)["paths"] as? [String: [String: Any]])
    let described = Set(paths.flatMap { path, operations in operations.keys.map { "\($0.uppercased()) \(path)" } })
    let routes = Routes.all(
      RouteContext(control: fixture.control, version: "1", credentials: Credentials(), address: { nil }))
    #expect(described == Set(routes.map { "\($0.method.rawValue) \($0.path)" }))
    // What people and programs know it by.
    for path in [
      "jobs", "jobs/{name}", "jobs/{name}/run", "jobs/{name}/pause", "jobs/{name}/resume", "runs", "runs/{id}",
      "runs/{id}/log", "runs/{id}/cancel", "runs/{id}/retry", "upcoming", "schedules", "scripts", "reload", "status",
      "decisions", "nodes", "audit", "events", "openapi.json",
    ] { #expect(paths["/api/v1/" + path] != nil, "\(path)") }
    for (path, operations) in paths {
      for method in ["get", "post", "put", "patch", "delete"] where operations[method] == nil {
        let target = path.replacing("{name}", with: "nightly").replacing("{id}", with: "7")
        #expect(try fixture.socketClient().request(method.uppercased(), target).status == 405, "\(method) \(path)")
      }
    }
  }

  @Test("every answer of the server has the status, the type and the form that it says")
  func answers() throws {
    let fixture = try ServerFixture()
    let document = try Self.document(fixture)
    let paths = try #require(document["paths"] as? [String: [String: Any]])
    var checked = 0
    for (path, operations) in paths where !path.hasSuffix("/stream") && !path.hasSuffix("/events") {
      for case (let method, let operation as [String: Any]) in operations {
        for name in ["nightly", "other"] {
          for body in ["{}", "[]", #"{"job":"nightly","at":"2027-01-01"}"#, "{"] {
            let target = path.replacing("{name}", with: name).replacing("{id}", with: name == "other" ? "x" : "7")
            let answer = try fixture.socketClient().request(
              method.uppercased(), target, body: method == "post" ? body : nil)
            try Self.check(answer, operation, document, "\(method) \(target) \(body)")
            checked += 1
          }
        }
      }
    }
    #expect(checked > 100)
  }

  private static func check(
    _ answer: RawClient.Answer, _ operation: [String: Any], _ document: [String: Any], _ what: String
  ) throws {
    let responses = try #require(operation["responses"] as? [String: Any])
    var response = try #require(responses["\(answer.status)"] as? [String: Any], "\(what): \(answer)")
    if let reference = response["$ref"] as? String { response = try resolve(reference, document) }
    guard let content = response["content"] as? [String: [String: Any]] else {
      #expect(answer.body.isEmpty, "\(what): \(answer)")
      return
    }
    let type = try #require(answer["content-type"])
    let media = try #require(content[type], "\(what): \(type)")
    guard type.hasSuffix("json"), let schema = media["schema"] as? [String: Any] else { return }
    let value = try JSONSerialization.jsonObject(with: Data(answer.body.utf8), options: .fragmentsAllowed)
    #expect(try complaint(value, schema, document) == nil, "\(what): \(answer.body)")
  }

  private static func resolve(_ reference: String, _ document: [String: Any]) throws -> [String: Any] {
    var value: Any = document
    for part in reference.dropFirst(2).split(separator: "/") {
      value = try #require((value as? [String: Any])?[String(part)], "\(reference)")
    }
    return try #require(value as? [String: Any])
  }

  /// An independent reading of the part of JSON Schema that the document uses; nil: the value is as it says.
  private static func complaint(_ value: Any, _ schema: [String: Any], _ document: [String: Any]) throws -> String? {
    if let reference = schema["$ref"] as? String {
      return try complaint(value, try resolve(reference, document), document)
    }
    if let choices = schema["anyOf"] as? [[String: Any]] {
      for choice in choices where try complaint(value, choice, document) == nil { return nil }
      return "none of its forms: \(value)"
    }
    switch schema["type"] as? String {
    case nil: return nil
    case "null": return value is NSNull ? nil : "not null: \(value)"
    case "string":
      guard let text = value as? String else { return "no string: \(value)" }
      if let choices = schema["enum"] as? [String], !choices.contains(text) { return "none of \(choices): \(text)" }
      return nil
    case "boolean": return value is Bool ? nil : "no boolean: \(value)"
    case "integer":
      return (value as? NSNumber).map { $0.doubleValue == $0.doubleValue.rounded() } == true ? nil : "\(value)"
    case "number": return value is NSNumber ? nil : "no number: \(value)"
    case "array":
      guard let elements = value as? [Any] else { return "no array: \(value)" }
      let inner = schema["items"] as? [String: Any] ?? [:]
      for element in elements { if let complaint = try complaint(element, inner, document) { return complaint } }
      return nil
    case "object":
      guard let fields = value as? [String: Any] else { return "no object: \(value)" }
      for name in schema["required"] as? [String] ?? [] where fields[name] == nil { return "\(name) is missing" }
      let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
      for (name, value) in fields {
        guard let inner = properties[name] ?? schema["additionalProperties"] as? [String: Any] else {
          if schema["properties"] != nil { return "\(name) is not described" }
          continue
        }
        if let complaint = try complaint(value, inner, document) { return "\(name): \(complaint)" }
      }
      return nil
    case let type?: return "unknown type \(type)"
    }
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

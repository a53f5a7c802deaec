import Foundation
import Glibc
import HTTPFixtures
import Testing

/// The HTTP interface of the binary: its two doors, its tokens, its events, and what hostile clients do to its jobs.
@Suite("HTTP, end to end", .serialized, .timeLimit(.minutes(5)))
struct HostHTTPTests {
  private static let script = """
    job "tick" { every = "50ms", run = function() return { n = 1 } end }
    job "asked" { on = "never", run = function(ctx) log.info("asked for " .. ctx.params.who) return ctx.params.who end }
    """

  /// A host with a free port, and that port.
  private func host(_ place: Place, _ more: String...) throws -> (host: HostProcess, port: Int) {
    let host = try HostProcess(
      ["run", "scripts", "--set", "http.listen=127.0.0.1:0"] + more, in: place.path)
    try host.awaitLine(containing: "moondial ")
    let link = try awaitSocket(place).request("POST", "/api/v1/login-links", body: "{}")
    let port = link.body.split(separator: ":").compactMap { Int($0.prefix { $0.isNumber }) }.first { $0 > 1_000 }
    return (host, try #require(port, "\(link.body)"))
  }

  private func socket(_ place: Place) throws -> RawClient { try RawClient(socket: place.path + "/.moondial/host.sock") }

  /// The host says its first line a moment before it listens.
  private func awaitSocket(_ place: Place) throws -> RawClient {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while true {
      do { return try socket(place) } catch { if Date() > end { throw error } }
    }
  }

  @Test("both doors answer; TCP only with a credential of the configuration, as long as it is there")
  func doors() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    try Data("sesame-sesame\n".utf8).write(to: URL(fileURLWithPath: place.path + "/door"))
    let with =
      "return { secrets = { directory = '.' }, http = { tokens = { d = { role = 'operate', secret = 'door' } } } }"
    let configuration = URL(fileURLWithPath: place.path + "/moondial.lua")
    try Data(with.utf8).write(to: configuration)
    let (host, port) = try host(place)
    defer { host.signal(SIGKILL) }
    let bearer = "Authorization: Bearer sesame-sesame"
    #expect(try RawClient(port: port).request("GET", "/api/v1/status").status == 401)
    #expect(try RawClient(port: port).request("GET", "/healthz").status == 200)
    #expect(try RawClient(port: port).request("GET", "/api/v1/status", headers: [bearer]).status == 200)
    #expect(try socket(place).request("GET", "/readyz").status == 200)
    let mode = try FileManager.default.attributesOfItem(atPath: place.path + "/.moondial/host.sock")[.posixPermissions]
    #expect(mode as? Int == 0o600)
    // The token goes, and with it whoever has it.
    try Data("return { secrets = { directory = '.' } }".utf8).write(to: configuration)
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while try RawClient(port: port).request("GET", "/api/v1/status", headers: [bearer]).status != 401, Date() < end {}
    #expect(try RawClient(port: port).request("GET", "/api/v1/status", headers: [bearer]).status == 401)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(!FileManager.default.fileExists(atPath: place.path + "/.moondial/host.sock"))
  }

  @Test("an order is done, and who listens is told; its lines are there afterwards")
  func order() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let (host, _) = try host(place)
    defer { host.signal(SIGKILL) }
    let listener = try socket(place)
    listener.send("GET /api/v1/events?job=asked&type=run_started,run_finished HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(try listener.head().status == 200)
    _ = try listener.chunk()
    let client = try socket(place)
    let accepted = try client.request("POST", "/api/v1/jobs/asked/run", body: #"{"params":{"who":"ada"}}"#)
    #expect(accepted.status == 202)
    let events = try listener.chunks { $0.contains("run_finished") }
    #expect(events.contains(#""outcome":"succeeded""#) && events.contains("event: run_started"))
    let id = try #require(accepted.body.split(separator: ":").dropFirst().first?.prefix { $0.isNumber })
    #expect(try client.request("GET", "/api/v1/runs/\(id)").body.contains(#""result":"ada""#))
    let log = try client.request("GET", "/api/v1/runs/\(id)/log")
    #expect(log.body.contains("asked for ada"), "\(log.body)")
    #expect(try client.request("GET", "/api/v1/audit").body.contains(#""action""#))
  }

  @Test("whoever asks, the host has no threads but its own: those of Swift's pool wake up every second")
  func threads() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let (host, port) = try host(place)
    defer { host.signal(SIGKILL) }
    let stream = try socket(place)
    stream.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(try stream.head().status == 200)
    _ = try stream.chunks { $0.contains("run_finished") }
    #expect(try socket(place).request("POST", "/api/v1/jobs/asked/run", body: #"{"params":{"who":"x"}}"#).status == 202)
    #expect(try socket(place).request("POST", "/api/v1/reload").status == 200)
    for path in ["jobs", "runs", "upcoming", "audit", "decisions", "scripts", "status"] {
      #expect(try socket(place).request("GET", "/api/v1/" + path).status == 200)
    }
    #expect(try RawClient(port: port).request("GET", "/healthz").status == 200)
    let tasks = "/proc/\(host.pid)/task"
    let names = try FileManager.default.contentsOfDirectory(atPath: tasks).map { thread in
      (try? String(contentsOfFile: "\(tasks)/\(thread)/comm", encoding: .utf8)) ?? ""
    }
    #expect(names.contains { $0.hasPrefix("NIO-ELT-") } && !names.contains { $0.contains("qos") }, "\(names)")
  }

  @Test("what a host that was killed has left is replaced by the next one")
  func killed() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let (first, _) = try host(place)
    first.signal(SIGKILL)
    _ = try first.awaitExit()
    #expect(FileManager.default.fileExists(atPath: place.path + "/.moondial/host.sock"))
    let (second, _) = try host(place)
    defer { second.signal(SIGKILL) }
    #expect(try socket(place).request("GET", "/api/v1/status").status == 200)
  }

  @Test("every answer of a real host is as its OpenAPI document says")
  func document() throws {
    let place = try Place()
    try place.save("a.lua", Self.script + "\njob 'fails' { run_at_start = true, run = function() error('no') end }")
    let (host, _) = try host(place)
    defer { host.signal(SIGKILL) }
    try host.awaitLine(containing: "fails #")
    let client = try socket(place)
    let document = try APIDocument(client.request("GET", "/api/v1/openapi.json").body)
    for operation in document.operations
    where !operation.path.hasSuffix("/stream") && !operation.path.hasSuffix("/events") {
      for name in ["tick", "fails", "nobody"] {
        for body in ["{}", #"{"job":"tick","at":"2030-01-01T00:00:00Z","from":"2026-01-01T00:00:00Z","dry_run":true}"#]
        {
          let target = operation.path.replacing("{name}", with: name).replacing("{id}", with: "1")
          let answer = try client.request(operation.method, target, body: operation.method == "POST" ? body : nil)
          let complaint = document.complaint(about: answer, to: operation)
          #expect(complaint == nil, "\(operation.method) \(target) \(body): \(answer)")
        }
      }
    }
  }

  @Test("jobs go on while clients are slow, wrong, gone and many, and nobody of them gets in")
  func hostile() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let (host, port) = try host(place)
    defer { host.signal(SIGKILL) }
    let audit = try socket(place).request("GET", "/api/v1/audit").body
    let streams = try (0..<200).map { _ in try socket(place) }
    for stream in streams { stream.send("GET /api/v1/events?type=run_finished&job=tick HTTP/1.1\r\nHost: x\r\n\r\n") }
    let slow = try (0..<100).map { _ in try RawClient(port: port) }
    for (number, client) in slow.enumerated() { client.send(number % 2 == 0 ? "POST /api/v1/reload HT" : "\0\r\n\r\n") }
    for text in ["Bearer x", "Bearer", "Basic eDp4", ""] {
      for target in ["/api/v1/reload", "/api/v1/pause", "/api/v1/jobs/tick/run", "/api/v1/login-links"] {
        #expect(try RawClient(port: port).request("POST", target, headers: ["Authorization: \(text)"]).status == 401)
      }
    }
    for target in ["/../etc/passwd", "/%2e%2e/moondial.lua", "/healthz/../api/v1/status", "//api/v1/status"] {
      #expect(try RawClient(port: port).request("GET", target).status == 401, "\(target)")
    }
    #expect(try RawClient(port: port).request("GET", "/healthz", host: "evil.example").status == 421)
    for target in ["/api/v1/reload", "/api/v1/pause", "/api/v1/jobs/tick/run"] {
      #expect(try socket(place).request("GET", target).status == 405)
    }
    let huge = try RawClient(port: port)
    huge.send("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + String(repeating: "x", count: 100_000))
    #expect(try huge.answer().status == 431)
    for stream in streams {
      #expect(try stream.head().status == 200)
      _ = try stream.chunks { $0.contains(#""job":"tick""#) }
    }
    #expect(try socket(place).request("GET", "/api/v1/audit").body == audit)
    #expect(try socket(place).request("GET", "/metrics").body.contains("moondial_fires_total"))
  }
}

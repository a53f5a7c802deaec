import Chronology
import Foundation
import Glibc
import HTTPFixtures
import Hosting
import JobModel
import Testing

@testable import HostAPI

/// Events as they come.
@Suite("Streams", .timeLimit(.minutes(5)))
struct StreamTests {
  private static let target = "/api/v1/log/stream"

  private static func line(_ number: Int, job: String = "nightly", level: String = "info") -> RunLogLine {
    RunLogLine(
      run: RunID(Int64(number)), job: job, at: Instant(seconds: 0), level: level, message: "line \(number)\nmore")
  }

  private static func open(_ client: RawClient, _ target: String = target, _ headers: String = "") throws {
    client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.reads)\r\n\(headers)\r\n")
    let head = try client.head()
    #expect(head.status == 200 && head["content-type"] == "text/event-stream")
    // The first comment says that it has begun.
    #expect(try client.chunk() == ":\n\n")
  }

  @Test("a reader gets what comes, and goes on after what it has")
  func resume() throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    try Self.open(client)
    fixture.control.lines.append((1...3).map { Self.line($0) })
    let text = try client.chunks { $0.contains("line 3") }
    let frames = text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    #expect(frames.count == 3)
    #expect(frames[0].hasPrefix("id: feed-") && frames[0].contains("\nevent: line\n"))
    #expect(
      frames[0].contains(
        #"data: {"at":"1970-01-01T00:00:00Z","job":"nightly","run":1,"level":"info","message":"line 1\nmore"}"#))
    let id = try #require(frames[1].split(separator: "\n").first?.dropFirst(4))
    let again = try fixture.client()
    try Self.open(again, Self.target, "Last-Event-ID: \(id)\r\n")
    let rest = try again.chunks { $0.contains("line 3") }
    #expect(!rest.contains("line 2") && !rest.contains("gap"))
    let inQuery = try fixture.client()
    try Self.open(inQuery, Self.target + "?after=\(id)")
    #expect(try inQuery.chunks { $0.contains("line 3") }.contains("line 2") == false)
  }

  @Test("a reader that was away too long is told what it missed")
  func gap() throws {
    let fixture = try ServerFixture()
    let first = try fixture.client()
    try Self.open(first)
    fixture.control.lines.append([Self.line(1)])
    _ = try first.chunks { $0.contains("line 1") }
    let client = try fixture.client()
    try Self.open(client, Self.target, "Last-Event-ID: another-7\r\n")
    let text = try client.chunks { $0.contains("line 1") }
    #expect(text.contains("event: gap\ndata: {\"reason\":\"other_host\"}"))
    let wrong = try fixture.client().request(
      "GET", Self.target, headers: [ServerFixture.reads, "Last-Event-ID: nonsense"])
    #expect(wrong.status == 422)
  }

  @Test("a filter leaves out what is not asked for")
  func filter() throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    try Self.open(client, Self.target + "?job=b&level=warn")
    fixture.control.lines.append([
      Self.line(1), Self.line(2, job: "b"), Self.line(3, job: "b", level: "error"),
      Self.line(4, job: "a", level: "warn"),
      Self.line(5, job: "b", level: "warn"),
    ])
    let text = try client.chunks { $0.contains("line 5") }
    #expect(text.contains("line 3") && !text.contains("line 1") && !text.contains("line 2") && !text.contains("line 4"))
  }

  @Test("a stream shows that it lives while nothing happens")
  func heartbeat() throws {
    let fixture = try ServerFixture { $0.heartbeat = 50_000_000 }
    let client = try fixture.client()
    try Self.open(client)
    #expect(try client.chunk() == ":\n\n")
    #expect(try client.chunk() == ":\n\n")
    fixture.control.lines.append([Self.line(1)])
    #expect(try client.chunks { $0.contains("line 1") }.hasSuffix("\n\n"))
  }

  @Test("there are only so many readers; one that goes gives its place back, also one that only closes its side")
  func places() throws {
    let fixture = try ServerFixture { $0.streams = 2 }
    var first: RawClient? = try fixture.client()
    let second = try fixture.client()
    try Self.open(first!)
    try Self.open(second)
    let third = try fixture.client().request("GET", Self.target, headers: [ServerFixture.reads])
    #expect(third.status == 429 && third["retry-after"] == "1")
    shutdown(first!.descriptor, Int32(SHUT_WR))
    try first!.awaitClose()
    first = nil
    try awaitPlace(fixture)
  }

  /// Asks until there is a place; a refused one answers at once.
  private func awaitPlace(_ fixture: ServerFixture) throws {
    let end = Date(timeIntervalSinceNow: 30)
    while Date() < end {
      let client = try fixture.client()
      client.send("GET \(Self.target) HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.reads)\r\n\r\n")
      if try client.head().status == 200 { return }
    }
    Issue.record("no place became free")
  }

  @Test("hundreds of readers get the same")
  func many() throws {
    let fixture = try ServerFixture()
    let clients = try (0..<300).map { _ in try fixture.client() }
    for client in clients { try Self.open(client) }
    fixture.control.lines.append((1...20).map { Self.line($0) })
    for client in clients {
      let text = try client.chunks { $0.contains("line 20\\n") }
      #expect(text.components(separatedBy: "event: line").count == 21)
    }
    #expect(try fixture.client().request("GET", "/api/v1/status", headers: [ServerFixture.reads]).status == 200)
  }
}

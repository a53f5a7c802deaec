import Foundation
import Glibc
import HTTPFixtures
import Synchronization
import Testing

@testable import HostAPI

/// Clients that are slow, silent, gone or wrong.
@Suite("Limits", .timeLimit(.minutes(5)))
struct LimitTests {
  private static let ask = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.reads)\r\n\r\n"

  /// The host still answers others, at both doors.
  private func isServing(_ fixture: ServerFixture) throws -> Bool {
    try fixture.client().request("GET", "/api/v1/status", headers: [ServerFixture.reads]).status == 200
      && fixture.socketClient().request("GET", "/api/v1/status").status == 200
  }

  @Test(
    "a head that is too large is refused and the connection closed",
    arguments: [
      "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + String(repeating: "a", count: 20_000) + "\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\n" + String(repeating: "X-A: aaaaaaaa\r\n", count: 2_000) + "\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\n" + String(repeating: "X: a\r\n", count: 101) + "\r\n",
      "GET /" + String(repeating: "a", count: 100_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET / HTTP/1.1\r\n" + String(repeating: "x", count: 200_000),
    ])
  func head(_ text: String) throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    client.send(text)
    let answer = try client.answer()
    #expect([400, 431].contains(answer.status) && answer["connection"] == "close", "\(answer)")
    #expect(answer["content-type"] == "application/problem+json")
    try client.awaitClose()
    #expect(try isServing(fixture))
  }

  @Test(
    "what is no HTTP is refused and the connection closed",
    arguments: [
      "\u{16}\u{3}\u{1}hello tls\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", "GET / HTTP/1.1\r\nA\r\n\r\n",
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ])
  func garbage(_ text: String) throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    client.send(text)
    if let answer = try? client.answer() { #expect((400..<500).contains(answer.status), "\(answer)") }
    try client.awaitClose()
    #expect(fixture.control.orders.withLock { $0 } == [])
    #expect(try isServing(fixture))
  }

  @Test("a body that is too large is refused before it is read, however it is announced")
  func body() throws {
    let fixture = try ServerFixture { $0.bodyBytes = 1_000 }
    let head =
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.operates)\r\nContent-Type: application/json\r\n"
    let announced = try fixture.client()
    announced.send(head + "Content-Length: 99999999999\r\n\r\n")
    #expect(try announced.answer().status == 413)
    try announced.awaitClose()
    let chunked = try fixture.client()
    chunked.send(head + "Transfer-Encoding: chunked\r\n\r\n")
    let chunk = "1000\r\n" + String(repeating: "[", count: 4_096) + "\r\n"
    for _ in 0..<4 { chunked.send(chunk) }
    #expect(try chunked.answer().status == 413)
    try chunked.awaitClose()
    // Nobody reads the body of a request that takes none, or of one that is refused.
    let unread = try fixture.client()
    unread.send("POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n")
    let answer = try unread.answer()
    #expect(answer.status == 401 && answer["connection"] == "close")
    try unread.awaitClose()
    let deep = String(repeating: "[", count: 900)
    #expect(
      try fixture.client().request("POST", "/api/v1/reload", headers: [ServerFixture.operates], body: deep).status
        == 400)
    #expect(fixture.control.orders.withLock { $0 } == [])
    #expect(try isServing(fixture))
  }

  @Test("a client that does not get on with its request is let go")
  func slow() throws {
    let fixture = try ServerFixture {
      $0.headTime = 200_000_000
      $0.bodyTime = 200_000_000
      $0.idleTime = 200_000_000
    }
    let silent = try fixture.client()
    let half = try fixture.client()
    half.send("GET /api/v1/status HTTP/1.1\r\nHost: loc")
    let idle = try fixture.client()
    #expect(try idle.request("GET", "/api/v1/status", headers: [ServerFixture.reads]).status == 200)
    let slowBody = try fixture.client()
    slowBody.send(
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.operates)\r\n"
        + "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
    for client in [silent, half, idle] { try client.awaitClose() }
    #expect(try slowBody.answer().status == 408)
    try slowBody.awaitClose()
    #expect(fixture.control.orders.withLock { $0 } == [])
    #expect(try isServing(fixture))
  }

  @Test("a client that reads nothing is let go")
  func stalled() throws {
    let fixture = try ServerFixture { $0.stallTime = 300_000_000 }
    let client = try fixture.client()
    let ask = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.reads)\r\n\r\n"
    // The answers fill the buffers of both sides, then the questions do; the host closes, and only that ends this.
    while client.send(ask) {}
    #expect(try isServing(fixture))
  }

  @Test("a client that closes its side while it is answered gets its answer")
  func halfClosed() throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    client.send(Self.ask)
    shutdown(client.descriptor, Int32(SHUT_WR))
    #expect(try client.answer().status == 200)
    try client.awaitClose()
    let cut = try fixture.client()
    cut.send(
      "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.operates)\r\nContent-Length: 10\r\n\r\n{")
    shutdown(cut.descriptor, Int32(SHUT_WR))
    try cut.awaitClose()
    #expect(fixture.control.orders.withLock { $0 } == [])
  }

  @Test("connections over TCP do not use up those over the socket")
  func connections() throws {
    let fixture = try ServerFixture { $0.connections = 3 }
    let clients = try (0..<3).map { _ in try fixture.client() }
    for client in clients {
      #expect(try client.request("GET", "/api/v1/status", headers: [ServerFixture.reads]).status == 200)
    }
    let fourth = try fixture.client()
    try fourth.awaitClose()
    #expect(try fixture.socketClient().request("GET", "/api/v1/status").status == 200)
  }
}

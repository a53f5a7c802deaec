import Foundation
import HTTPFixtures
import HTTPTypes
import Synchronization
import Testing

@testable import HostAPI

/// Who gets in.
@Suite("Access", .timeLimit(.minutes(5)))
struct AccessTests {
  @Test("over TCP nothing but /healthz is answered without a credential")
  func closed() throws {
    let fixture = try ServerFixture()
    let routes = Routes.all(
      RouteContext(control: fixture.control, version: "1", credentials: Credentials(), address: { nil }))
    for route in routes where route.path != "/login" {
      let path = route.path.replacing("{name}", with: "nightly").replacing("{id}", with: "7")
      let answer = try fixture.client().request(route.method.rawValue, path, body: route.body == nil ? nil : "{}")
      #expect(answer.status == (path == "/healthz" ? 200 : 401), "\(path)")
    }
    for path in ["/nothing", "/api/v1/../v1/status", "//", "/%2e%2e/", "/api/v1/jobs/%00"] {
      #expect(try fixture.client().request("GET", path).status == 401, "\(path)")
    }
    #expect(fixture.control.orders.withLock { $0 } == [])
  }

  @Test("a token with the role read asks, one with operate also tells; wrong and stale ones are nobody's")
  func tokens() throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    #expect(try client.request("GET", "/api/v1/status", headers: [ServerFixture.reads]).status == 200)
    let refused = try client.request("POST", "/api/v1/reload", headers: [ServerFixture.reads])
    #expect(refused.status == 403 && refused["content-type"] == "application/problem+json")
    #expect(try client.request("POST", "/api/v1/reload", headers: [ServerFixture.operates]).status == 200)
    #expect(fixture.control.orders.withLock { $0 } == ["reload by token deploy over http"])
    let wrong = [
      "Bearer \(ServerFixture.reader)x", "Bearer ", "Bearer", "Basic \(ServerFixture.reader)", "bearer  ",
      String(ServerFixture.reads.dropFirst(15)).uppercased(), "Bearer \(ServerFixture.reader) x",
      "Bearer " + String(repeating: "a", count: 5_000),
    ]
    for text in wrong {
      let answer = try fixture.client().request("GET", "/api/v1/status", headers: ["Authorization: \(text)"])
      #expect(answer.status == 401 && answer["www-authenticate"] != nil, "\(text)")
    }
    fixture.server.use(tokens: [])
    #expect(try client.request("GET", "/api/v1/status", headers: [ServerFixture.reads]).status == 401)
  }

  @Test("a link lets a browser in once, with a cookie that no page can read")
  func link() throws {
    let fixture = try ServerFixture()
    let text = try #require(fixture.server.makeLink())
    let link = try #require(URL(string: text))
    let target = "\(link.path)?\(link.query()!)"
    // A look ahead does not use it up.
    #expect(try fixture.client().request("HEAD", target).status == 200)
    let answer = try fixture.client().request("GET", target)
    #expect(answer.status == 200)
    let cookie = try #require(answer.cookies.first)
    #expect(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict") && cookie.contains("; Path=/"))
    #expect(cookie.hasPrefix("moondial_\(fixture.port)="))
    #expect(try fixture.client().request("GET", target).status == 401)
    #expect(try fixture.client().request("GET", "/login?code=nonsense").status == 401)
    let session = "Cookie: a=b; " + cookie.prefix { $0 != ";" }
    #expect(try fixture.client().request("GET", "/api/v1/status", headers: [session]).status == 200)
    // A browser says which page asks; one that does not may have been led here.
    let own = "Origin: http://127.0.0.1:\(fixture.port)"
    let host = "127.0.0.1:\(fixture.port)"
    #expect(try fixture.client().request("POST", "/api/v1/reload", headers: [session], host: host).status == 403)
    #expect(try fixture.client().request("POST", "/api/v1/reload", headers: [session, own], host: host).status == 200)
    #expect(
      try fixture.client().request("POST", "/api/v1/reload", headers: [session, "Origin: null"], host: host).status
        == 403)
    #expect(try fixture.client().request("POST", "/logout", headers: [session, own], host: host).status == 204)
    #expect(try fixture.client().request("GET", "/api/v1/status", headers: [session]).status == 401)
  }

  @Test("links and sessions end, and there are only so many of them")
  func ends() {
    let box = Clock(time: 0)
    let credentials = Credentials(now: { box.now })
    let link = credentials.makeLink(.operate)
    box.now = Credentials.linkLife + 1
    #expect(credentials.takeLink(link) == nil)
    let codes = (0..<20).map { _ in credentials.makeLink(.read) }
    #expect(credentials.takeLink(codes[0]) == nil)
    let session = credentials.takeLink(codes[19])!
    #expect(credentials.identity(session: session)?.role == .read)
    box.now += Credentials.sessionLife + 1
    #expect(credentials.identity(session: session) == nil)
  }

  private final class Clock: Sendable {
    private let time: Mutex<Int64>
    init(time: Int64) { self.time = Mutex(time) }
    var now: Int64 {
      get { time.withLock { $0 } }
      set { time.withLock { $0 = newValue } }
    }
  }

  @Test(
    "a name that is not the host's is refused, whoever asks (DNS rebinding)",
    arguments: [
      ("127.0.0.1", 200), ("localhost:1234", 200), ("LOCALHOST", 200), ("[::1]:80", 200), ("192.168.1.7", 200),
      ("moondial.example.org", 200), ("moondial.example.org:443", 200), ("evil.example", 421),
      ("127.0.0.1.evil.example", 421), ("localhost.evil.example:80", 421), ("moondial.example.org.", 421), ("", 400),
      ("evil.example@127.0.0.1", 421), ("[::1", 421), ("0x7f000001", 421), ("1.2.3", 421), ("a b", 421),
    ])
  func hosts(_ host: String, _ status: Int) throws {
    let fixture = try ServerFixture(names: ["moondial.example.org"])
    #expect(
      try fixture.client().request("GET", "/api/v1/status", headers: [ServerFixture.reads], host: host).status == status
    )
    #expect(try fixture.client().request("GET", "/healthz", host: host).status == status)
  }

  @Test(
    "a page of another site may not ask, whatever it has",
    arguments: ["http://evil.example", "null", "https://127.0.0.1.evil.example", "http://127.0.0.1:1", "file://", ""])
  func origins(_ origin: String) throws {
    let fixture = try ServerFixture()
    let headers = [ServerFixture.operates, "Origin: \(origin)"]
    #expect(try fixture.client().request("GET", "/api/v1/status", headers: headers).status == 403)
    #expect(try fixture.client().request("POST", "/api/v1/reload", headers: headers).status == 403)
    #expect(fixture.control.orders.withLock { $0 } == [])
  }

  @Test("two Host fields are refused")
  func twoHosts() throws {
    let fixture = try ServerFixture()
    let headers = [ServerFixture.reads, "Host: evil.example"]
    #expect(try fixture.client().request("GET", "/api/v1/status", headers: headers).status == 400)
  }

  @Test("nothing is changed by GET or HEAD")
  func safe() throws {
    let fixture = try ServerFixture()
    let client = try fixture.client()
    let orders = [
      "/api/v1/jobs/nightly/run", "/api/v1/jobs/nightly/pause", "/api/v1/jobs/nightly/resume", "/api/v1/pause",
      "/api/v1/resume", "/api/v1/reload", "/api/v1/runs/7/cancel", "/api/v1/runs/7/retry", "/api/v1/backfill",
    ]
    for path in orders {
      for method in ["GET", "HEAD", "OPTIONS", "PUT", "TRACE", "PROPFIND"] {
        let answer = try client.request(method, path, headers: [ServerFixture.operates])
        #expect(answer.status == 405 && answer["allow"] == "POST", "\(method) \(path)")
      }
    }
    #expect(fixture.control.orders.withLock { $0 } == [])
  }
}

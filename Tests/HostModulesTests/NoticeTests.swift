import Foundation
import HTTPTransfer
import JobModel
import LoopbackHTTP
import Lua
import ScriptFixtures
import Testing

@testable import HostModules
@testable import ScriptRuntime

@Suite("notify: what is under way", .timeLimit(.minutes(2)))
struct NoticeTests {
  private func target(web: String, mail port: Int) -> NotifyTarget {
    var target = NotifyTarget()
    target.web = NotifyTarget.Web(url: web)
    target.mail = LuaTable(fields: [
      ("server", .string(LuaString("127.0.0.1:\(port)"))), ("security", "none"), ("from", "a@example.org"),
      ("to", "b@example.org"),
    ])
    return target
  }

  @Test("a notice whose run is cancelled leaves its address at once, and asks no mail server after that")
  func cancelled() throws {
    let sink = try MailSink()
    let server = try LoopbackServer { _, connection in connection.awaitClose() }
    let client = HTTPClient()
    let ops = target(web: server.url(), mail: sink.port)
    let fixture = try PoolFixture(http: client) { $0.notifyTargets = { ["ops": ops] } }
    let tokens = try (0..<20).map { _ in fixture.submit(try fixture.job("return notify('ops', 'x')")) }
    #expect(server.wait { $0.requests.count == 20 }, "none waits for a thread that another one has")
    for token in tokens { fixture.cancel(token) }
    for token in tokens { #expect(fixture.reports.ending(of: token).outcome == .cancelled) }
    #expect(server.wait { $0.open == 0 })
    client.waitForCount(0)
    #expect(sink.messages.isEmpty)
  }

  @Test("mail goes out although the web address does not answer")
  func both() throws {
    let sink = try MailSink()
    let (socket, closed) = try LoopbackServer.listen()
    close(socket)
    let ops = target(web: "http://127.0.0.1:\(closed)/", mail: sink.port)
    let fixture = try PoolFixture { $0.notifyTargets = { ["ops": ops] } }
    let report = try fixture.run("local ok, err = notify('ops', 'late') return tostring(ok) .. ' ' .. err.kind")
    #expect(report.result == "\"nil connect\"", "\(report)")
    #expect(sink.messages.map(\.recipients) == [["b@example.org"]])
  }
}

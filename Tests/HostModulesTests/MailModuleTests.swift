import Basics
import Foundation
import HTTPTransfer
import JobModel
import LoopbackHTTP
import Lua
import ScriptFixtures
import TestSupport
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptRuntime

@Suite("mail", .onBothExecutors)
struct MailModuleTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func run(_ body: String, grants: LuaValue = ["mail": ["localhost"], "fs": [".:rw"]], fields: String = "")
    throws -> String
  {
    let table = try GrantTable(["test.lua": grants], baseDirectory: directory.path)
    let fixture = try PoolFixture(grants: table.grants(for: ScriptPath("test.lua")), base: directory.path)
    let report = try fixture.run(body, fields: fields)
    if report.outcome != .succeeded, report.outcome != .failed { return report.outcome.rawValue }
    return report.result ?? report.error?.message ?? ""
  }

  @Test("a message arrives with its parts, its attachments and every recipient")
  func sends() throws {
    let sink = try MailSink()
    try directory.write("a.txt", "attached")
    let result = try run(
      """
      return mail.send {
        server = "localhost:\(sink.port)", security = "none", user = "u", password = "p",
        from = "Jürgen <j@example.org>", to = { "ann@example.org", "Bob B <bob@example.org>" }, cc = "c@example.org",
        bcc = "secret@example.org", reply_to = "r@example.org", subject = "Grüße: 1", text = "line\\n.dot\\n", html = "<p>hi</p>",
        headers = { ["X-Job"] = "test" },
        attachments = { { path = "a.txt", type = "text/plain" }, { name = "ü.bin", content = "\\0\\1" } },
      }
      """)
    #expect(result == "true", "\(result)")
    let message = try #require(sink.messages.first)
    #expect(message.from == "j@example.org" && message.user == " u p")
    #expect(message.recipients == ["ann@example.org", "bob@example.org", "c@example.org", "secret@example.org"])
    for part in [
      "From: =?utf-8?B?SsO8cmdlbg==?= <j@example.org>", "To: ann@example.org,\n Bob B <bob@example.org>",
      "Cc: c@example.org",
      "Reply-To: r@example.org", "Subject: =?utf-8?B?R3LDvMOfZTogMQ==?=", "X-Job: test", "MIME-Version: 1.0",
      "Content-Type: multipart/mixed; boundary=", "Content-Type: multipart/alternative; boundary=",
      "Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8", "bGluZQouZG90Cg==",
      "PHA+aGk8L3A+",
      "filename=\"a.txt\"", "YXR0YWNoZWQ=", "filename*=UTF-8''%C3%BC.bin", "AAE=",
    ] { #expect(message.text.contains(part), "\(part)\n\(message.text)") }
    #expect(!message.text.contains("secret@"))
    #expect(message.lines.allSatisfy { $0.utf8.count <= 998 })
  }

  @Test("what fails is nil and an error with a kind")
  func kinds() throws {
    let sink = try MailSink(refusing: ["nobody@example.org"])
    let mute = try MailSink(mute: true)
    let (socket, closed) = try LoopbackServer.listen()
    close(socket)
    let rows: [(String, String)] = [
      ("server = 'localhost:\(sink.port)', security = 'none', to = 'nobody@example.org'", "protocol"),
      ("server = 'localhost:\(sink.port)', to = 'a@example.org'", "tls"),
      ("server = 'localhost:\(closed)', security = 'none', to = 'a@example.org'", "connect"),
      ("server = 'localhost:\(mute.port)', security = 'none', to = 'a@example.org', timeout = '100ms'", "timeout"),
      (
        "server = 'localhost:\(sink.port)', security = 'none', to = 'a@example.org', attachments = { { path = 'none' } }",
        "file"
      ),
    ]
    for (fields, kind) in rows {
      #expect(
        try run("local ok, e = mail.send { from = 'x@example.org', \(fields) } return ok or e.kind") == "\"\(kind)\"",
        "\(fields)")
    }
    #expect(sink.messages.isEmpty)
    #expect(
      try run(
        "mail.send { from = 'x@example.org', to = 'a@example.org', server = 'localhost:\(mute.port)', security = 'none', timeout = '1h' }",
        fields: "timeout = '200ms',") == "timed_out")
  }

  @Test("nothing is sent without a grant")
  func grants() throws {
    let sink = try MailSink()
    let call = "return mail.send { from = 'x@example.org', to = 'a@example.org', security = 'none', server = "
    #expect(
      try run(call + "'localhost:\(sink.port)' }", grants: ["http": ["localhost"]]).contains(
        "no grant for the mail server localhost:\(sink.port): add"))
    #expect(try run(call + "'127.0.0.1:\(sink.port)' }", grants: ["mail": ["*"]]).contains("no grant for"))
    #expect(
      try run(
        "local ok, e = (function() \(call)'localhost:\(sink.port)' } end)() return e and e.kind",
        grants: ["mail": ["*"]]
      ).contains("denied"))
    #expect(sink.messages.isEmpty)
  }

  @Test("every field of a wrong type or with a line end in it is an error with the script's line")
  func misuse() throws {
    let fine = "server = 'localhost:1', from = 'x@example.org', to = 'a@example.org', "
    for call in [
      "mail.send()", "mail.send(1)", "mail.send {}", "mail.send { \(fine) subjct = 'x' }",
      "mail.send { \(fine) subject = 'a\\nBcc: x' }",
      "mail.send { server = 'localhost', from = 'x', to = 'a@b' }",
      "mail.send { server = 'localhost', from = 'x@y', to = 'a@b\\n' }",
      "mail.send { server = 'localhost', from = 'x@y' }", "mail.send { server = 'localhost', to = 'x@y' }",
      "mail.send { server = 'http://localhost/', from = 'x@y', to = 'a@b' }", "mail.send { \(fine) security = 'ssl' }",
      "mail.send { \(fine) headers = { ['X\\n'] = 'y' } }", "mail.send { \(fine) headers = { Subject = 'y' } }",
      "mail.send { \(fine) headers = { ['X-A'] = 'y\\r\\nBcc: z' } }", "mail.send { \(fine) attachments = 'x' }",
      "mail.send { \(fine) attachments = { { } } }",
      "mail.send { \(fine) attachments = { { content = 'x', name = 'a\\nb' } } }",
      "mail.send { \(fine) timeout = 0 }", "mail.send { \(fine) text = {} }", "mail.send { \(fine) bcc = print }",
      "mail.send { \(fine) cc = 'a@b, c@d' }", "mail.send { \(fine) user = 'a\\nb' }",
    ] {
      let table = try GrantTable(["test.lua": ["mail": ["localhost"]]], baseDirectory: directory.path)
      let fixture = try PoolFixture(grants: table.grants(for: ScriptPath("test.lua")), base: directory.path)
      let report = try fixture.run("local x\n\(call)")
      #expect(report.error?.line == 3, "\(call): \(report.error?.message ?? "fine")")
    }
  }
}

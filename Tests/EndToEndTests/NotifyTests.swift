import Foundation
import Testing

/// `notify` and mail over STARTTLS, against a server of other people's making (`aiosmtpd`) and a small HTTP server.
@Suite("notify, end to end", .timeLimit(.minutes(5)))
struct NotifyTests {
  /// Whether there is a Python for the servers.
  private static let hasPython = succeeds(["python3", "-c", "pass"])
  /// The Python that has `aiosmtpd`; nil: none has. `MOONDIAL_AIOSMTPD` names one.
  private static let python: String? = [ProcessInfo.processInfo.environment["MOONDIAL_AIOSMTPD"], "python3"]
    .compactMap { $0 }.first { succeeds([$0, "-c", "import aiosmtpd"]) }

  /// Whether a program of others is there, and ends well.
  private static func succeeds(_ words: [String], in directory: String = "/tmp") -> Bool {
    (try? HostProcess(program: words, [], in: directory).awaitExit()) == 0
  }

  private static let server = #"""
    import asyncio, email, http.server, json, ssl, sys, threading
    def tell(**what): print(json.dumps(what), flush=True)

    class Web(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            tell(kind="http", path=self.path, auth=self.headers.get("authorization"), extra=self.headers.get("x-extra"),
                 body=json.loads(body))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()
        def log_message(self, *_): pass
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    ports = {"http": web.server_address[1]}

    if len(sys.argv) > 1:
        from aiosmtpd.smtp import SMTP, AuthResult
        class Handler:
            async def handle_DATA(self, server, session, envelope):
                if any(r.startswith("full@") for r in envelope.rcpt_tos): return "452 4.3.1 Insufficient system storage"
                message = email.message_from_bytes(envelope.content)
                tell(kind="mail", sender=envelope.mail_from, to=envelope.rcpt_tos, tls=session.ssl is not None,
                     user=(session.auth_data.login.decode() if session.auth_data else None),
                     subject=str(email.header.make_header(email.header.decode_header(message["subject"]))),
                     text=message.get_payload(decode=True).decode())
                return "250 OK"
        def check(server, session, envelope, mechanism, data):
            return AuthResult(success=data.password == b"letmein", handled=False, auth_data=data)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain("cert.pem", "key.pem")
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        def smtp(**more): return lambda: SMTP(Handler(), hostname="localhost", loop=loop, **more)
        secure = loop.run_until_complete(loop.create_server(
            smtp(tls_context=tls, require_starttls=True, authenticator=check, auth_required=True), "127.0.0.1", 0))
        plain = loop.run_until_complete(loop.create_server(smtp(), "127.0.0.1", 0))
        ports["smtp"] = secure.sockets[0].getsockname()[1]
        ports["plain"] = plain.sockets[0].getsockname()[1]
    tell(ports=ports)
    if len(sys.argv) > 1: loop.run_forever()
    else: threading.Event().wait()
    """#

  /// The servers, and what they say; they end with the test's directory.
  private struct Servers {
    private let process: HostProcess
    let ports: [String: Int]

    init(in place: Place, mail: Bool) throws {
      try Data(NotifyTests.server.utf8).write(to: URL(filePath: place.path + "/servers.py"))
      let python = mail ? NotifyTests.python : nil
      process = try HostProcess(
        program: [python ?? "python3", "servers.py"], mail ? ["mail"] : [], in: place.path)
      ports = try #require(try Self.next(process)["ports"] as? [String: Int])
    }

    /// The next thing that one of them was sent.
    func next() throws -> [String: Any] { try Self.next(process) }

    private static func next(_ process: HostProcess) throws -> [String: Any] {
      let line = try process.awaitLine { $0.hasPrefix("{") }
      return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
  }

  private func place(_ configuration: String, _ script: String) throws -> Place {
    let place = try Place()
    try Data(configuration.utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    try place.save("tell.lua", script)
    try FileManager.default.createDirectory(atPath: place.path + "/keys", withIntermediateDirectories: true)
    try Data("letmein\n".utf8).write(to: URL(filePath: place.path + "/keys/token"))
    return place
  }

  /// What `run` of the job returned.
  private func result(_ place: Place) throws -> [Any?] {
    let ended = try place.run("exec", "tell", "--json")
    let line = try #require(ended.output.last)
    let document = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    #expect(!"\(ended)".contains("letmein"), "a secret is told: \(ended)")
    return try #require(document["result"] as? [Any], "\(ended)")
  }

  @Test(
    "a web address is sent JSON, with the secret in its path or as a token; other states are failures",
    .enabled(if: hasPython, "there is no python3 here (make test installs it)"))
  func web() throws {
    let place = try place("return {}", "")
    let servers = try Servers(in: place, mail: false)
    let port = try #require(servers.ports["http"])
    try Data(
      """
      return { secrets = { directory = "keys" }, notify = {
        hook = { http = "http://127.0.0.1:\(port)/services/{secret}", secret = "token" },
        api = { http = { url = "http://127.0.0.1:\(port)/notes", headers = { ["x-extra"] = "1" } }, secret = "token" },
        broken = { http = "http://127.0.0.1:\(port)/broken" },
        nobody = { http = "http://127.0.0.1:1/{secret}", secret = "token" },
        lost = { http = "http://127.0.0.1:\(port)/", secret = "none" },
        name = { http = "http://{secret}.invalid/x", secret = "name" },
        odd = { http = "http://127.0.0.1:1/a/{secret}", secret = "odd" },
        both = { http = "http://127.0.0.1:1/a",
          mail = { server = "127.0.0.1:1", security = "none", from = "a@example.org", to = "b@example.org" } },
      } }
      """.utf8
    ).write(to: URL(filePath: place.path + "/moondial.lua"))
    try place.save(
      "tell.lua",
      """
      job "tell" { run = function()
        local kinds = {}
        assert(notify("hook", "Disk full", { text = "on /srv", fields = { free = 3 } }))
        assert(notify("api", "plain"))
        for i, name in ipairs { "broken", "nobody", "lost", "name", "odd", "both" } do
          local ok, err = notify(name, "x")
          kinds[i] = tostring(ok) .. " " .. err.kind .. ": " .. tostring(err)
        end
        return kinds
      end }
      """)
    for (name, value) in [("name", "LetMeInToo"), ("odd", "a Hidden/place?x")] {
      try Data(value.utf8).write(to: URL(filePath: place.path + "/keys/" + name))
    }
    let kinds = try result(place)
    let hook = try servers.next(), api = try servers.next()
    #expect(hook["path"] as? String == "/services/letmein" && hook["auth"] is NSNull)
    let body = try #require(hook["body"] as? [String: Any])
    #expect(body["text"] as? String == "Disk full\non /srv" && body["subject"] as? String == "Disk full")
    #expect(body["job"] as? String == "tell" && body["target"] as? String == "hook" && body["run"] is Int)
    #expect((body["fields"] as? [String: Any])?["free"] as? Int == 3)
    #expect(api["path"] as? String == "/notes" && api["auth"] as? String == "Bearer letmein")
    #expect(api["extra"] as? String == "1" && (api["body"] as? [String: Any])?["text"] as? String == "plain")
    #expect(kinds[0] as? String == "nil failed: notify: broken: it answered with status 500", "\(kinds)")
    #expect((kinds[1] as? String)?.hasPrefix("nil connect: notify: nobody: ") == true, "\(kinds)")
    #expect(kinds[2] as? String == "nil failed: notify: lost: there is no secret \"none\" in a file or a variable")
    #expect((kinds[3] as? String)?.hasPrefix("nil dns: notify: name: no address of ***.invalid was found") == true)
    for kind in kinds {
      #expect((kind as? String)?.lowercased().contains(/letmein|hidden|place|\/a/) == false, "\(kinds)")
    }
    let both = try #require(kinds[5] as? String)
    #expect(both.hasPrefix("nil connect: notify: both: ") && both.contains("; by mail: "), "\(kinds)")
  }

  @Test(
    "mail goes over STARTTLS with a password, from notify and from mail.send; a server without it, or with a full disk, is a failure",
    .enabled(if: python != nil, "no python3 here has aiosmtpd (make test installs it; or MOONDIAL_AIOSMTPD=PYTHON)"))
  func mail() throws {
    let place = try place("return {}", "")
    let hasKey = Self.succeeds(
      [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days",
        "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
      ], in: place.path)
    try #require(hasKey, "openssl makes the certificate")
    let servers = try Servers(in: place, mail: true)
    let (secure, plain) = (try #require(servers.ports["smtp"]), try #require(servers.ports["plain"]))
    try Data(
      """
      local function target(port, to, more)
        local mail = { server = "127.0.0.1:" .. port, ca = "cert.pem", user = "moon", from = "Moon <moon@example.org>", to = to }
        for k, v in pairs(more or {}) do mail[k] = v end
        return { mail = mail, secret = "token" }
      end
      return {
        secrets = { directory = "keys" },
        grants = { ["*"] = { mail = { "127.0.0.1" }, fs = { "cert.pem" }, secret = { "token" } } },
        notify = {
          ops = target(\(secure), { "ops@example.org", "Ann <ann@example.org>" }),
          full = target(\(secure), "full@example.org"),
          bare = target(\(plain), "ops@example.org"),
          strange = target(\(secure), "ops@example.org", { ca = false }),
        },
      }
      """.replacing("{ ca = false }", with: "{ ca = \"keys/token\" }").utf8
    ).write(to: URL(filePath: place.path + "/moondial.lua"))
    try place.save(
      "tell.lua",
      """
      job "tell" { run = function()
        local said = {}
        assert(notify("ops", "Plätze\\nfrei", { text = "three\\nlines\\n", fields = { n = 1 } }))
        for i, name in ipairs { "full", "bare", "strange" } do
          local ok, err = notify(name, "x")
          said[i] = tostring(ok) .. " " .. err.kind .. ": " .. tostring(err)
        end
        assert(mail.send { server = "127.0.0.1:\(secure)", ca = "cert.pem", user = "moon", password = secret("token"),
          from = "a@example.org", to = "b@example.org", subject = "by hand", text = "hello" })
        local ok, err = mail.send { server = "127.0.0.1:\(secure)", ca = "cert.pem", user = "moon", password = "wrong",
          from = "a@example.org", to = "b@example.org", subject = "x", text = "y" }
        said[4] = tostring(ok) .. " " .. err.kind
        return said
      end }
      """)
    let said = try result(place).map { $0 as? String ?? "" }
    let told = try servers.next(), sent = try servers.next()
    #expect(told["tls"] as? Bool == true && told["user"] as? String == "moon")
    #expect(told["sender"] as? String == "moon@example.org")
    #expect(told["to"] as? [String] == ["ops@example.org", "ann@example.org"])
    #expect(told["subject"] as? String == "Plätze frei")
    #expect(
      (told["text"] as? String)?.replacing("\r\n", with: "\n") == "three\nlines\n\n\n{\"n\":1}\n", "\(told)")
    #expect(sent["tls"] as? Bool == true && sent["subject"] as? String == "by hand")
    #expect(said[0].hasPrefix("nil protocol: notify: full: ") && said[0].contains("452"), "\(said)")
    #expect(said[1].hasPrefix("nil tls: notify: bare: "), "\(said)")
    #expect(
      said[2].hasPrefix("nil tls: notify: strange: ") || said[2].hasPrefix("nil file: notify: strange: "), "\(said)")
    #expect(said[3].hasPrefix("nil "), "\(said)")
  }

  @Test(
    "misuse of notify is an error at its line, and mistakes of targets are said by check",
    arguments: [
      (
        "notify('opps', 'x')",
        "tell.lua:1: notify: moondial.lua has no target \"opps\" in notify; did you mean \"ops\"?"
      ),
      ("notify()", "tell.lua:1: notify: expected the name of a target (a string) as argument 1, got no value"),
      ("notify('ops')", "tell.lua:1: notify: expected a subject (a string) as argument 2, got no value"),
      ("notify('ops', '')", "tell.lua:1: notify: the subject is not empty"),
      ("notify('ops', 'x', { txt = 1 })", "tell.lua:1: notify: options.txt: unknown field (did you mean \"text\"?)"),
      ("notify('ops', 'x', { fields = 7 })", "tell.lua:1: notify: options.fields: expected a table with names"),
      ("for i = 1, 101 do notify('ops', 'x') end", "tell.lua:1: notify: a run sends 100 notices at most"),
    ])
  func misuse(call: String, message: String) throws {
    let place = try place(
      "return { notify = { ops = { http = 'http://127.0.0.1:1/' } } }", "job 'tell' { run = function() \(call) end }")
    let ended = try place.run("exec", "tell")
    #expect(ended.errors.contains { $0.contains(message) }, "\(ended)")
  }

  @Test(
    "mistakes of a target",
    arguments: [
      ("7", "notify must be a table"),
      ("{ ops = {} }", "notify.ops leads nowhere: add mail = { … } or http = \"https://…\""),
      ("{ ops = { htp = 'x' } }", "htp"),
      ("{ ops = { http = 'ftp://x' } }", "notify.ops.http: expected an address that begins with https:// or http://"),
      ("{ ops = { http = {} } }", "notify.ops.http: url is missing"),
      ("{ ops = { http = { url = 'https://x', header = {} } } }", "notify.ops.http.header: unknown field"),
      ("{ ops = { mail = { from = 'a@b', to = 'c@d' } } }", "notify.ops.mail: server is missing"),
      ("{ ops = { mail = { server = 'x', from = 'a@b' } } }", "notify.ops.mail: to is missing"),
      ("{ ops = { mail = { server = 'x', from = 7, to = 'c@d' } } }", "notify.ops.mail.from: expected a string"),
      ("{ ops = { http = 'https://x', secret = '' } }", "notify.ops.secret: expected the name of a secret"),
    ])
  func targets(value: String, message: String) throws {
    let place = try place("return { notify = \(value) }", "job 'tell' { run = print }")
    let ended = try place.run("check")
    #expect(ended.status == 1 && ended.errors.contains { $0.contains(message) }, "\(ended)")
  }
}

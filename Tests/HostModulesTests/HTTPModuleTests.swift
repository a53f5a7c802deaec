import Basics
import Executors
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
@testable import ScriptLoading
@testable import ScriptRuntime

/// Scripts that ask a server, with a resolver that knows what a test says.
struct HTTPFixture {
  let fixture: PoolFixture
  let server: LoopbackServer
  let client: HTTPClient
  let directory: TemporaryDirectory

  init(
    grants: LuaValue = ["http": ["localhost"], "fs": [".:rw"]], names: [String: [String]] = [:],
    environment: [String: String] = [:],
    _ handler: @escaping @Sendable (LoopbackServer.Request, LoopbackServer.Connection) -> Void
  ) throws {
    directory = try TemporaryDirectory()
    server = try LoopbackServer(handler)
    client = HTTPClient(
      resolver: NameResolver { host in
        let found = (names[host] ?? (host == "localhost" ? ["127.0.0.1"] : [])).compactMap { IPAddress($0) }
        return (found, found.isEmpty ? "Name or service not known" : "")
      })
    let table = try GrantTable(["test.lua": grants], baseDirectory: directory.path)
    fixture = try PoolFixture(
      grants: table.grants(for: ScriptPath("test.lua")), base: directory.path, http: client
    ) { $0.environment = { environment[$0] } }
  }

  /// Runs a body in which `U` is the server's address; the result, or the message of the error.
  func run(_ body: String, fields: String = "") throws -> String {
    let report = try fixture.run("local U = '\(server.url("", host: "localhost"))' " + body, fields: fields)
    return report.result ?? report.error?.message ?? "\(report.outcome)"
  }
}

@Suite("http: requests and answers", .onBothExecutors)
struct HTTPModuleTests {
  @Test("methods, query, headers and the kinds of content arrive as they were written")
  func sends() throws {
    let http = try HTTPFixture { request, connection in
      let head = request.headers.filter { ["content-type", "x-a", "authorization"].contains($0.key) }
        .map { "\($0.key)=\($0.value)" }.sorted().joined(separator: ";")
      connection.answer(200, "\(request.method) \(request.target) [\(head)] \(request.text)")
    }
    let rows: [(String, String)] = [
      ("http.get(U .. '/a?x=1', { query = { b = 'c d', l = { 1, 2 } } })", "GET /a?x=1&b=c%20d&l=1&l=2 [] "),
      ("http.delete(U, { headers = { ['X-A'] = 7 } })", "DELETE / [x-a=7] "),
      ("http.post(U, { json = { a = { 1 } } })", "POST / [content-type=application/json] {\\\"a\\\":[1]}"),
      (
        "http.put(U, { form = { a = 'ü&', b = true } })",
        "PUT / [content-type=application/x-www-form-urlencoded] a=%C3%BC%26&b=true"
      ),
      (
        "http.patch(U, { body = 'raw', headers = { ['Content-Type'] = 'text/x' } })",
        "PATCH / [content-type=text/x] raw"
      ),
      ("http.request('propfind', U)", "PROPFIND / [] "), ("http.post(U)", "POST / [] "),
      ("http.options(U)", "OPTIONS / [] "),
      ("http.get(U, { bearer = 't0k' })", "GET / [authorization=Bearer t0k] "),
      ("http.get(U, { auth = { user = 'u', password = 'p' } })", "GET / [authorization=Basic dTpw] "),
      ("http.get((U:gsub('//', '//u:p@')))", "GET / [authorization=Basic dTpw] "),
    ]
    for (call, answer) in rows { #expect(try http.run("return \(call).body") == "\"\(answer)\"", "\(call)") }
    #expect(
      try http.run("local r = http.head(U) return { r.status, r.body, #r.headers['content-length'] > 0 }")
        == #"[200,"",true]"#)
  }

  @Test("multipart has its parts, from memory and from files")
  func multipart() throws {
    let http = try HTTPFixture { request, connection in
      connection.answer(
        200, request.text.replacing("\r\n", with: "|"), ["X-Type: \(request.headers["content-type"] ?? "")"])
    }
    let body = try http.run(
      """
      fs.write('a.txt', 'file content')
      local r = http.post(U, { multipart = {
        plain = 'x"y', { name = 'f"1', file = 'a.txt' }, { name = 'g', content = 'c', filename = 'g.csv', type = 'text/csv' },
      } })
      local boundary = r.headers['X-Type']:match('boundary=(.+)')
      return (r.body:gsub(boundary:gsub('%-', '%%-'), 'B'))
      """)
    #expect(
      body
        == #""--B|Content-Disposition: form-data; name=\"plain\"||x\"y|--B|Content-Disposition: form-data; name=\"f%221\"; "#
        + #"filename=\"a.txt\"|Content-Type: application/octet-stream||file content|--B|Content-Disposition: form-data; "#
        + #"name=\"g\"; filename=\"g.csv\"|Content-Type: text/csv||c|--B--|""#)
  }

  @Test("an answer has status, headers and content; its headers are found however they are written")
  func answers() throws {
    let http = try HTTPFixture { _, connection in
      connection.write("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n")
      connection.answer(
        404, "{\"a\":1}", ["X-One: 1", "x-one: 2", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-Bytes: \u{FC}"])
    }
    #expect(
      try http.run(
        """
        local r = http.get(U)
        return { r.status, r.ok, r:json().a, r.headers['X-One'], r.headers['set-cookie'], r.headers.link == nil, r.version,
          r.attempts, r.redirects, r.url == U .. '/' }
        """) == #"[404,false,1,"1, 2",["a=1","b=2"],true,"1.1",1,0,true]"#)
  }

  @Test("each way to fail has its kind, and an error reads as its message")
  func kinds() throws {
    let http = try HTTPFixture(names: ["none.test": []]) { request, connection in
      switch request.path {
      case "/short": connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
      case "/long": connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more")
      case "/nothing": break
      case "/garbage": connection.write("hello, I am no HTTP\r\n\r\n")
      case "/head":
        connection.write(
          "HTTP/1.1 200 OK\r\n" + String(repeating: "X: \(String(repeating: "y", count: 900))\r\n", count: 500))
      case "/negative": connection.write("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx")
      case "/chunk": connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n")
      case "/cut": connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")
      case "/big": connection.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx")
      case "/flood":
        connection.write("HTTP/1.1 200 OK\r\n\r\n")
        while connection.write(String(repeating: "x", count: 65_536)) {}
      case "/stall":
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
        connection.awaitClose()
      case "/mute": connection.awaitClose()
      case "/loop": connection.answer(302, "", ["Location: /loop"])
      case "/file": connection.answer(302, "", ["Location: file:///etc/passwd"])
      case "/brotli": connection.answer(200, "x", ["Content-Encoding: br"])
      case "/twice": connection.answer(200, "x", ["Content-Encoding: gzip, gzip"])
      case "/nozip": connection.answer(200, "no gzip", ["Content-Encoding: gzip"])
      default: connection.answer(200, "fine")
      }
    }
    let closed = try LoopbackServer.listen()
    close(closed.0)
    let rows: [(path: String, options: String, kind: String)] = [
      ("/short", "", "closed"), ("/long", "", "fine"), ("/nothing", "", "closed"), ("/garbage", "", "protocol"),
      ("/head", "", "too_large"), ("/negative", "", "protocol"), ("/chunk", "", "closed"), ("/cut", "", "closed"),
      ("/big", "", "too_large"), ("/flood", "max = 200000", "too_large"), ("/stall", "timeout = '50ms'", "timeout"),
      ("/mute", "first_byte_timeout = '50ms'", "first_byte_timeout"), ("/mute", "timeout = '50ms'", "timeout"),
      ("/loop", "", "redirect"), ("/loop", "redirects = 2", "redirect"), ("/file", "", "redirect"),
      ("/brotli", "", "encoding"),
      ("/twice", "", "encoding"), ("/nozip", "", "encoding"), ("/ok", "save_to = 'no/such/dir'", "file"),
    ]
    for row in rows {
      let kind = try http.run(
        "local r, e = http.get(U .. '\(row.path)', { \(row.options) }) return r and 'fine' or e.kind")
      #expect(kind == "\"\(row.kind)\"", "\(row.path) \(row.options)")
    }
    #expect(try http.run("return (select(2, http.get('http://localhost:\(closed.1)/'))).kind") == "\"connect\"")
    let other = try HTTPFixture(grants: ["http": ["none.test"]]) { _, _ in }
    #expect(try other.run("return (select(2, http.get('http://none.test/'))).kind") == "\"dns\"")
    let read = try http.run(
      "local _, e = http.get(U .. '/mute?token=x', { timeout = '20ms' }) return { tostring(e), 'a: ' .. e }")
    let message = "GET http://localhost:\(http.server.port)/mute: it was not over at its timeout"
    #expect(read == "[\"\(message)\",\"a: \(message)\"]")
    // As a failure of the run: the message is the error's.
    #expect(
      try http.run("return http.get(U .. '/nothing')").hasPrefix("GET http://localhost:\(http.server.port)/nothing: "))
    #expect(
      try http.run("error((select(2, http.get(U .. '/mute', { timeout = 0.02 }))))")
        == message.replacing("?token=x", with: ""))
  }

  @Test("what is compressed is undone, with a bound on what comes of it")
  func compression() throws {
    let text = String(repeating: "0", count: 3_000_000)
    let zipped = try #require(ZipMaker.gzip(text))
    let http = try HTTPFixture { request, connection in
      if request.path == "/cut" {
        connection.answer(200, Array(zipped.dropLast(20)), ["Content-Encoding: gzip"])
      } else if request.path == "/two" {
        connection.answer(200, zipped + zipped, ["Content-Encoding: gzip"])
      } else {
        connection.answer(
          200, zipped, ["Content-Encoding: gzip", "X-Asked: \(request.headers["accept-encoding"] ?? "-")"])
      }
    }
    #expect(zipped.count < 5_000)
    #expect(
      try http.run("local r = http.get(U) return { #r.body, r.headers['X-Asked'] }") == #"[3000000,"gzip, deflate"]"#)
    #expect(try http.run("return #http.get(U .. '/two').body") == "6000000")
    #expect(
      try http.run("local r = http.get(U, { decompress = false }) return { #r.body, r.headers['X-Asked'] }")
        == "[\(zipped.count),\"-\"]")
    #expect(
      try http.run("local _, e = http.get(U, { max = 1000000 }) return { e.kind, (e.message:match('decompressed')) }")
        == #"["too_large","decompressed"]"#)
    #expect(try http.run("return (select(2, http.get(U .. '/cut'))).kind") == "\"encoding\"")
  }

  @Test("a redirect keeps or drops what was sent, and tells no secret to another origin")
  func redirects() throws {
    let other = try LoopbackServer { request, connection in
      let told = ["authorization", "cookie", "x-a", "content-type"].map { request.headers[$0] ?? "-" }.joined(
        separator: ",")
      connection.answer(200, "\(request.method) \(told) \(request.text)")
    }
    let place = other.url("/there", host: "localhost")
    let http = try HTTPFixture { request, connection in
      if let code = Int(request.path.dropFirst()) {
        connection.answer(code, "moved", ["Location: \(request.target.hasSuffix("?far") ? place : "/here")"])
      } else {
        connection.answer(200, "\(request.method) \(request.headers["authorization"] ?? "-") \(request.text)")
      }
    }
    for (code, expected) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
      let content = expected == "POST" ? "data" : ""
      #expect(
        try http.run(
          "local r = http.post(U .. '/\(code)', { body = 'data', bearer = 't' }) return { r.body, r.redirects }")
          == "[\"\(expected) Bearer t \(content)\",1]")
      #expect(
        try http.run(
          "return http.post(U .. '/\(code)?far', { body = 'data', bearer = 't', headers = { Cookie = 'c=1', ['X-A'] = 'a' } }).body"
        ) == "\"\(expected) -,-,a,- \(content)\"")
    }
    #expect(try http.run("return http.get(U .. '/302', { redirects = false }).status") == "302")
  }

  @Test("files are sent and received, whole or not at all")
  func files() throws {
    let http = try HTTPFixture { request, connection in
      switch request.path {
      case "/cut": connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
      case "/late":
        connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        connection.awaitClose()
      default:
        connection.answer(
          request.path == "/missing" ? 404 : 200, request.body.isEmpty ? "got" : "\(request.body.count)")
      }
    }
    #expect(
      try http.run(
        """
        fs.write('big', ('0123456789'):rep(500000))
        local sent = http.put(U, { body_file = 'big' }).body
        local r = http.get(U, { save_to = 'in' })
        local kept = fs.read('in')
        local _, cut = http.get(U .. '/cut', { save_to = 'in' })
        local _, late = http.get(U .. '/late', { save_to = 'in', timeout = '50ms' })
        local _, none = http.put(U, { body_file = 'none' })
        local _, large = http.get(U, { save_to = 'in', max = 2 })
        return { sent, r.body == nil, kept, cut.kind, late.kind, none.kind, large.kind, fs.read('in'), #fs.list('.') }
        """) == #"["5000000",true,"got","closed","timeout","file","too_large","got",2]"#)
    let outside = try HTTPFixture(grants: ["http": ["localhost"], "fs": ["own:rw", "seen:r"]]) { _, c in
      c.answer(200, "x")
    }
    for option in [
      "save_to = 'seen/a'", "save_to = 'own/../a'", "save_to = '/etc/passwd'", "body_file = 'other'",
      "ca = '/etc/passwd'",
    ] {
      #expect(try outside.run("return http.put(U, { \(option) })").contains("has no grant for"), "\(option)")
    }
    #expect(outside.server.accepted == 0)
  }

  @Test("a failure that passes is asked for again, as the server wants it")
  func retries() throws {
    let count = Monitor(0)
    let http = try HTTPFixture { request, connection in
      let number = count.withLock { count in
        count += 1
        return count
      }
      switch request.path {
      case "/busy" where number < 3: connection.answer(503, "later", ["Retry-After: 0"])
      case "/drop" where number < 3: break
      case "/far": connection.answer(429, "later", ["Retry-After: 3600"])
      case "/never": connection.answer(503, "later", ["Retry-After: 0"])
      default: connection.answer(200, "number \(number)")
      }
    }
    func run(_ body: String) throws -> String {
      count.withLock { $0 = 0 }
      return try http.run(body)
    }
    #expect(
      try run("local r = http.get(U .. '/busy', { retry = 3 }) return { r.body, r.attempts }") == #"["number 3",3]"#)
    #expect(try run("local r = http.get(U .. '/drop', { retry = { max = 5, base = '1ms' } }) return r.attempts") == "3")
    #expect(try run("return http.get(U .. '/busy').status") == "503")
    // Of a POST nobody knows whether the server has done it.
    #expect(
      try run(
        "local r, e = http.post(U .. '/drop', { retry = { max = 5, base = '1ms' } }) return { e.kind, e.attempts }")
        == #"["closed",1]"#)
    #expect(try run("return http.post(U .. '/busy', { retry = 3, body = 'x' }).attempts") == "3")
    #expect(
      try run("local r = http.get(U .. '/never', { retry = { max = 2 } }) return { r.status, r.attempts, r.body }")
        == #"[503,3,"later"]"#)
    #expect(
      try run("local r, e = http.get(U .. '/far', { retry = 3 }) return { e.kind, e.attempts }") == #"["timeout",1]"#)
  }

  @Test("cookies are kept for the run that asks for it, and for no other")
  func cookies() throws {
    let http = try HTTPFixture { request, connection in
      let told = request.headers["cookie"] ?? "-"
      switch request.path {
      case "/set":
        connection.answer(302, "", ["Set-Cookie: a=1; Path=/", "Set-Cookie: gone=1; Max-Age=0", "Location: /see"])
      case "/drop": connection.answer(200, told, ["Set-Cookie: a=; Max-Age=0; Path=/"])
      default: connection.answer(200, told)
      }
    }
    #expect(
      try http.run(
        """
        local o = { cookies = true }
        return { http.get(U .. '/set', o).body, http.get(U, o).body, http.get(U).body, http.get(U .. '/drop', o).body, http.get(U, o).body }
        """) == #"["a=1","a=1","-","a=1","-"]"#)
    #expect(try http.run("http.get(U .. '/set', { cookies = true }) return 1") == "1")
    #expect(try http.run("return http.get(U, { cookies = true }).body") == "\"-\"")
  }

  @Test("a run that is killed, timed out or cancelled in the middle leaves nothing", .onThreads(because: .suspension))
  func killed() throws {
    let http = try HTTPFixture { _, connection in
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun")
      connection.awaitClose()
    }
    let files = Self.descriptors()
    let body = "log.info('asks') return http.get(U, { save_to = 'in', timeout = '1h' })"
    let job = try http.fixture.job(
      "local U = '\(http.server.url("", host: "localhost"))' " + body, fields: "timeout = '100ms',")
    #expect(http.fixture.run(job).outcome == .timedOut)
    #expect(http.server.wait { $0.open == 0 && $0.accepted == 1 })
    let tokens = try (0..<20).map { _ in
      http.fixture.submit(try http.fixture.job("local U = '\(http.server.url("", host: "localhost"))' " + body))
    }
    #expect(http.server.wait { $0.accepted == 21 && $0.requests.count == 21 })
    for token in tokens { http.fixture.cancel(token) }
    for token in tokens { #expect(http.fixture.reports.ending(of: token).outcome == .cancelled) }
    #expect(http.server.wait { $0.open == 0 })
    http.client.waitForCount(0)
    // Temporary files go with the last reference, on the client's thread; its own descriptors remain.
    #expect(try FileManager.default.contentsOfDirectory(atPath: http.directory.path).isEmpty)
    http.client.stop()
    #expect(Self.descriptors() <= files)
    #expect(http.fixture.host.answerBytes.now == 0)
  }

  private static func descriptors() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count ?? 0
  }

  @Test("every argument of a wrong type is an error with the script's line, and asks nobody")
  func misuse() throws {
    let http = try HTTPFixture { _, connection in connection.answer(200, "") }
    let wrong = [
      "nil", "true", "1.5", "'text'", "{}", "{ 1 }", "{ a = {} }", "print", "coroutine.create(print)", "-1", "1/0",
      "'\\0'",
    ]
    func fails(_ call: String) throws {
      let report = try http.fixture.run("local U = '\(http.server.url("", host: "localhost"))'\n\(call)")
      guard report.outcome != .succeeded else { return }
      let error = try #require(report.error)
      #expect(error.message.contains("http.") && error.line == 3, "\(call): \(error)")
    }
    for value in wrong {
      for name in HTTPModule.methods {
        if value != "'text'" { try fails("http.\(name)(\(value))") }
        try fails("http.\(name)(U, \(value))")
      }
      try fails("http.request(\(value), U)")
      for option in [
        "headers", "query", "form", "multipart", "body_file", "save_to", "max", "timeout", "connect_timeout",
        "first_byte_timeout", "redirects", "retry", "auth", "bearer", "verify", "ca", "cert", "key", "key_password",
        "decompress", "cookies", "version", "unknown",
      ] {
        try fails("local r, e = http.post(U, { \(option) = \(value) }) if not r then error('http. ' .. e.kind) end")
      }
    }
    for bad in [
      "http.get('example.org')", "http.get('file:///etc/passwd')", "http.get(U, { headers = { Host = 'x' } })",
      "http.get(U, { headers = { ['A b'] = 'x' } })", "http.get(U, { headers = { A = 'x\\r\\nB: y' } })",
      "http.get(U, { body = 'x', json = {} })", "http.get(U, { body = {} })", "http.get(U, { json = print })",
      "http.get(U, { timout = 1 })", "http.get(U, { bearer = 'x', auth = { user = 'u' } })",
      "http.get(U, { auth = { user = 'a:b' } })", "http.request('CONNECT', U)", "http.request('a b', U)",
      "http.get(U, { timeout = 0 })", "http.get(U, { redirects = 51 })", "http.get(U, { retry = { max = 1000 } })",
    ] {
      let report = try http.fixture.run("local U = '\(http.server.url("", host: "localhost"))'\n\(bad)")
      #expect(report.outcome == .failed && report.error?.line == 3, "\(bad): \(report.error?.message ?? "")")
      #expect(report.error?.message.contains("http.") == true, "\(bad)")
    }
  }
}

/// Compresses by the system's gzip.
enum ZipMaker {
  static func gzip(_ text: String) -> [UInt8]? {
    let place = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { try? FileManager.default.removeItem(atPath: place) }
    guard (try? text.write(toFile: place, atomically: false, encoding: .utf8)) != nil else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/gzip")
    process.arguments = ["-c", place]
    let output = Pipe()
    process.standardOutput = output
    guard (try? process.run()) != nil else { return nil }
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Array(bytes)
  }
}

import Basics
import Glibc
import JobModel
import LoopbackHTTP
import Lua
import ScriptFixtures
import TestSupport
import Testing

@testable import FileWatching
@testable import HTTPTransfer
@testable import HostModules
@testable import ScriptRuntime

@Suite("http: whom a script may ask")
struct HTTPGrantTests {
  private func grants(_ entries: LuaValue) throws -> HTTPGrants {
    try GrantTable(["a.lua": ["http": entries]], baseDirectory: "/").grants(for: ScriptPath("a.lua")).http
  }

  @Test("a name covers its pattern and port, and no address that is not public")
  func names() throws {
    let some = try grants(["api.example.org", "*.Corp.example", "one.test:8443"])
    #expect(some.allows(host: "api.example.org", port: 1) && some.allows(host: "api.example.org.", port: 443))
    #expect(some.allows(host: "x.y.corp.example", port: 80) && !some.allows(host: "corp.example", port: 80))
    #expect(
      !some.allows(host: "api.example.org.evil.test", port: 80) && !some.allows(host: "xapi.example.org", port: 80))
    #expect(some.allows(host: "one.test", port: 8443) && !some.allows(host: "one.test", port: 443))
    #expect(some.allows(IPAddress("8.8.8.8")!, port: 80) && !some.allows(IPAddress("10.0.0.1")!, port: 80))
    #expect(!some.allows(host: "8.8.8.8", port: 80))
  }

  @Test("addresses and networks are granted as they are; a star is every name and every public address")
  func places() throws {
    let some = try grants(["10.0.0.0/8", "127.0.0.1:8080", "[fd00::]/8", "[::1]:9000", "localhost:70"])
    #expect(some.allows(host: "10.1.1.1", port: 5) && some.allows(IPAddress("10.1.1.1")!, port: 5))
    #expect(some.allows(host: "127.0.0.1", port: 8080) && !some.allows(host: "127.0.0.1", port: 80))
    #expect(
      some.allows(host: "fd00::7", port: 1) && some.allows(host: "::1", port: 9000)
        && !some.allows(host: "::1", port: 1))
    #expect(some.allows(host: "localhost", port: 70) && some.allows(IPAddress("127.0.0.9")!, port: 70))
    #expect(!some.allows(host: "localhost", port: 71) && !some.allows(host: "db.test", port: 5))
    for all in [try grants(["*"]), try grants(true)] {
      #expect(all.allows(host: "any.test", port: 1) && all.allows(host: "8.8.8.8", port: 1))
      #expect(!all.allows(host: "127.0.0.1", port: 1) && !all.allows(IPAddress("169.254.169.254")!, port: 80))
    }
    #expect(
      Grants.all.http.allows(host: "127.0.0.1", port: 1)
        && Grants.all.http.allows(IPAddress("169.254.169.254")!, port: 1))
    #expect(try !grants(false).allows(host: "a.test", port: 1))
  }

  @Test(
    "what is no host is refused with what to write",
    arguments: [
      "https://api.example.org", "api.example.org/path", "a b", "", "10.0.*", "10.0.0.0/40", "a:0", "a:99999",
      "bücher.example", "[::1",
    ])
  func refuses(entry: String) {
    #expect(throws: LuaError.self) { try grants(.table(LuaTable(array: [.string(LuaString(entry))]))) }
  }

  @Test("without a grant nobody is asked, and the error has the line to add", .onBothExecutors)
  func missing() throws {
    let http = try HTTPFixture(grants: ["http": ["api.example.org"]]) { _, connection in
      connection.answer(200, "reached")
    }
    let said = try http.run("http.get('http://other.test/')")
    #expect(
      said.contains(
        "test.lua has no grant for asking other.test: add  grants = { [\"test.lua\"] = { http = { \"other.test\" } } }")
    )
    #expect(try http.run("http.get(U)").contains("has no grant for asking localhost"))
    #expect(http.server.accepted == 0)
  }

  /// Ways to write, or to be led to, this machine.
  static let spellings = [
    "127.0.0.1", "127.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "0.0.0.0", "0", "[::]", "①②⑦.⓪.⓪.①", "127.0.0.1.",
    "[64:ff9b::7f00:1]",
    "%31%32%37.0.0.1", "127。0。0。1", "localhost", "LOCALHOST", "localhost.", "inner.test", "both.test", "mapped.test",
    "127.0.0.1%00.test",
    "user@127.0.0.1", "public.test@127.0.0.1", "169.254.169.254", "[fe80::1]", "10.0.0.1", "[fd00::1]", "metadata.test",
  ]

  @Test(
    "no spelling of an address and no name leads to this machine without a grant", .onBothExecutors,
    arguments: spellings)
  func spelling(host: String) throws {
    let http = try HTTPFixture(
      grants: ["http": ["*", "*.test"]],
      names: [
        "inner.test": ["127.0.0.1"], "mapped.test": ["::ffff:127.0.0.1", "::1"], "both.test": ["0.0.0.0", "127.0.0.1"],
        "metadata.test": ["169.254.169.254"], "localhost": ["127.0.0.1", "::1"], "localhost.": ["127.0.0.1"],
        "127.0.0.1.": ["127.0.0.1"],
      ]
    ) { _, connection in connection.answer(200, "reached") }
    let port = http.server.port
    let result = try http.run(
      "local ok, r, e = pcall(http.get, 'http://\(host):\(port)/', { timeout = '5s' }) return ok and r and r.body or tostring(ok and e or r)"
    )
    #expect(!result.contains("reached"), "\(host): \(result)")
    #expect(
      result.contains("has no grant for") || result.contains("URL") || result.contains("http.get")
        // The names are the test's own, and nobody's for another process.
        || RunExecutor.current == .processes && result.contains("no address of"), "\(host): \(result)"
    )
    #expect(http.server.accepted == 0, "\(host)")
  }

  @Test("a redirect leads nowhere without a grant", arguments: spellings.filter { !$0.contains("@") })
  func redirect(host: String) throws {
    let inner = try LoopbackServer { _, connection in connection.answer(200, "reached") }
    let http = try HTTPFixture(
      grants: ["http": ["*", "first.test", "127.0.0.7"]],
      names: [
        "first.test": ["127.0.0.7"], "inner.test": ["127.0.0.1"], "localhost": ["127.0.0.1"],
        "both.test": ["127.0.0.1"],
        "localhost.": ["127.0.0.1"], "metadata.test": ["169.254.169.254"], "mapped.test": ["::1"],
      ]
    ) { _, connection in connection.answer(302, "", ["Location: http://\(host):\(inner.port)/"]) }
    _ = inner
    let result = try http.run(
      "local r, e = http.get('http://first.test:\(http.server.port)/') return r and r.body or e.kind")
    #expect(["\"denied\"", "\"redirect\"", "\"dns\"", "\"connect\""].contains(result), "\(host): \(result)")
    #expect(inner.accepted == 0, "\(host)")
  }

  @Test("a granted address is reached, by its name where that is granted too")
  func granted() throws {
    let http = try HTTPFixture(
      grants: ["http": ["inner.test", "127.0.0.1"]], names: ["inner.test": ["10.255.255.1", "127.0.0.1"]]
    ) { _, connection in connection.answer(200, "reached") }
    #expect(try http.run("return http.get('http://inner.test:\(http.server.port)/').body") == "\"reached\"")
    #expect(try http.run("return http.get('http://127.1:\(http.server.port)/').body") == "\"reached\"")
  }

  @Test("through a proxy of the environment, names are checked, and what this machine knows as a forbidden place")
  func proxied() throws {
    let proxy = try LoopbackServer { request, connection in connection.answer(200, "proxy \(request.target)") }
    let http = try HTTPFixture(
      grants: ["http": ["*"]], names: ["inner.test": ["127.0.0.1"], "proxy.test": ["127.0.0.1"]],
      environment: ["http_proxy": "http://proxy.test:\(proxy.port)", "no_proxy": "direct.test"]
    ) { _, connection in connection.answer(200, "direct") }
    #expect(try http.run("return http.get('http://outer.test/x').body") == "\"proxy http://outer.test/x\"")
    #expect(try http.run("return (select(2, http.get('http://inner.test/'))).kind") == "\"denied\"")
    #expect(try http.run("return (select(2, http.get('http://direct.test/'))).kind") == "\"dns\"")
    #expect(try http.run("http.get('http://127.0.0.1/')").contains("has no grant for"))
    #expect(proxy.requests.count == 1)
  }
}

@Suite("http: TLS and HTTP/2", .onBothExecutors)
struct HTTPSecurityTests {
  private static let grants: LuaValue = ["http": ["localhost", "127.0.0.1", "other.test"], "fs": [".:rw"]]
  private static let names = ["localhost": ["127.0.0.1"], "other.test": ["127.0.0.1"]]

  /// What `make test` installs for these tests; each says so when it is left out.
  private static let hasTLS = ChildServer.path(of: "openssl") != nil && ChildServer.path(of: "python3") != nil
  private static let hasHTTP2 = ChildServer.path(of: "openssl") != nil && ChildServer.path(of: "nghttpd") != nil

  @Test("an address of IPv6 in the URL is asked as it is")
  func literal() throws {
    let http = try HTTPFixture(grants: ["http": ["[::1]"]]) { _, _ in }
    #expect(try http.run("return (select(2, http.get('http://[::1]:1/'))).kind") == "\"connect\"")
  }

  @Test(
    "a certificate is verified, against the system's authorities or given ones; not to is a word of its own",
    .enabled(if: hasTLS, "needs openssl and python3"))
  func verifies() throws {
    let http = try HTTPFixture(grants: Self.grants, names: Self.names) { _, _ in }
    let server = try #require(try ChildServer.secure(in: http.directory.path))
    let url = "https://localhost:\(server.firstLine)/"
    #expect(try http.run("return (select(2, http.get('\(url)'))).kind") == "\"tls\"")
    #expect(try http.run("return http.get('\(url)', { ca = 'server.pem' }).body") == "\"secure nobody\"")
    #expect(try http.run("return http.get('\(url)', { verify = false }).body") == "\"secure nobody\"")
    #expect(try http.run("return (select(2, http.get('\(url)', { ca = 'client.pem' }))).kind") == "\"tls\"")
    // The certificate is of other names. Worker processes know the system's names only.
    if RunExecutor.current == .threads {
      let other = url.replacing("localhost", with: "other.test")
      #expect(try http.run("return (select(2, http.get('\(other)', { ca = 'server.pem' }))).kind") == "\"tls\"")
    }
    #expect(
      try http.run("return (select(2, http.get('\(url.replacing("https", with: "http"))'))).kind") == "\"closed\"")
  }

  @Test(
    "a client shows its certificate where it is asked for one", .enabled(if: hasTLS, "needs openssl and python3"))
  func clients() throws {
    let http = try HTTPFixture(grants: Self.grants, names: Self.names) { _, _ in }
    let server = try #require(try ChildServer.secure(in: http.directory.path, askingClients: true))
    let url = "https://localhost:\(server.firstLine)/"
    let options = "ca = 'server.pem', cert = 'client.pem', key = 'client.key'"
    // First: a kept connection has shown its certificate, and asks for no key.
    #expect(
      try http.run(
        "return (select(2, http.get('\(url)', { ca = 'server.pem', cert = 'client.pem', key = 'server.pem' }))).kind")
        == "\"tls\"")
    #expect(try http.run("return http.get('\(url)', { \(options) }).body") == "\"secure client\"")
    #expect(
      ["\"tls\"", "\"closed\""].contains(
        try http.run("return (select(2, http.get('\(url)', { ca = 'server.pem' }))).kind")))
  }

  @Test("HTTP/2 is spoken where the server has it", .enabled(if: hasHTTP2, "needs openssl and nghttpd"))
  func second() throws {
    let nghttpd = try #require(ChildServer.path(of: "nghttpd"))
    let http = try HTTPFixture(grants: Self.grants, names: Self.names) { _, _ in }
    try #require(try ChildServer.certificate("server", in: http.directory.path))
    try http.directory.write("htdocs/index.html", "second")
    let (socket, port) = try LoopbackServer.listen()
    close(socket)
    // Its first line says that it listens.
    let server = try ChildServer(
      "/usr/bin/stdbuf",
      [
        "-oL", nghttpd, "-v", "-a", "127.0.0.1", "-d", http.directory.path + "/htdocs", "\(port)",
        http.directory.path + "/server.key", http.directory.path + "/server.pem",
      ])
    #expect(server.firstLine.contains("listen"))
    let url = "https://localhost:\(port)/index.html"
    #expect(
      try http.run("local r = http.get('\(url)', { ca = 'server.pem' }) return { r.version, r.body }")
        == #"["2","second"]"#)
    #expect(
      try http.run(
        """
        local out = all({ 1, 2, 3, 4, 5, 6, 7, 8 }, function() return http.get('\(url)', { ca = 'server.pem' }) end)
        for _, r in ipairs(out) do if not r.ok or r.value.body ~= 'second' then return r.error end end
        return #out
        """) == "8")
  }
}

import Foundation
import Glibc
import LoopbackHTTP
import Testing

/// `http` through the real binary: the grants of `moondial.lua`, a real host's threads and files, `check` and `exec`.
@Suite("http, through the real host", .serialized, .timeLimit(.minutes(5)))
struct HTTPTests {
  private static let ask = """
    job "ask" { run = function(ctx)
      local r, e = http.get(ctx.params.url, { timeout = "20s", save_to = ctx.params.file })
      if not r then return { e.kind } end
      return { r.status, r.body or fs.read(ctx.params.file) }
    end }
    """

  @Test("a grant decides, in the file and as --allow-all, and check accepts it")
  func grants() throws {
    let server = try LoopbackServer { _, connection in connection.answer(200, "reached") }
    let place = try Place()
    try place.save("ask.lua", Self.ask)
    func ask(_ url: String, _ more: String...) throws -> String {
      let ended = try HostProcess.run(["exec", "ask", "--json", "--param", "url=\(url)"] + more, in: place.path)
      return (ended.output + ended.errors).joined(separator: "\n")
    }
    func configure(_ grants: String) throws {
      try "return { grants = { [\"*\"] = { \(grants) } } }".write(
        toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    }
    #expect(try ask(server.url()).contains("ask.lua has no grant for asking 127.0.0.1"))
    try configure("http = { \"*\" }")
    #expect(
      try ask(server.url()).contains("which is no public address")
        || ask(server.url()).contains("has no grant for asking"))
    #expect(try ask(server.url(host: "localhost")).contains("denied"))
    #expect(server.accepted == 0)
    try configure("http = { \"localhost\" }, fs = { \"data:rw\" }")
    #expect(try ask(server.url(host: "localhost")).contains("[200,\"reached\"]"))
    try FileManager.default.createDirectory(atPath: place.path + "/data", withIntermediateDirectories: true)
    #expect(try ask(server.url(host: "localhost"), "--param", "file=data/in").contains("[200,\"reached\"]"))
    #expect(try place.run("check").status == 0)
    try configure("http = { \"127.0.0.1:1\" }")
    #expect(try ask(server.url()).contains("has no grant for asking 127.0.0.1"))
    #expect(try ask(server.url(), "--allow-all").contains("[200,\"reached\"]"))
    try configure("http = { \"https://api.example.org\" }")
    let checked = try place.run("check")
    #expect(checked.status == 1)
    #expect((checked.output + checked.errors).joined().contains("\"https://api.example.org\" is no host: write a name"))
  }

  @Test("runs that are killed in the middle leave no connection and no file, and a host ends with requests under way")
  func killed() throws {
    let server = try LoopbackServer { _, connection in
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun")
      connection.awaitClose()
    }
    let place = try Place()
    try FileManager.default.createDirectory(atPath: place.path + "/data", withIntermediateDirectories: true)
    try """
    return { grants = { ["*"] = { http = { "127.0.0.1" }, fs = { "data:rw" } } }, executors = { default = { workers = 2 } } }
    """.write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try place.save(
      "asks.lua",
      """
      for i = 1, 20 do
        job("short" .. i) { run_at_start = true, timeout = "1s", run = function()
          http.get("\(server.url())", { save_to = "data/in" .. i, timeout = "1h" })
        end }
      end
      job "long" { after = { job = "short1", outcome = "any" }, run = function()
        http.get("\(server.url())", { save_to = "data/long", timeout = "1h" })
      end }
      """)
    let host = try place.host()
    #expect(server.wait { $0.accepted == 21 && $0.open == 1 })
    host.signal(SIGTERM)
    host.signal(SIGTERM)
    _ = try host.awaitExit()
    #expect(server.wait { $0.open == 0 })
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.path + "/data").isEmpty)
  }
}

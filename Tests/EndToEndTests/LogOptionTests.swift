import Foundation
import Glibc
import Testing

/// `--log-format`, `--log-level` and `log_levels` of the binary.
@Suite("The log's options, end to end", .serialized, .timeLimit(.minutes(5)))
struct LogOptionTests {
  private static let script = """
    job "quiet" { every = "50ms", run = function() log.info("quiet speaks") end }
    job "loud" { every = "50ms", run = function() log.debug("loud\\n<0>speaks") end }
    job "fails" { run_at_start = true, run = function() error("no\\nway") end }
    """

  @Test("json: every line is an object, whatever scripts write")
  func json() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let host = try place.host("--log-format", "json", "--log-level", "debug")
    try host.awaitLine(containing: "speaks")
    try host.awaitAnywhere(#""traceback":"#)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    for line in host.lines {
      let object = try #require(
        try? JSONSerialization.jsonObject(with: Data(line.text.utf8)) as? [String: Any], "\(line.text)")
      #expect(object["time"] is String && object["level"] is String && object["message"] is String)
    }
    #expect(host.lines.first?.text.contains("moondial ") == true)
    #expect(host.lines.contains { $0.text.contains(#""message":"loud\n<0>speaks""#) })
  }

  @Test("a job's own level, which a reload takes over")
  func levels() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let configuration = URL(fileURLWithPath: place.path + "/moondial.lua")
    try Data("return { log_levels = { quiet = 'warn', ['lou*'] = 'debug' } }".utf8).write(to: configuration)
    let host = try place.host()
    try host.awaitLine { $0.contains("loud #") && $0.contains(#"loud\n<0>speaks"#) }
    // Its start and end as well, and of no other job's.
    try host.awaitLine { $0.contains("loud #") && $0.contains("started") }
    try host.awaitLine { $0.contains("loud #") && $0.contains("succeeded") }
    #expect(!host.lines.contains { $0.text.contains("quiet #") })
    try host.awaitAnywhere("fails #")
    let failures = host.lines.filter { $0.text.contains("fails #") }
    #expect(failures.count == 1 && failures[0].text.contains(#"no\nway"#), "\(failures)")
    try Data("return { log_levels = { loud = 'error' } }".utf8).write(to: configuration)
    try host.awaitLine { $0.contains("quiet speaks") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("what is no level or format is a sentence", arguments: [["--log-level", "loud"], ["--log-format", "xml"]])
  func wrong(_ words: [String]) throws {
    let place = try Place()
    let ended = try HostProcess.run(["run", "scripts"] + words, in: place.path)
    #expect(ended.status == 2 && ended.errors.joined().contains("\(words[0]) \(words[1]): give "), "\(ended.errors)")
  }
}

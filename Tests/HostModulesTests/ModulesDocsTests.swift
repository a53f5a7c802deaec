import JobModel
import LoopbackHTTP
import ScriptFixtures
import Testing
import TestSupport

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("docs/lua-api/{ctx,functions,modules}.md say what is so", .onBothExecutors)
struct ModulesDocsTests {
  private static func lines(_ file: String) -> [Substring] {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    guard case .success(let opened) = OpenFile.open("\(root)/docs/lua-api/\(file)"),
      case .success(let bytes) = opened.read(1 << 20)
    else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The blocks that are marked `lua run`, each with the line that it begins on.
  static func examples(_ file: String) -> [(line: Int, text: String)] {
    var examples: [(line: Int, text: String)] = []
    var block: (line: Int, text: String)?
    for (number, line) in lines(file).enumerated() {
      if line == "```lua run" {
        block = (number + 2, "")
      } else if line == "```", let ended = block {
        examples.append(ended)
        block = nil
      } else {
        block?.text += line + "\n"
      }
    }
    return examples
  }

  /// Without that of `notify`, whose target a host has to name (`HostFunctionTests`).
  private static let functions = examples("functions.md").filter { !$0.text.contains("notify(") }

  @Test("every example runs", arguments: examples("ctx.md") + functions + examples("modules.md"))
  func runs(line: Int, text: String) throws {
    let report = try run(text)
    #expect(report.outcome == .succeeded, "the example at line \(line): \(report.error?.message ?? "")")
  }

  /// With an HTTP server in the place of the examples' own, and nobody in the place of their mail server.
  private func run(_ text: String) throws -> RunReport {
    let server = try LoopbackServer { $1.answer(200, "{}") }
    let directory = try TemporaryDirectory()
    let fixture = try PoolFixture(grants: .all, base: directory.path)
    return try fixture.run(
      text.replacing("https://api.example.org/", with: server.url("/"))
        .replacing("smtp.example.org", with: "127.0.0.1:1"))
  }

  @Test("what gives its thread away while it waits is marked, and nothing else is", arguments: functions)
  func waits(line: Int, text: String) throws {
    // `sleep` holds its thread where it cannot give it away; `all`, `any` and `csv.rows` wait for what they call.
    let heading = try #require(Self.lines("functions.md")[..<line].last { $0.hasPrefix("### ") })
    guard !["sleep(", "all(", "any("].contains(where: { heading.hasPrefix("### " + $0) }) else {
      return #expect(heading.hasSuffix(" ⏸"))
    }
    // In a comparator nothing can.
    let report = try run(
      """
      local asked = false
      local ok, why = pcall(table.sort, { 2, 1 }, function(a, b)
        if not asked then asked = true; (function()
      \(text)
        end)() end
        return a < b
      end)
      return not ok and tostring(why):find("cannot suspend inside a C call", 1, true) ~= nil
      """)
    #expect(report.outcome == .succeeded, "\(heading): \(report.error?.message ?? "")")
    #expect(report.result == "\(heading.hasSuffix(" ⏸"))", "\(heading)")
  }

  @Test("there is an example for every module")
  func complete() {
    let all = Self.examples("modules.md").map(\.text).joined()
    for name in [
      "log.", "print(", "sleep(", "time.", "json.", "kv.", "emit(", "wait(", "jobs.", "all(", "any(", "hash.",
      "metric.", "exec(", "http.", "csv.", "sqlite.", "mail.", "template.", "fs.", "env.",
    ] {
      #expect(all.contains(name), "\(name)")
    }
  }
}

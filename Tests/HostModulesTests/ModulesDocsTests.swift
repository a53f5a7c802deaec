import JobModel
import ScriptFixtures
import Testing
import TestSupport

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("docs/lua-api/{ctx,modules}.md say what is so", .onBothExecutors)
struct ModulesDocsTests {
  /// The blocks that are marked `lua run`, each with the line that it begins on.
  static func examples(_ file: String) -> [(line: Int, text: String)] {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    guard case .success(let opened) = OpenFile.open("\(root)/docs/lua-api/\(file)"),
      case .success(let bytes) = opened.read(1 << 20)
    else { return [] }
    var examples: [(line: Int, text: String)] = []
    var block: (line: Int, text: String)?
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    for (number, line) in lines.enumerated() {
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

  @Test("every example runs", arguments: examples("ctx.md") + examples("modules.md"))
  func runs(line: Int, text: String) throws {
    let directory = try TemporaryDirectory()
    let fixture = try PoolFixture(grants: .all, base: directory.path)
    let report = try fixture.run(text)
    #expect(report.outcome == .succeeded, "the example at line \(line): \(report.error?.message ?? "")")
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

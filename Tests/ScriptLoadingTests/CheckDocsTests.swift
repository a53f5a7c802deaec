import Glibc
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("docs/lua-api/jobs.md says what is so")
struct CheckDocsTests {
  private static let text = Self.read("docs/lua-api/jobs.md")

  /// A file of the package, found from this one.
  private static func read(_ path: String) -> String {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    // Safe: the stream is checked, and the buffer outlives each read into it.
    guard let file = unsafe fopen(root + "/" + path, "r") else { return "" }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe fread(&buffer, 1, buffer.count, file)
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The blocks of Lua in it.
  static let examples: [String] = {
    var examples: [String] = []
    var lines: [Substring]?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line == "```lua" {
        lines = []
      } else if line == "```", let block = lines {
        examples.append(block.joined(separator: "\n"))
        lines = nil
      } else {
        lines?.append(line)
      }
    }
    return examples
  }()

  @Test("each example loads", arguments: examples)
  func loads(_ example: String) throws {
    let found = try LoadFixture().problems(example)
    #expect(found == [])
  }

  @Test("there are examples, and the table has exactly the fields there are")
  func complete() {
    #expect(Self.examples.count >= 7)
    var names: Set<String> = []
    for line in Self.text.split(separator: "\n") where line.hasPrefix("| `") {
      let cell = line.dropFirst(2).prefix { $0 != "|" }
      for name in cell.split(separator: ",") { names.insert(String(name.filter { $0 != "`" && $0 != " " })) }
    }
    #expect(names == Set(JobField.names(in: .job)))
  }
}

import Foundation
import Glibc
import ScriptFixtures
import Testing

/// The suites that are done on both executors, and what they leave out on one of them.
@Suite("What differs between executors", .onBothExecutors)
struct ExecutorDifferenceTests {
  @Test("a test of such a suite has its runs in the host, and then in another process")
  func both() throws {
    let process = try #require(try PoolFixture().run("return ctx.process").result.flatMap { Int32($0) })
    #expect((process == getpid()) == (RunExecutor.current == .threads))
  }

  @Test("a test that is for threads has no other", .onThreads(because: .runs))
  func threads() throws {
    #expect(RunExecutor.current == .threads)
  }

  @Test("what tests name as a difference is a row of the table in the documentation", .onThreads(because: .runs))
  func documented() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: "docs/configuration.md"), encoding: .utf8)
    let table = try #require(text.firstRange(of: "| | inline (tests) | threads | processes |"))
    let rows = text[table.upperBound...].split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
      .prefix { $0.hasPrefix("|") }.compactMap { $0.split(separator: " | ").first?.dropFirst(2) }
    for difference in ExecutorDifference.allCases {
      #expect(rows.contains { $0 == difference.rawValue }, "\(difference.rawValue)")
    }
  }
}

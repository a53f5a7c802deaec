import Foundation
import Testing

@Suite("Code in the articles of the documentation")
struct ArticleTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

  private func text(_ path: String) throws -> String {
    try String(contentsOf: ArticleTests.root.appending(path: path), encoding: .utf8)
  }

  @Test("the program of the getting-started article is the example that is built")
  func gettingStarted() throws {
    let article = try text("Sources/MoondialScheduler/MoondialScheduler.docc/GettingStarted.md")
    let example = try text("examples/swift/Background/main.swift")
    let program = example[try #require(example.firstRange(of: "import Foundation")).lowerBound...]
    #expect(article.contains("```swift\n\(program)```\n"))
  }
}

import Foundation
import Testing

/// Every `moondial.lua` that the documentation shows is one that a host takes.
@Suite("The configurations of README and docs are read as they stand", .timeLimit(.minutes(5)))
struct DocumentedConfigurationTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

  /// Every page: one with a new example need not be named here.
  private static let pages: [String] = {
    let docs = FileManager.default.enumerator(atPath: root.appending(path: "docs").path)
    let found = (docs?.allObjects as? [String] ?? []).filter { $0.hasSuffix(".md") }.map { "docs/" + $0 }
    return ["README.md"] + found.sorted()
  }()

  /// Settings that stand alone in an example, without the table around them.
  private static let settings = [
    "executors", "grants", "groups", "http", "job_defaults", "log_levels", "quotas", "retention", "secrets", "stores",
  ]

  /// The configurations of a page: code that returns a table, or begins with a setting.
  private static func blocks(_ file: String) -> [String] {
    let text = (try? String(contentsOf: root.appending(path: file), encoding: .utf8)) ?? ""
    return text.components(separatedBy: "```lua\n").dropFirst().compactMap { part in
      let code = part.components(separatedBy: "\n```")[0]
      let lines = code.split(separator: "\n").drop { $0.hasPrefix("--") }
      guard let first = lines.first else { return nil }
      if first.hasPrefix("return {") { return code }
      return settings.contains { first.hasPrefix("\($0) = ") } ? "return {\n\(code)\n}" : nil
    }
  }

  private static let configurations = pages.flatMap { file in blocks(file).map { (file, $0) } }

  @Test("each passes check", arguments: configurations)
  func passes(file: String, text: String) throws {
    let place = try Place()
    // A hash that is shown cut off stands for a whole one.
    let hash = String(repeating: "9f86d081", count: 8)
    let whole = text.replacing("sha256:9f86d0…", with: "sha256:\(hash)").replacing("sha256:…", with: "sha256:\(hash)")
    try Data(whole.utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    try place.save("billing.lua", "job \"billing\" { run = function() end }\n")
    let check = try place.run("check")
    #expect(check.status == 0 && check.output == ["1 job in 1 script, no mistakes"], "\(file): \(check)")
    // What the example grants to scripts that are not here is a note; nothing else is.
    #expect(check.errors.allSatisfy { $0.contains("matches no script") }, "\(file): \(check.errors)")
  }

  @Test("they were found: each page that has one, and as many as begin like one")
  func all() {
    let pages = Set(Self.configurations.map(\.0))
    let known = [
      "README.md", "docs/configuration.md", "docs/clustering.md", "docs/http-api.md", "docs/lua-api/modules.md",
    ]
    #expect(pages.isSuperset(of: known), "\(pages)")
    // However a block begins: a table that is returned, at the edge of a line, is looked at.
    for page in Self.pages {
      let text = (try? String(contentsOf: Self.root.appending(path: page), encoding: .utf8)) ?? ""
      let returned = text.components(separatedBy: "```lua\n").dropFirst().count { part in
        part.components(separatedBy: "\n```")[0].split(separator: "\n").contains { $0.hasPrefix("return {") }
      }
      let found = Self.configurations.count { $0.0 == page && $0.1.contains("return {") }
      #expect(found >= returned, "\(page)")
    }
  }
}

import Foundation
import Testing

/// Every `moondial.lua` that the documentation shows is one that a host takes.
@Suite("The configurations of README and docs are read as they stand")
struct DocumentedConfigurationTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

  private static func blocks(_ file: String) -> [String] {
    let text = (try? String(contentsOf: root.appending(path: file), encoding: .utf8)) ?? ""
    return text.components(separatedBy: "```lua\n").dropFirst().compactMap { part in
      let block = part.components(separatedBy: "\n```")[0]
      let code = block.hasPrefix("-- moondial.lua\n") ? String(block.dropFirst(16)) : block
      return code.hasPrefix("return {") ? code : nil
    }
  }

  private static let configurations = ["README.md", "docs/configuration.md", "docs/lua-api/modules.md"].flatMap {
    file in blocks(file).map { (file, $0) }
  }

  @Test("each passes check", arguments: configurations)
  func passes(file: String, text: String) throws {
    let place = try Place()
    // A hash that is shown cut off stands for a whole one.
    let whole = text.replacing("9f86d0…", with: String(repeating: "9f86d081", count: 8))
    try Data(whole.utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    try place.save("billing.lua", "job \"billing\" { run = function() end }\n")
    let check = try place.run("check")
    #expect(check.status == 0 && check.output == ["1 job in 1 script, no mistakes"], "\(file): \(check)")
    // What the example grants to scripts that are not here is a note; nothing else is.
    #expect(check.errors.allSatisfy { $0.contains("matches no script") }, "\(file): \(check.errors)")
  }

  @Test("there is one of each place") func all() { #expect(Self.configurations.count >= 3) }
}

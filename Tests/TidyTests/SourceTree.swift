import Foundation

/// The checkout as texts by path.
struct SourceTree {
  /// Path from the root of the checkout to content.
  var files: [String: String]

  init(files: [String: String]) { self.files = files }

  /// What lies below `folders`, and the named files.
  init(root: String, folders: [String], others: [String]) throws {
    files = [:]
    for folder in folders {
      guard let names = FileManager.default.enumerator(atPath: root + "/" + folder) else { continue }
      for case let name as String in names where Self.endings.contains((name as NSString).pathExtension) {
        files[folder + "/" + name] = try String(contentsOfFile: "\(root)/\(folder)/\(name)", encoding: .utf8)
      }
    }
    for name in others { files[name] = try String(contentsOfFile: root + "/" + name, encoding: .utf8) }
  }

  private static let endings = ["swift", "c", "h", "md", "lua"]

  /// The checkout that these tests were built from.
  static let checkout = Result {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    return try SourceTree(
      root: root, folders: ["Sources", "Tests", "docs", "examples", "scripts"],
      others: ["Package.swift", "Makefile", "LICENSE", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
  }

  /// Swift files of a target: its name, or the path that Package.swift gives it.
  func swiftFiles(below path: String) -> [(path: String, text: String)] {
    files.filter { $0.key.hasPrefix(path + "/") && $0.key.hasSuffix(".swift") }.map { ($0.key, $0.value) }
      .sorted { $0.path < $1.path }
  }

  /// The modules that a Swift file imports.
  static func imports(_ text: String) -> Set<String> {
    var modules: Set<String> = []
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      guard line.first != UInt8(ascii: " ") else { continue }
      let words = line.split(separator: UInt8(ascii: " "))
      // `import struct A.B`, `@testable import A`, `package import A`.
      guard let at = words.prefix(3).firstIndex(where: { $0.elementsEqual("import".utf8) }), at + 1 < words.count,
        words[..<at].allSatisfy({ Self.before.contains(String(Substring($0))) })
      else { continue }
      let named = words[(at + 1)...].map { String(Substring($0)) }.first { !Self.kinds.contains($0) }
      if let module = named?.split(separator: ".").first { modules.insert(String(module)) }
    }
    return modules
  }
  private static let before = [
    "@testable", "@preconcurrency", "public", "package", "internal", "private", "fileprivate",
  ]
  private static let kinds = ["struct", "class", "enum", "func", "protocol", "typealias", "var", "let"]
}

/// The targets of Package.swift, read as the text that it is: each is one call with a name and names in brackets.
struct Manifest {
  struct Target {
    var name: String
    /// Targets, and modules of products.
    var dependencies: Set<String>
    /// Where its sources are.
    var path: String
    var isTest: Bool
  }

  var targets: [String: Target] = [:]

  init(_ text: String) {
    // let grdb: Target.Dependency = .product(name: "GRDB", …), and lists of such.
    var products: [String: Set<String>] = [:]
    for match in text.matches(of: #/(?s)\nlet (\w+): \[?Target\.Dependency\]? = (.*?)(?=\n(?:let|func|///|\n))/#) {
      products[String(match.1)] = Set(match.2.matches(of: #/name: "(\w+)"/#).map { String($0.1) })
    }
    guard let start = text.range(of: "  targets: [") else { return }
    let list = text[start.upperBound...]
    for match in list.matches(of: #/(?m)^    (\.?\w+)\(/#) {
      for call in Self.calls(from: match.range.lowerBound, in: text) { add(call, products) }
    }
  }

  /// The calls that stand on the line at `start`, each from its name to its closing bracket.
  private static func calls(from start: String.Index, in text: String) -> [Substring] {
    var calls: [Substring] = []
    var at = start
    while let open = text[at...].firstIndex(of: "(") {
      var depth = 0
      var end = open
      while end < text.endIndex {
        if text[end] == "(" { depth += 1 }
        if text[end] == ")" { depth -= 1 }
        end = text.index(after: end)
        if depth == 0 { break }
      }
      calls.append(text[at..<end])
      let rest = text[end...]
      guard rest.hasPrefix(", ") else { break }
      at = text.index(end, offsetBy: 2)
    }
    return calls
  }

  private mutating func add(_ call: Substring, _ products: [String: Set<String>]) {
    let kind = call.prefix { $0 != "(" }.trimmingCharacters(in: .whitespaces)
    guard let name = call.firstMatch(of: #/"([\w-]+)"/#).map({ String($0.1) }) else { return }
    var dependencies: Set<String> = []
    // What follows the name and is no label's value of another kind.
    var body = String(call.drop { $0 != "\"" }.dropFirst(name.count + 2))
    var path = (kind == "tests" ? "Tests/" : kind == "example" ? "examples/swift/" : "Sources/") + name
    if let given = body.firstMatch(of: #/path: "([^"]+)"/#) {
      path = String(given.1)
      body = body.replacing(given.0, with: "")
    }
    for label in ["pkgConfig", "providers", "exclude", "resources"] {
      if let cut = body.range(of: label + ":") { body = String(body[..<cut.lowerBound]) }
    }
    for match in body.matches(of: #/"(\w+)"/#) { dependencies.insert(String(match.1)) }
    for (variable, modules) in products where body.contains(try! Regex("\\b\(variable)\\b")) {
      dependencies.formUnion(modules)
    }
    if kind == "example" { dependencies.insert("MoondialScheduler") }
    targets[name] = Target(name: name, dependencies: dependencies, path: path, isTest: kind == "tests")
  }
}

/// The table of targets in docs/architecture.md: a row for each, from the bottom up.
struct ArchitectureTable {
  /// Targets in the order of their rows.
  var order: [String] = []
  /// What the row says that a target stands on; nil: everything above it.
  var imports: [String: Set<String>?] = [:]

  init(_ text: String) {
    guard let heading = text.range(of: "| target | owns | imports |") else { return }
    for line in text[heading.upperBound...].split(separator: "\n").dropFirst() {
      guard line.hasPrefix("|") else { break }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      guard cells.count >= 5 else { continue }
      let names = cells[1].matches(of: #/`(\w+)`/#).map { String($0.1) }
      let last = cells[cells.count - 2]
      let said: Set<String>? =
        last.contains("everything") ? nil : Set(last.matches(of: #/[A-Z]\w+/#).map { String($0.0) })
      for name in names {
        order.append(name)
        imports[name] = .some(said)
      }
    }
  }
}

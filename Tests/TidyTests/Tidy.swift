import Foundation

/// What the house is held to. Each rule answers sentences, one for each place that breaks it.
struct Tidy {
  let tree: SourceTree
  let manifest: Manifest
  let table: ArchitectureTable

  init(_ tree: SourceTree) {
    self.tree = tree
    manifest = Manifest(tree.files["Package.swift"] ?? "")
    table = ArchitectureTable(tree.files["docs/architecture.md"] ?? "")
  }

  /// Modules that are there without a dependency: the system's and Swift's own.
  private static let system: Set<String> = [
    "Glibc", "Synchronization", "Foundation", "FoundationEssentials", "Dispatch", "Testing", "Swift", "_Concurrency",
    "PackageDescription",
  ]
  /// Modules that a product brings along under another name.
  private static let brought = ["GRDBSQLite": "GRDB"]

  // MARK: Imports

  /// A warm .build finds modules that a fresh clone does not.
  func importsThatAreNoDependency() -> [String] {
    manifest.targets.values.sorted { $0.name < $1.name }.flatMap { target in
      tree.swiftFiles(below: target.path).flatMap { path, text in
        SourceTree.imports(text).sorted().filter { module in
          !Self.system.contains(module) && module != target.name
            && !target.dependencies.contains(Self.brought[module] ?? module)
        }.map { "\(path) imports \($0), which is no direct dependency of \(target.name) in Package.swift" }
      }
    }
  }

  /// The pure targets of docs/architecture.md.
  static let withoutFoundation = [
    "Basics", "Chronology", "Lua", "Triggers", "Importing", "JobModel", "Scheduling", "Executors",
  ]

  func foundationInTheCore() -> [String] {
    Self.withoutFoundation.flatMap { target in
      tree.swiftFiles(below: "Sources/" + target)
        .filter { !SourceTree.imports($0.text).isDisjoint(with: ["Foundation", "FoundationEssentials"]) }
        .map { "\($0.path) imports Foundation, and \(target) is one of the targets without it" }
    }
  }

  // MARK: The table of targets

  /// The targets that are libraries or commands of the house.
  private var rooms: [Manifest.Target] {
    manifest.targets.values.filter { $0.path.hasPrefix("Sources/") && !Self.workshops.contains($0.name) }
      .sorted { $0.name < $1.name }
  }
  /// Not part of what runs.
  private static let workshops = ["Benchmarks"]

  func tableDiffers() -> [String] {
    var complaints = rooms.filter { !table.order.contains($0.name) }.map {
      "docs/architecture.md has no row for the target \($0.name)"
    }
    complaints += table.order.filter { manifest.targets[$0] == nil }.map {
      "docs/architecture.md has a row for \($0), which is no target of Package.swift"
    }
    for target in rooms {
      guard let said = table.imports[target.name] ?? nil else { continue }
      let own = target.dependencies.filter { manifest.targets[$0] != nil }
      for name in said.subtracting(own).sorted() where manifest.targets[name] != nil {
        complaints.append("docs/architecture.md says that \(target.name) imports \(name); Package.swift does not")
      }
      // A row names what a target stands on, and what that stands on goes without saying.
      let reached = said.reduce(into: said) { $0.formUnion(closure(of: $1)) }
      for name in own.subtracting(reached).sorted() {
        complaints.append("\(target.name) depends on \(name), which its row in docs/architecture.md does not name")
      }
    }
    return complaints
  }

  private func closure(of name: String) -> Set<String> {
    var found: Set<String> = []
    var open = [name]
    while let next = open.popLast() {
      for dependency in manifest.targets[next]?.dependencies ?? [] where found.insert(dependency).inserted {
        open.append(dependency)
      }
    }
    return found
  }

  /// The rows of the table go from the bottom up.
  func arrowsThatPointUp() -> [String] {
    let level = Dictionary(table.order.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    return rooms.flatMap { target in
      target.dependencies.sorted().compactMap { dependency in
        guard let own = level[target.name], let other = level[dependency], other > own else { return nil }
        return "\(target.name) depends on \(dependency), whose row in docs/architecture.md is below its own"
      }
    }
  }

  // MARK: Folders

  /// Folders of a target that use each other's types in a circle.
  func folderCycles() -> [String] {
    rooms.flatMap { target in
      let graph = FolderGraph(tree.swiftFiles(below: target.path), root: target.path)
      return graph.circles().map {
        "\(target.name): the folders \($0.joined(separator: ", ")) use each other"
      }
    }
  }

  // MARK: Texts

  /// Larger ones are waiting to be split; nobody joins them.
  static let longFiles: Set<String> = [
    "Sources/CLuaShim/capsule/capsule_bytecode.c", "Sources/CLuaShim/include/moon_state.h",
    "Sources/CLuaShim/internal.h", "Sources/CLuaShim/json/json_encode.c", "Sources/CLuaShim/library/library.c",
    "Sources/MoondialTesting/Simulation.swift", "Sources/SQLiteStore/Pruner.swift",
    "Sources/SQLiteStore/StoreWriter.swift", "Sources/Scheduling/SchedulerCore+Reconciliation.swift",
    "Sources/Scheduling/SchedulerCore+RunWay.swift",
    "Sources/ScriptLoading/Declare/JobDecoder.swift", "Sources/ScriptLoading/Load/ScriptLoader.swift",
    "Sources/ScriptRuntime/Answers/AnswerLedger.swift", "Sources/ScriptRuntime/Children/ChildProcesses.swift",
    "Sources/Triggers/Days/Files/CalendarFile.swift", "Sources/Triggers/Recurrence/RecurrenceDays.swift",
    "Sources/FileWatching/Jobs/FileWatcher.swift", "Sources/Lua/LuaValue+JSON.swift",
  ]

  func longSources() -> [String] {
    tree.files.filter { $0.key.hasPrefix("Sources/") && !Self.longFiles.contains($0.key) }
      .compactMap { path, text in
        let lines = text.utf8.count { $0 == UInt8(ascii: "\n") }
        return lines > 300 ? "\(path) has \(lines) lines: split it; 300 are the most" : nil
      }.sorted()
  }

  /// What a string says stays in one piece, so that it can be searched for: lines with a text in quotes may be longer.
  func longLines() -> [String] {
    tree.files.sorted { $0.key < $1.key }.flatMap { path, text -> [String] in
      guard [".swift", ".c", ".h"].contains(where: path.hasSuffix) else { return [] }
      var isInText = false
      var complaints: [String] = []
      for (number, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .enumerated()
      {
        let wasInText = isInText
        let isLong = line.count > 120
        guard isLong || line.contains(UInt8(ascii: "\"")) else { continue }
        let characters = Substring(line)
        if path.hasSuffix(".swift"),
          characters.split(separator: "\"\"\"", omittingEmptySubsequences: false).count % 2 == 0
        {
          isInText.toggle()
        }
        guard isLong, characters.count > 120, !wasInText else { continue }
        let trimmed = characters.drop { $0 == " " }
        guard trimmed.hasPrefix("//") || !trimmed.contains("\"") else { continue }
        complaints.append("\(path):\(number + 1) has \(characters.count) columns: 120 are the most")
      }
      return complaints
    }
  }

  /// The type is its target's own; the table of kinds is the one place beside.
  func storesThatAreNamed() -> [String] {
    let allowed = ["Sources/SQLiteStore/", "Tests/SQLiteStoreTests/", "Tests/TidyTests/"]
    return tree.files.filter { path, text in
      path.hasSuffix(".swift") && path != "Package.swift" && path != "Sources/Hosting/Stores/StoreKinds+Standard.swift"
        && !allowed.contains { path.hasPrefix($0) } && text.contains("SQLite" + "Store")
    }.map { "\($0.key) names SQLite" + "Store: ask for a protocol of JobModel/Ports, or open it by its address" }
      .sorted()
  }
}

/// Which folder's files use types that another folder of the target declares.
struct FolderGraph {
  private(set) var uses: [String: Set<String>] = [:]

  init(_ files: [(path: String, text: String)], root: String) {
    func folder(_ path: String) -> String {
      String(path.dropFirst(root.count + 1).split(separator: "/").dropLast().joined(separator: "/"))
    }
    var home: [String: String] = [:]
    let declaration = try! Regex<(Substring, Substring)>(
      #"(?m)^(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:package|public|internal)\s+)?(?:final\s+|indirect\s+)?"#
        + #"(?:struct|class|enum|protocol|actor|typealias)\s+(\w+)"#)
    for (path, text) in files {
      let types = text.matches(of: declaration)
      for type in types where home[String(type.1)] == nil { home[String(type.1)] = folder(path) }
    }
    for (path, text) in files {
      let own = folder(path)
      for name in Self.words(text) {
        if let other = home[name], other != own { uses[own, default: []].insert(other) }
      }
    }
  }

  /// Capitalised words of the code, without comments and texts.
  private static func words(_ text: String) -> Set<String> {
    var words: Set<String> = []
    var isInText = false
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      var word: [UInt8] = []
      var isInQuotes = false
      var last: UInt8 = 0
      var quotes = 0
      for byte in line {
        defer { last = byte }
        quotes = byte == UInt8(ascii: "\"") ? quotes + 1 : 0
        if quotes == 3 {
          isInText.toggle()
          isInQuotes = false
          continue
        }
        if isInText { continue }
        if byte == UInt8(ascii: "\""), last != UInt8(ascii: "\\") { isInQuotes.toggle() }
        if isInQuotes { continue }
        if byte == UInt8(ascii: "/"), last == byte { break }
        let isLetter = byte | 32 >= UInt8(ascii: "a") && byte | 32 <= UInt8(ascii: "z")
        if isLetter || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") || byte == UInt8(ascii: "_") {
          word.append(byte)
        } else if !word.isEmpty {
          if word[0] & 32 == 0 { words.insert(String(decoding: word, as: UTF8.self)) }
          word.removeAll()
        }
      }
      if let first = word.first, first & 32 == 0 { words.insert(String(decoding: word, as: UTF8.self)) }
    }
    return words
  }

  /// Groups of folders of which each reaches each other.
  func circles() -> [[String]] {
    let folders = Set(uses.keys).union(uses.values.flatMap { $0 })
    var reached: [String: Set<String>] = [:]
    for folder in folders {
      var found: Set<String> = []
      var open = [folder]
      while let next = open.popLast() {
        for other in uses[next] ?? [] where found.insert(other).inserted { open.append(other) }
      }
      reached[folder] = found
    }
    var circles: Set<[String]> = []
    for folder in folders where reached[folder]!.contains(folder) {
      circles.insert(folders.filter { reached[folder]!.contains($0) && reached[$0]!.contains(folder) }.sorted())
    }
    return circles.sorted { $0.joined() < $1.joined() }
  }
}

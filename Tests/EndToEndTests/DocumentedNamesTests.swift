import Foundation
import ScriptLoading
import Testing

/// Commands, options, settings and variables that README and docs name are the binary's, and the other way round.
@Suite("What README and docs name is there", .timeLimit(.minutes(2)))
struct DocumentedNamesTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")

  private static func read(_ file: String) -> String {
    (try? String(contentsOf: root.appending(path: file), encoding: .utf8)) ?? ""
  }

  private static let pages: [(file: String, text: String)] = {
    let docs = FileManager.default.enumerator(atPath: root.appending(path: "docs").path)
    let found = (docs?.allObjects as? [String] ?? []).filter { $0.hasSuffix(".md") }.sorted()
    return (["README.md", "CONTRIBUTING.md"] + found.map { "docs/" + $0 }).map { ($0, read($0)) }
  }()

  // MARK: The binary

  private struct Command: Decodable {
    struct Argument: Decodable {
      struct Name: Decodable {
        var kind: String
        var name: String
        var option: String { (kind == "long" ? "--" : "-") + name }
      }
      var names: [Name]?
      var shouldDisplay: Bool
    }
    var commandName: String
    var arguments: [Argument]?
    var subcommands: [Command]?
    var defaultSubcommand: String?
    var shouldDisplay: Bool?
  }

  /// The options of each command, by its words after `moondial`; `isShown`: only those in its help.
  private static func options(isShown: Bool) throws -> [String: Set<String>] {
    struct Dump: Decodable { var command: Command }
    let dump = try Place().run("--experimental-dump-help").output.joined(separator: "\n")
    var options: [String: Set<String>] = [:]
    func walk(_ command: Command, _ words: [String]) {
      guard command.shouldDisplay != false, command.commandName != "help" else { return }
      let arguments = (command.arguments ?? []).filter { !isShown || $0.shouldDisplay }
      var own = Set(arguments.flatMap { ($0.names ?? []).map(\.option) })
      for sub in command.subcommands ?? [] {
        walk(sub, words + [sub.commandName])
        let name = (words + [sub.commandName]).joined(separator: " ")
        if sub.commandName == command.defaultSubcommand { own.formUnion(options[name] ?? []) }
      }
      options[words.joined(separator: " ")] = own
    }
    walk(try JSONDecoder().decode(Dump.self, from: Data(dump.utf8)).command, [])
    return options
  }

  /// Of the parser, on every command line.
  private static let general: Set<String> = ["--help", "-h", "--version", "--generate-completion-script"]

  // MARK: Commands and options

  /// What stands between backticks, and the lines of blocks that begin a command.
  private static func spans(_ text: String) -> [String] {
    let blocks = text.components(separatedBy: "```")
    let code = blocks.enumerated().filter { !$0.offset.isMultiple(of: 2) }.flatMap { block in
      block.element.split(separator: "\n").map { $0.hasPrefix("$ ") ? $0.dropFirst(2) : $0 }
        .filter { $0.hasPrefix("moondial ") && !$0.contains("  ") }.map(String.init)
    }
    let prose = blocks.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element).joined()
    return code + prose.matches(of: #/`([^`\n]+)`/#).map { String($0.output.1) }
  }

  @Test("each command line is one, and each option is one of its command")
  func lines() throws {
    let options = try Self.options(isShown: false)
    let everybodys = options.values.reduce(into: Self.general) { $0.formUnion($1) }
    var found = 0
    for (file, text) in Self.pages {
      for span in Self.spans(text) {
        var words = span.split(separator: " ").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: "[],")) }
        if span.hasPrefix("--"), span.wholeMatch(of: #/--[a-z][a-z-]*(?:[ =].*)?/#) != nil {
          let option = String(words[0].prefix { $0 != "=" })
          #expect(everybodys.contains(option), "\(file): no command has \(option)")
        }
        guard words.first == "moondial" else { continue }
        words.removeFirst()
        var name: [String] = []
        while let word = words.first, options[(name + [word]).joined(separator: " ")] != nil {
          name.append(words.removeFirst())
        }
        if name.isEmpty, let word = words.first, word.first?.isLetter == true {
          Issue.record("\(file): moondial \(word) is no command")
        }
        found += 1
        let own = (options[name.joined(separator: " ")] ?? []).union(Self.general)
        for word in words where word.wholeMatch(of: #/--?[a-z][a-z-]*(?:=.*)?/#) != nil {
          let option = String(word.prefix { $0 != "=" })
          // `moondial --set` is said of all commands that take it.
          let isKnown = own.contains(option) || name.isEmpty && everybodys.contains(option)
          #expect(isKnown, "\(file): \(name.joined(separator: " ")) has no \(option): \(span)")
        }
      }
    }
    #expect(found > 100)
  }

  @Test("each command stands in README's table, and each option in some page")
  func reverse() throws {
    let readme = Self.read("README.md")
    let table = readme[(readme.range(of: "## Commands")?.upperBound ?? readme.endIndex)...]
    let words = Set(table.matches(of: #/[a-z]+/#).map { String($0.output) })
    let all = Self.pages.map(\.text).joined()
    for (name, options) in try Self.options(isShown: true) {
      for word in name.split(separator: " ") where word != "show" {
        #expect(words.contains(String(word)), "README.md does not name \(name)")
      }
      for option in options.subtracting(Self.general) where option.hasPrefix("--") {
        let isNamed = all.contains(try Regex("\(option)(?![a-z-])"))
        #expect(isNamed, "no page names \(option), of \(name)")
      }
    }
  }

  // MARK: Settings

  /// The table of settings: keys, and the variables that stand for examples.
  private static let settings: [(keys: [String], variables: [String])] = {
    let text = read("docs/configuration.md")
    let table = text.components(separatedBy: "| key | environment | reloads |\n").last ?? ""
    return table.components(separatedBy: "\n\n")[0].split(separator: "\n").dropFirst().map { line in
      let cells = line.components(separatedBy: " | ")
      var keys: [String] = []
      for match in cells[0].matches(of: #/`([^`]+)`/#) {
        let key = String(match.output.1)
        keys.append(key.hasPrefix(".") ? keys[0].prefix(upTo: keys[0].lastIndex(of: ".")!) + key : key)
      }
      return (keys, cells[1].matches(of: #/`MOONDIAL_([^`=]+)=[^`]*`/#).map { String($0.output.1) })
    }
  }()

  /// A key with `*` for what the operator chooses.
  private static func general(_ key: String) -> String {
    key.split(separator: ".").map { $0.allSatisfy(\.isUppercase) ? "*" : String($0) }.joined(separator: ".")
  }

  @Test("each setting stands in docs/configuration.md, and what stands there is one")
  func keys() {
    let said = Set(Self.settings.flatMap(\.keys).map(Self.general))
    let own = ["quotas.", "job_defaults.", "grants."]
    let pages = Self.read("docs/configuration.md") + Self.read("docs/security.md")
    for key in ConfigurationKeys.all {
      let last = String(key.split(separator: ".").last ?? "")
      if own.contains(where: key.hasPrefix) || key.hasPrefix("executors.") && !said.contains(key) {
        // These have tables of their own; fields of jobs are in docs/lua-api/jobs.md, which has a test of its own.
        let isNamed = key.hasPrefix("job_defaults.") || pages.contains("`\(last)`") || pages.contains("\(last) = ")
        #expect(isNamed, "no page names \(key)")
      } else {
        #expect(said.contains(key), "docs/configuration.md has no row for \(key)")
      }
    }
    for key in said where !["quotas.*", "job_defaults.*", "grants", "stores.*"].contains(key) {
      #expect(ConfigurationKeys.all.contains(key), "docs/configuration.md has a row for \(key), no setting")
    }
    for variable in Self.settings.flatMap(\.variables) { #expect(Self.isSetting(variable), "MOONDIAL_\(variable)") }
  }

  private static func isSetting(_ variable: String) -> Bool {
    let parts = variable.lowercased().components(separatedBy: "__")
    // The address of a store may stand for its table.
    return (ConfigurationKeys.all + ["stores.*"]).contains { key in
      let own = key.split(separator: ".").map(String.init)
      return own.count == parts.count && zip(own, parts).allSatisfy { $0 == "*" || $0 == $1 }
    }
  }

  @Test("each variable of the environment that a page names is read")
  func variables() {
    var sources = Self.read("Makefile") + Self.read("Package.swift")
    for folder in ["Sources", "Tests"] {
      let names = FileManager.default.enumerator(atPath: Self.root.appending(path: folder).path)
      for case let name as String in names ?? .init() where name.hasSuffix(".swift") || name.hasSuffix(".c") {
        sources += Self.read(folder + "/" + name)
      }
    }
    let read = Set(sources.matches(of: #/\bMOONDIAL_[A-Z_]+/#).map { String($0.output) })
    for (file, text) in Self.pages {
      for match in text.matches(of: #/\bMOONDIAL_([A-Z_]*[A-Z])\b/#) {
        let name = String(match.output.1)
        let isSecret = name.hasPrefix("SECRET_")
        #expect(
          read.contains("MOONDIAL_" + name) || isSecret || Self.isSetting(name),
          "\(file): nobody reads MOONDIAL_\(name)")
      }
    }
  }
}

import Foundation

/// What pages say about the checkout: links, paths, suites, targets of make, rooms.
extension Tidy {
  private var pages: [(path: String, text: String)] {
    tree.files.filter { $0.key.hasSuffix(".md") }.map { ($0.key, $0.value) }.sorted { $0.path < $1.path }
  }

  /// Links to files, or to headings, that are not there.
  func deadLinks() -> [String] {
    pages.flatMap { page, text in
      text.matches(of: #/\]\(([^)\s]+)\)/#).compactMap { match -> String? in
        let link = String(match.output.1)
        guard !link.contains("://") else { return nil }
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts[0].isEmpty ? page : Self.resolved(parts[0], from: page)
        guard let other = tree.files[path] else {
          return tree.hasFolder(path) ? nil : "\(page) has a link to \(link), which is not there"
        }
        guard parts.count > 1, !Self.anchors(other).contains(parts[1]) else { return nil }
        return "\(page) has a link to \(link): there is no such heading"
      }
    }
  }

  /// Files, suites and targets of make that code in the text names, and that are not there.
  func deadNames() -> [String] {
    let makefile = tree.files["Makefile"] ?? ""
    let targets = Set(makefile.matches(of: #/(?m)^([a-z-]+):/#).map { String($0.output.1) })
    let suites = Set(
      tree.files.filter { $0.key.hasPrefix("Tests/") }.values
        .flatMap { $0.matches(of: #/(?:struct|enum|class) (\w+)/#).map { String($0.output.1) } })
    return pages.flatMap { page, text in
      text.matches(of: #/`([^`\n]+)`/#).compactMap { match -> String? in
        let code = String(match.output.1)
        if let path = code.prefixMatch(of: #/(?:Sources|Tests|docs|examples)/[\w./+-]+/#)?.output {
          let isThere = ["", ".swift"].contains { tree.files[path + $0] != nil } || tree.hasFolder(String(path))
          return isThere || code.contains("*") ? nil : "\(page) names \(code), which is not there"
        }
        if let target = code.prefixMatch(of: #/make ([a-z-]+)/#)?.output.1 {
          return targets.contains(String(target)) ? nil : "\(page) says make \(target): the Makefile has no such target"
        }
        guard let suite = code.wholeMatch(of: #/(\w+Tests)(?:[./]\w+)?/#)?.output.1 else { return nil }
        let isThere = suites.contains(String(suite)) || tree.hasFolder("Tests/" + suite)
        return isThere ? nil : "\(page) names \(code): there is no such suite"
      }
    }
  }

  /// Folders with so many files that nobody finds what belongs together.
  func crowdedFolders() -> [String] {
    var counts: [String: Int] = [:]
    for path in tree.files.keys where path.hasPrefix("Sources/") {
      counts[path.split(separator: "/").dropLast().joined(separator: "/"), default: 0] += 1
    }
    return counts.filter { $0.value > 40 }.map {
      "\($0.key) has \($0.value) files: divide it into rooms, each with one purpose; 40 are the most"
    }.sorted()
  }

  /// The tables of rooms in docs/architecture.md against the folders.
  func roomsDiffer() -> [String] {
    let text = tree.files["docs/architecture.md"] ?? ""
    return text.matches(of: #/\| room of `(\w+)` \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)/#).flatMap { match -> [String] in
      let target = String(match.output.1)
      let said = Set(match.output.2.matches(of: #/(?m)^\| `(\w+)/`/#).map { String($0.output.1) })
      let root = "Sources/\(target)/"
      let rooms = Set(
        tree.files.keys.filter { $0.hasPrefix(root) }
          .compactMap { path -> String? in
            let parts = path.dropFirst(root.count).split(separator: "/")
            return parts.count > 1 ? String(parts[0]) : nil
          })
      return rooms.subtracting(said).sorted().map { "docs/architecture.md has no row for the room \($0) of \(target)" }
        + said.subtracting(rooms).sorted().map { "docs/architecture.md has a row for \($0), no room of \(target)" }
    }
  }

  /// A path that is relative to the folder of a page.
  private static func resolved(_ link: String, from page: String) -> String {
    var parts = page.split(separator: "/").dropLast().map(String.init)
    for part in link.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
    }
    return parts.joined(separator: "/")
  }

  /// What headings are called in addresses: lower case, with `-` for spaces, without signs.
  private static func anchors(_ text: String) -> Set<String> {
    Set(
      text.matches(of: #/(?m)^#+ (.*)$/#).map { match in
        String(
          match.output.1.lowercased().compactMap { character in
            character == " "
              ? "-" : character.isLetter || character.isNumber || "-_".contains(character) ? character : nil
          })
      })
  }
}

extension SourceTree {
  /// Whether any file lies below `path`.
  func hasFolder(_ path: String) -> Bool {
    let folder = path.hasSuffix("/") ? path : path + "/"
    return files.keys.contains { $0.hasPrefix(folder) }
  }
}

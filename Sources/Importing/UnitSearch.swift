/// Finds a unit as systemd does: its file in the first of the manager's directories that has one, and its drop-ins in
/// all of them.
///
///     UnitSearch(read: …, list: …, target: …).unit("backup.timer", near: "/etc/systemd/system/")
///
/// The file system is the caller's: this only says where to look.
package struct UnitSearch {
  /// The text of a file; `nil` when there is none. A file that was masked, by a link to `/dev/null`, is empty.
  let read: (String) -> String?
  /// The names of the files in a directory.
  let list: (String) -> [String]

  package init(read: @escaping (String) -> String?, list: @escaping (String) -> [String]) {
    self.read = read
    self.list = list
  }

  /// Where units of the system are, the strongest first: what an administrator wrote, what was made since the start,
  /// what packages brought.
  package static let systemDirectories = [
    "/etc/systemd/system/", "/run/systemd/system/", "/usr/local/lib/systemd/system/", "/usr/lib/systemd/system/",
    "/lib/systemd/system/",
  ]

  /// Where a unit in `directory` is looked for: in all of systemd's directories when it is one of them, or a directory
  /// of links in one (`timers.target.wants/`); else only there.
  package static func directories(of directory: String) -> [String] {
    let own = systemDirectories.contains { directory == $0 || directory.hasPrefix($0) && isLinks(directory) }
    return own ? systemDirectories : [directory]
  }

  private static func isLinks(_ directory: String) -> Bool {
    [".wants/", ".requires/", ".upholds/"].contains { directory.hasSuffix($0) }
  }

  /// The text of a unit with that of its drop-ins behind it; `nil` when there is no such unit. An instance of a
  /// template has the template's file unless it has one of its own.
  package func unit(_ name: String, in directories: [String]) -> String? {
    let unit = UnitName(name)
    let names = [name] + (unit.template.map { [$0] } ?? [])
    var text: String?
    for file in names where text == nil {
      for directory in directories where text == nil { text = read(directory + file) }
    }
    guard var text else { return nil }
    // Masked: nothing is added to it.
    if text.isEmpty { return text }
    for path in dropIns(of: unit, in: directories) {
      if let dropIn = read(path), !dropIn.isEmpty { text += "\n" + dropIn }
    }
    return text
  }

  /// The drop-ins of a unit in the order in which they count: by their names, whatever directory they are in. Of two
  /// with the same name the one in the stronger directory hides the other, so that an empty file takes one back.
  private func dropIns(of unit: UnitName, in directories: [String]) -> [String] {
    let kind = String(unit.text.dropFirst(unit.base.count))
    // The unit's own, its template's, those of its prefixes up to each dash, and those of its kind.
    var folders = [unit.text + ".d/"]
    if let template = unit.template { folders.append(template + ".d/") }
    var prefix = unit.prefix[...]
    while let dash = prefix.dropLast().lastIndex(of: "-") {
      prefix = prefix[...dash]
      guard prefix.count < unit.prefix.count else { continue }
      if let instance = unit.instance {
        folders += ["\(prefix)@\(instance)\(kind).d/", "\(prefix)@\(kind).d/"]
      } else {
        folders.append("\(prefix)\(kind).d/")
      }
    }
    folders.append(kind.dropFirst() + ".d/")
    var found: [String: String] = [:]
    for folder in folders {
      for directory in directories {
        for file in list(directory + folder) where file.hasSuffix(".conf") && found[file] == nil {
          found[file] = directory + folder + file
        }
      }
    }
    return found.sorted { $0.key < $1.key }.map(\.value)
  }
}

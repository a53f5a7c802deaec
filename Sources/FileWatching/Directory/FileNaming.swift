internal import Basics
internal import Chronology

/// What a name below the scripts directory means to the host. Pure: only the name decides, so that a scan and an event
/// about the same file never disagree.
enum FileNaming {
  /// What the file `path` is to the host; `nil` when the host does not load it.
  ///
  /// - `lib/**/*.lua` is a module; one that `require` could never name (a dot inside a component) is nothing.
  /// - `*_test.lua` is a test, in `lib/` too.
  /// - Other `*.lua` are scripts, unless their name starts with `_`.
  /// - `*.ics` is a calendar, wherever it lies: nothing is read from it unless a script names it.
  /// - Hidden files and what editors leave behind are nothing.
  static func kind(of path: ScriptPath) -> ScriptFile.Kind? {
    let name = path.name
    guard name.utf8.count > 4, !isHidden(name) else { return nil }
    if name.hasSuffix(".ics") { return .calendar }
    guard name.hasSuffix(".lua") else { return nil }
    if path.isInLibrary {
      guard let module = path.moduleName else { return nil }
      return name.hasSuffix("_test.lua") ? .test : .module(name: module)
    }
    if name.hasPrefix("_") { return nil }
    return name.hasSuffix("_test.lua") ? .test : .script
  }

  /// Whether the host looks into the directory `path`: not when it is hidden, and not when its name starts with `_`,
  /// except in `lib/`, where nothing is loaded unless a script asks for it, and where that is a common name for private
  /// modules.
  static func isSearched(_ path: ScriptPath) -> Bool {
    let name = path.name
    if isHidden(name) || name.hasSuffix("~") { return false }
    return path.isInLibrary ? !name.contains(".") : !name.hasPrefix("_")
  }

  /// `.git`, `.#lock`, `.a.lua.swp`, and Emacs's `#a.lua#`.
  private static func isHidden(_ name: String) -> Bool { name.hasPrefix(".") || name.hasPrefix("#") }

  /// Whether a name that is no Lua file could be a link that scripts are reached through. A ConfigMap volume of
  /// Kubernetes swaps all its files by renaming the hidden link `..data`, so that names starting with two dots count;
  /// an editor's lock (`.#a.lua`, a link to nowhere), its backup (`a.lua~`) and its probe (`4913`, vim) do not.
  static func mayBeDirectoryLink(_ name: String) -> Bool {
    if name.hasPrefix("..") { return true }
    return !isHidden(name) && !name.hasSuffix("~") && name != "4913"
  }

  /// A file name as text: itself when it is UTF-8, else with `\xE9` for each byte outside ASCII, and `isText` false.
  static func decode(_ bytes: [UInt8]) -> (name: String, isText: Bool) {
    if let name = String(validating: bytes, as: UTF8.self) { return (name, true) }
    var shown = ""
    for byte in bytes {
      if byte < 0x80 {
        shown.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        shown += VisibleText.byte(byte)
      }
    }
    return (shown, false)
  }
}

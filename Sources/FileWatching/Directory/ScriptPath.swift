internal import Basics
internal import Chronology

/// Where a file lies below the scripts directory: `reports/daily.lua`, `lib/a/b.lua`.
///
/// Two paths are equal when their bytes are. Swift's own `String` equality would call two file names equal that differ
/// in Unicode normalization only, while the file system keeps both; hence this type.
package struct ScriptPath: Hashable, Comparable, Sendable {
  /// Components joined by `/`, without a leading one; empty for the scripts directory itself. A name that is not UTF-8
  /// is shown with `\xE9` for each of its bytes outside ASCII (such an entry never has content).
  package let text: String
  /// FNV-1a of the bytes. Kept, because each scan looks every path up several times: with it 10,000 files cost a third
  /// less.
  private let fingerprint: UInt64

  package init(_ text: String) {
    self.text = text
    fingerprint = text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
  }

  /// The scripts directory itself.
  package static let root = ScriptPath("")

  /// The key of the host's configuration file, wherever that lies. No scanned file can have it: their paths never
  /// climb.
  package static let configuration = ScriptPath("../moondial.lua")

  /// The entry `name` of the directory that this path names.
  package func appending(_ name: String) -> ScriptPath { ScriptPath(text.isEmpty ? name : "\(text)/\(name)") }

  /// The last component.
  package var name: String {
    guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")) else { return text }
    return String(text[text.index(after: slash)...])
  }

  /// How many components it has; 0 for the scripts directory itself.
  var depth: Int { text.isEmpty ? 0 : text.utf8.count { $0 == UInt8(ascii: "/") } + 1 }

  /// Whether this path lies in `lib/` of the scripts directory, or is it: there live modules, not scripts.
  package var isInLibrary: Bool { text.utf8.starts(with: "lib/".utf8) || text == "lib" }

  /// Whether this path lies below `directory`, at any depth.
  package func isBelow(_ directory: ScriptPath) -> Bool {
    if directory.text.isEmpty { return self != .root && self != .configuration }
    let prefix = directory.text.utf8
    let own = text.utf8
    guard own.starts(with: prefix), let next = own.dropFirst(prefix.count).first else { return false }
    return next == UInt8(ascii: "/")
  }

  /// Whether this path lies below one of `directories`, at any depth. Complexity: a look-up for each component.
  func isBelow(anyOf directories: Set<ScriptPath>) -> Bool {
    if self == .root || self == .configuration { return false }
    var rest = text.utf8[...]
    while let slash = rest.lastIndex(of: UInt8(ascii: "/")) {
      rest = rest[..<slash]
      if directories.contains(ScriptPath(String(decoding: rest, as: UTF8.self))) { return true }
    }
    return directories.contains(.root)
  }

  package static func == (left: ScriptPath, right: ScriptPath) -> Bool {
    left.fingerprint == right.fingerprint && left.text.utf8.elementsEqual(right.text.utf8)
  }

  package static func < (left: ScriptPath, right: ScriptPath) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}

extension ScriptPath: CustomStringConvertible {
  /// The path for people: made visible, so that a file name cannot forge a line of a log.
  package var description: String { text.isEmpty ? "." : VisibleText.line(text) }
}

extension ScriptPath {
  /// The name under which `require` finds this file: `a.b` for `lib/a/b.lua` and for `lib/a/b/init.lua`. `nil` for what
  /// is no Lua file in `lib/`, and where a component has a dot of its own, since in a module's name each dot is a
  /// directory.
  package var moduleName: String? {
    guard isInLibrary, text.utf8.count > 8, text.hasSuffix(".lua") else { return nil }
    var components = text.dropFirst(4).dropLast(4).split(separator: "/", omittingEmptySubsequences: false)
    guard components.allSatisfy({ !$0.isEmpty && !$0.contains(".") }) else { return nil }
    if components.count > 1, components.last == "init" { components.removeLast() }
    return components.joined(separator: ".")
  }

  /// The files that `require(name)` looks for, in this order. Empty unless `name` is components joined by single dots,
  /// each of letters, digits, `_` and `-`.
  package static func candidates(forModule name: String) -> [ScriptPath] {
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    let isLegal = components.allSatisfy { component in
      !component.isEmpty && component.utf8.allSatisfy { isModuleLetter($0) }
    }
    guard isLegal else { return [] }
    let stem = "lib/" + components.joined(separator: "/")
    return [ScriptPath(stem + ".lua"), ScriptPath(stem + "/init.lua")]
  }

  private static func isModuleLetter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
    // Beyond ASCII: part of a letter in UTF-8, which `String` has checked.
    case 0x80...: true
    default: false
    }
  }
}

/// The name of a unit, `prefix@instance.kind`, and what the specifiers of its file stand for (`systemd.unit(5)`).
///
/// Units of the system are meant, which the system's manager runs as root: `%h` is its home, not that of `User=`.
struct UnitName: Sendable, Hashable {
  /// The whole: `sync@srv-data.service`.
  let text: String

  init(_ text: String) { self.text = text }

  /// Without its kind: `sync@srv-data`. An instance may have dots in it; the kind is behind the last one.
  var base: String {
    guard let dot = text.lastIndex(of: "."), dot != text.startIndex else { return text }
    return String(text[..<dot])
  }

  /// `sync`.
  var prefix: String { String(base.prefix { $0 != "@" }) }

  /// `srv-data`; empty for the template itself, `nil` for a unit that is of none.
  var instance: String? { base.firstIndex(of: "@").map { String(base[base.index(after: $0)...]) } }

  /// `sync@.service`, for an instance of it.
  var template: String? {
    guard let instance, !instance.isEmpty else { return nil }
    return prefix + "@" + text.dropFirst(base.count)
  }

  /// A name as it is where slashes and odd bytes may stand: `-` is a slash, `\x2d` a byte.
  static func unescaped(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "-"): bytes.append(UInt8(ascii: "/"))
      case UInt8(ascii: "\\") where rest.first == UInt8(ascii: "x"):
        let digits = String(decoding: rest.dropFirst().prefix(2), as: UTF8.self)
        if digits.utf8.count == 2, let value = UInt8(digits, radix: 16) {
          bytes.append(value)
          rest = rest.dropFirst(3)
        } else {
          bytes.append(byte)
        }
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The part of the prefix behind its last dash.
  private var lastComponent: String { prefix.split(separator: "-").last.map(String.init) ?? prefix }

  /// What does not depend on the unit, for the system's manager.
  private static let directories: [Character: String] = [
    "%": "%", "h": "/root", "S": "/var/lib", "t": "/run", "C": "/var/cache", "L": "/var/log", "E": "/etc",
    "T": "/tmp", "V": "/var/tmp", "u": "root", "U": "0", "g": "root", "G": "0", "s": "/bin/sh",
  ]

  private func value(_ letter: Character) -> String? {
    switch letter {
    case "n": text
    case "N": base
    case "p": prefix
    case "P": UnitName.unescaped(prefix)
    case "i": instance ?? ""
    case "I": UnitName.unescaped(instance ?? "")
    case "j": lastComponent
    case "J": UnitName.unescaped(lastComponent)
    case "f": "/" + UnitName.unescaped(instance ?? prefix)
    default: UnitName.directories[letter]
    }
  }

  /// `text` with its specifiers replaced; the first one that depends on the machine, which stays as it stands.
  func expanded(_ text: String) -> (text: String, unknown: String?) {
    var result = ""
    var unknown: String?
    var characters = text.makeIterator()
    while let character = characters.next() {
      guard character == "%" else {
        result.append(character)
        continue
      }
      guard let letter = characters.next() else {
        result.append(character)
        break
      }
      if let value = value(letter) {
        result += value
      } else {
        result += "%\(letter)"
        unknown = unknown ?? "%\(letter)"
      }
    }
    return (result, unknown)
  }
}

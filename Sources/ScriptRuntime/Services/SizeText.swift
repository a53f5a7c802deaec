/// Amounts of memory as text: `64MB`, `512KB`, `1.5GB`.
///
/// Units are `B`, `KB`, `MB` and `GB`, each 1024 of the one before, as memory is counted; `KiB`, `MiB` and `GiB` mean
/// the same, case does not matter, and one space before the unit is allowed. A bare number is bytes.
package enum SizeText {
  private static let units: [(name: String, bytes: Int)] = [
    ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1),
  ]

  /// The number of bytes that `text` means, or `nil` when it is not a size below 8 EB.
  package static func parse(_ text: String) -> Int? {
    guard text.utf8.count <= 40 else { return nil }
    let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
    var unit = text.dropFirst(digits.count)
    if unit.first == " " { unit = unit.dropFirst() }
    let name = unit.uppercased()
    guard let scale = scale(of: name) else { return nil }
    // `Double` reads "1." and ".5" as well; a size is written with digits on both sides of its point.
    guard let first = digits.first, let last = digits.last, first != ".", last != ".", let number = Double(digits),
      number.isFinite
    else { return nil }
    return Int(exactly: (number * Double(scale)).rounded(.down))
  }

  private static func scale(of unit: String) -> Int? {
    switch unit {
    case "", "B": 1
    case "K", "KB", "KIB": 1 << 10
    case "M", "MB", "MIB": 1 << 20
    case "G", "GB", "GIB": 1 << 30
    default: nil
    }
  }

  /// The shortest text that parses to `bytes`: `64MB`, `1536KB`, `1000B`.
  package static func format(_ bytes: Int) -> String {
    guard bytes != 0, let unit = units.first(where: { bytes % $0.bytes == 0 }) else { return "\(bytes)B" }
    return "\(bytes / unit.bytes)\(unit.name)"
  }
}

extension String {
  /// The bytes of a Lua string for people: what is not UTF-8 shows as `\xE9`, byte by byte, as Lua writes a byte.
  ///
  /// Error messages, log lines and file names are read by somebody, and two texts that differ should look different;
  /// U+FFFD, Swift's own repair, makes one of them. O(n).
  package init(showing bytes: some Collection<UInt8>) {
    if let text = String(validating: bytes, as: UTF8.self) {
      self = text
      return
    }
    var text = ""
    var rest = bytes[...]
    while let first = rest.first {
      // No character has more than four bytes; the first prefix that is valid is the whole of it.
      let character = (1...4).lazy.filter { $0 <= rest.count }
        .compactMap { String(validating: rest.prefix($0), as: UTF8.self) }.first
      if let character {
        text += character
        rest = rest.dropFirst(character.utf8.count)
      } else {
        let digits = String(first, radix: 16, uppercase: true)
        text += digits.utf8.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
        rest = rest.dropFirst()
      }
    }
    self = text
  }
}

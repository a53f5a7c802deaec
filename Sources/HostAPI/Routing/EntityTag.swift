internal import FileWatching

/// Names the content of an answer, so that a client that has it is not sent it again (RFC 9110, 8.8.3).
enum EntityTag {
  /// Half of the SHA-256 of the text, in hexadecimal digits: the same in every host, for what is part of the program.
  static func of(_ text: String) -> String {
    SHA256.hash(Array(text.utf8)).prefix(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// For an answer that was made now: a keyed hash of its bytes (SipHash), another one in each life of the host. A
  /// SHA-256 was a fifth of what a page of 100 jobs costs.
  static func brief(of text: String) -> String {
    var hasher = Hasher()
    var text = text
    // Safe: the bytes are read within the call.
    text.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    return String(UInt(bitPattern: hasher.finalize()), radix: 16)
  }

  /// Whether `If-None-Match` has the tag; weak ones count, as a comparison for GET is to be.
  static func matches(_ fields: [String], _ tag: String) -> Bool {
    fields.flatMap { $0.split(separator: ",") }.contains { field in
      let field = field.drop { $0 == " " }
      let last = field.lastIndex { $0 != " " }.map { field[...$0] } ?? field
      return last == "*" || (last.hasPrefix("W/") ? last.dropFirst(2) : last) == tag
    }
  }
}

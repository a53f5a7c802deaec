internal import Chronology
internal import HTTPTransfer

/// A message as RFC 5322 and MIME write it, out of its parts. Pure: the same parts give the same bytes.
struct MailMessage {
  struct Attachment {
    var name: String
    var type: String
    var content: [UInt8]
  }

  var from: (name: String?, address: String)
  var to: [(name: String?, address: String)]
  var cc: [(name: String?, address: String)] = []
  var replyTo: (name: String?, address: String)?
  var subject = ""
  var headers: [(name: String, value: String)] = []
  var text: String?
  var html: String?
  var attachments: [Attachment] = []
  var date: Instant
  /// Random, of one message only.
  var id: String

  /// CRLF line ends; lines of at most 78 bytes but for what cannot be folded.
  var bytes: [UInt8] {
    var lines = ["Date: \(Self.date(date))", "From: \(Self.mailbox(from))", "To: \(Self.mailboxes(to))"]
    if !cc.isEmpty { lines.append("Cc: \(Self.mailboxes(cc))") }
    if let replyTo { lines.append("Reply-To: \(Self.mailbox(replyTo))") }
    lines.append("Subject: \(Self.encoded(subject))")
    lines.append("Message-ID: <\(id)@\(from.address.split(separator: "@").last.map(String.init) ?? "localhost")>")
    lines += headers.map { "\($0.name): \(Self.encoded($0.value))" }
    lines.append("MIME-Version: 1.0")
    return Array((lines.joined(separator: "\r\n") + "\r\n").utf8) + content
  }

  private var content: [UInt8] {
    let body = self.body
    guard !attachments.isEmpty else { return body }
    return Self.multipart("mixed", id + "-m", [body] + attachments.map(Self.part))
  }

  private var body: [UInt8] {
    switch (text, html) {
    case (let text?, let html?):
      Self.multipart("alternative", id + "-a", [Self.part("plain", text), Self.part("html", html)])
    case (nil, let html?): Self.part("html", html)
    case (let text, nil): Self.part("plain", text ?? "")
    }
  }

  private static func multipart(_ kind: String, _ boundary: String, _ parts: [[UInt8]]) -> [UInt8] {
    var bytes = Array("Content-Type: multipart/\(kind); boundary=\"\(boundary)\"\r\n\r\n".utf8)
    for part in parts { bytes += Array("--\(boundary)\r\n".utf8) + part + Array("\r\n".utf8) }
    return bytes + Array("--\(boundary)--\r\n".utf8)
  }

  private static func part(_ kind: String, _ text: String) -> [UInt8] {
    Array("Content-Type: text/\(kind); charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n".utf8)
      + folded(Base64.encode(Array(text.utf8)))
  }

  private static func part(_ attachment: Attachment) -> [UInt8] {
    let name = encodedName(attachment.name)
    let head =
      "Content-Type: \(attachment.type)\r\nContent-Transfer-Encoding: base64\r\n"
      + "Content-Disposition: attachment; \(name)\r\n\r\n"
    return Array(head.utf8) + folded(Base64.encode(attachment.content))
  }

  /// Lines of 76 bytes.
  private static func folded(_ text: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count + text.count / 38)
    var rest = text[...]
    while !rest.isEmpty {
      bytes += rest.prefix(76)
      bytes += [13, 10]
      rest = rest.dropFirst(76)
    }
    return bytes
  }

  /// RFC 2231.
  private static func encodedName(_ name: String) -> String {
    let isPlain = name.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }
    return isPlain ? "filename=\"\(name)\"" : "filename*=UTF-8''\(HTTPURL.escaped(name))"
  }

  /// A header's text (RFC 2047): as it is, when it is ASCII without control characters.
  static func encoded(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }), !text.contains("=?"), text.utf8.count <= 900 { return text }
    // Words of at most 75 bytes, of whole characters.
    var words: [String] = []
    var word: [UInt8] = []
    for scalar in text.unicodeScalars {
      let bytes = Array(String(scalar).utf8)
      if word.count + bytes.count > 42 {
        words.append(String(decoding: Base64.encode(word), as: UTF8.self))
        word = []
      }
      word += bytes
    }
    if !word.isEmpty { words.append(String(decoding: Base64.encode(word), as: UTF8.self)) }
    return words.map { "=?utf-8?B?\($0)?=" }.joined(separator: "\r\n ")
  }

  private static func mailbox(_ box: (name: String?, address: String)) -> String {
    guard let name = box.name, !name.isEmpty else { return box.address }
    let isPlain = name.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x20
    }
    return isPlain ? "\(name) <\(box.address)>" : "\(encodedPhrase(name)) <\(box.address)>"
  }

  /// A name is always a word of its own form where it is not plain: quotes would be one more thing to escape.
  private static func encodedPhrase(_ name: String) -> String {
    let text = encoded(name)
    return text == name
      ? "=?utf-8?B?\(String(decoding: Base64.encode(Array(name.utf8).prefix(40)), as: UTF8.self))?=" : text
  }

  private static func mailboxes(_ boxes: [(name: String?, address: String)]) -> String {
    boxes.map(mailbox).joined(separator: ",\r\n ")
  }

  /// `Sun, 29 Nov 2026 10:00:00 +0000`.
  static func date(_ instant: Instant) -> String {
    let civil = CivilDateTime(instant, offset: 0)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let two = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
    return "\(days[civil.date.weekday % 7]), \(civil.date.day) \(months[civil.date.month - 1]) \(civil.date.year) "
      + "\(two(civil.hour)):\(two(civil.minute)):\(two(civil.second)) +0000"
  }

  /// `Ann <ann@example.org>` or an address; nil for what is neither. No control characters, no list.
  static func read(_ text: String) -> (name: String?, address: String)? {
    var name: String?
    var address = Substring(text)
    if text.hasSuffix(">"), let open = text.lastIndex(of: "<") {
      name = String(text[..<open]).split(separator: " ").joined(separator: " ")
      if let quoted = name, quoted.count > 1, quoted.hasPrefix("\""), quoted.hasSuffix("\"") {
        name = String(quoted.dropFirst().dropLast())
      }
      address = text[text.index(after: open)...].dropLast()
    }
    let parts = address.split(separator: "@", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty, address.utf8.count <= 320,
      address.utf8.allSatisfy({
        $0 > 0x20 && $0 < 0x7f && $0 != 0x3c && $0 != 0x3e && $0 != 0x2c && $0 != 0x3b && $0 != 0x22
      }),
      name?.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) ?? true
    else { return nil }
    return (name, String(address))
  }
}

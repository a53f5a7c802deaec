internal import Basics
internal import Chronology
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// Reads a message out of a script's table.
struct MailReader {
  let arguments: Arguments
  let run: RunContext
  let options: Options
  /// The operator has written server and recipients: no grant is asked for them, and `ca` is the host's to read.
  var isTheHosts = false

  static let names = [
    "server", "security", "verify", "ca", "user", "password", "from", "to", "cc", "bcc", "reply_to", "subject", "text",
    "html",
    "headers", "attachments", "timeout",
  ]

  func draft() throws(Misuse) -> MailDraft {
    let (host, port) = try server()
    let security = try security(port)
    let grants = run.services.grants
    let script = run.script
    let isTheHosts = isTheHosts
    guard isTheHosts || grants(script).mail.allows(host: host, port: port) else {
      throw arguments.misuse(
        Grants.refusal(of: "the mail server \(host):\(port)", to: script, grant: "mail = { \"\(host):\(port)\" }"))
    }
    guard let from = try mailboxes("from").first else { throw arguments.misuse("from is missing: write who sends it") }
    let to = try mailboxes("to")
    let (cc, bcc) = (try mailboxes("cc"), try mailboxes("bcc"))
    let all = (to + cc + bcc).map(\.address)
    guard !all.isEmpty else { throw arguments.misuse("to is missing: write who is to get it") }
    guard all.count <= MailModule.mostRecipients else {
      throw arguments.misuse(
        "a message has \(MailModule.mostRecipients) recipients at most, and this one has \(all.count)")
    }
    var message = MailMessage(
      from: from, to: to.isEmpty ? [(nil, "undisclosed-recipients:;")] : to, date: run.services.wall.now,
      id: String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36))
    message.cc = cc
    message.replyTo = try mailboxes("reply_to").first
    message.subject = try line("subject") ?? ""
    message.text = try options.string("text")
    message.html = try options.string("html")
    message.headers = try headers()
    var transfer = MailTransfer(
      host: host, port: port, from: from.address, recipients: all, message: [],
      permits: { isTheHosts || grants(script).mail.allows($0, port: port) },
      refusal: { address in
        Grants.refusal(
          of: "the mail server \(host) at \(address), which is no public address", to: script,
          grant: "mail = { \"\(host)\", \"\(address)\" }")
      })
    transfer.security = security
    transfer.verifies = try options.bool("verify") ?? true
    transfer.user = try line("user")
    transfer.password = try line("password")
    if let timeout = try options.duration("timeout") {
      guard timeout > 0 else { throw arguments.misuse("options.timeout must be longer than 0") }
      transfer.timeout = timeout
    }
    var draft = MailDraft(message: message, transfer: transfer, function: arguments.function)
    if !isTheHosts, let bytes = try options.bytes("ca") {
      draft.authorities = try ScriptLocation(bytes, writing: false, run, arguments)
    }
    draft.attachments = try attachments()
    return draft
  }

  private func server() throws(Misuse) -> (String, Int) {
    guard let text = try options.string("server") else {
      throw arguments.misuse("server is missing: write a mail server like \"smtp.example.org:587\"")
    }
    // A URL's reader knows hosts, ports and brackets.
    guard !text.contains("/"), !text.contains("@"), let url = try? HTTPURL("http://\(text)/") else {
      throw arguments.misuse("server is no \"HOST\" or \"HOST:PORT\": \"\(text)\"")
    }
    let hasPort = url.port != 80 || text.hasSuffix(":80")
    let secure = try options.string("security") == "tls"
    return (url.host, hasPort ? url.port : secure ? 465 : 587)
  }

  private func security(_ port: Int) throws(Misuse) -> MailTransfer.Security {
    guard let name = try options.string("security") else { return port == 465 ? .tls : .starttls }
    guard let security = MailTransfer.Security(rawValue: name) else {
      throw arguments.misuse("security must be \"starttls\", \"tls\" or \"none\", not \"\(name)\"")
    }
    return security
  }

  /// A text without line ends.
  private func line(_ key: String) throws(Misuse) -> String? {
    guard let text = try options.string(key) else { return nil }
    guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
      throw arguments.misuse("options.\(key) has a line end or a control character in it")
    }
    return text
  }

  private func mailboxes(_ key: String) throws(Misuse) -> [(name: String?, address: String)] {
    guard let field = options.reader?.field(key) else { return [] }
    var texts: [String] = []
    do throws(LuaError) {
      if case .string(let text) = field.value {
        texts = [text.text]
      } else {
        for item in try field.items() { texts.append(try item.string()) }
      }
    } catch { throw arguments.misuse(error.message) }
    var boxes: [(name: String?, address: String)] = []
    for text in texts {
      guard let box = MailMessage.read(text) else {
        throw arguments.misuse(
          "options.\(key): \"\(text.cut(toBytes: 200))\" is no address: write \"ann@example.org\" or \"Ann <ann@example.org>\""
        )
      }
      boxes.append(box)
    }
    return boxes
  }

  private static let own = [
    "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type",
    "content-transfer-encoding",
  ]

  private func headers() throws(Misuse) -> [(name: String, value: String)] {
    let pairs = try options.strings("headers") ?? []
    for (name, value) in pairs {
      guard !name.isEmpty, name.utf8.allSatisfy({ HTTPReader.isTokenByte($0) }), !Self.own.contains(name.lowercased())
      else {
        throw arguments.misuse("options.headers: \"\(name)\" is no name of a header, or one that has its own field")
      }
      guard value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
        throw arguments.misuse("options.headers.\(name) has a line end or a control character in it")
      }
    }
    return pairs.map { ($0.key, $0.value) }
  }

  private func attachments() throws(Misuse) -> [MailDraft.Attachment] {
    guard let field = options.reader?.field("attachments") else { return [] }
    var result: [MailDraft.Attachment] = []
    do throws(LuaError) {
      for item in try field.items() { try item.allow(["path", "content", "name", "type"]) }
    } catch { throw arguments.misuse(error.message) }
    guard case .table(let table) = field.value else { return [] }
    for (index, value) in table.array.enumerated() {
      let inner = Options(arguments: arguments, reader: LuaReader(value, path: "options.attachments[\(index + 1)]"))
      let path = try inner.bytes("path")
      let content = try inner.bytes("content")
      guard (path == nil) != (content == nil) else {
        throw arguments.misuse("options.attachments[\(index + 1)]: write path or content")
      }
      let place: ScriptLocation?
      if let path { place = try ScriptLocation(path, writing: false, run, arguments) } else { place = nil }
      let name = try inner.string("name") ?? place?.written.split(separator: "/").last.map(String.init) ?? "attachment"
      let type = try inner.string("type") ?? "application/octet-stream"
      guard (name + type).unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
        throw arguments.misuse("options.attachments[\(index + 1)]: name and type have no line ends")
      }
      result.append(.init(name: name, type: type, content: content ?? [], place: place))
    }
    return result
  }
}

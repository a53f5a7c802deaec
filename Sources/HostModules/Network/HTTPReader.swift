internal import Basics
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// Reads the parts of a request out of a script's options, with messages that say what to write instead.
struct HTTPReader {
  let arguments: Arguments
  let run: RunContext

  init(_ arguments: Arguments, _ run: RunContext) {
    self.arguments = arguments
    self.run = run
  }

  func method(_ text: String) throws(Misuse) -> String {
    let isWord = !text.isEmpty && text.utf8.count <= 20 && text.utf8.allSatisfy { Self.isTokenByte($0) }
    guard isWord else { throw arguments.misuse("\"\(text)\" is no method: write \"GET\", \"POST\" or another word") }
    let upper = text.uppercased()
    guard upper != "CONNECT", upper != "TRACE" else { throw arguments.misuse("\(upper) cannot be asked") }
    return upper
  }

  /// Refused at once when the script may not ask the host: that is a mistake in the configuration, and no answer.
  func url(_ text: String, _ options: Options) throws(Misuse) -> HTTPURL {
    let query = try pairs(options, "query")
    let url: HTTPURL
    do throws(HTTPURL.Problem) {
      url = try HTTPURL(text, query: query)
    } catch {
      throw arguments.misuse("\"\(text.cut(toBytes: 200))\": \(error.message)")
    }
    let policy = ScriptHTTPPolicy(script: run.script, grants: run.services.grants)
    if let refusal = policy.refusal(of: url) { throw arguments.misuse(refusal) }
    if let address = url.address, !policy.permits(address, for: url) {
      throw arguments.misuse(policy.refusal(of: address, for: url))
    }
    return url
  }

  // MARK: Names and values

  /// A table of names and values, each a text, number or boolean, or a list of them; sorted by names.
  func pairs(_ options: Options, _ key: String) throws(Misuse) -> [(name: String, value: String)] {
    guard let field = options.reader?.field(key) else { return [] }
    guard case .table(let table) = field.value, table.array.isEmpty, table.others.isEmpty else {
      throw arguments.misuse("\(field.path): expected a table of names and values, got \(field.value.typeName)")
    }
    var result: [(name: String, value: String)] = []
    for (name, value) in table.fields {
      for text in try texts(value, "\(field.path).\(name)") {
        result.append((name, String(decoding: text, as: UTF8.self)))
      }
    }
    return result
  }

  /// A value as it is written, or those of a list.
  private func texts(_ value: LuaValue, _ path: String) throws(Misuse) -> [[UInt8]] {
    guard case .table(let table) = value, table.isSequence else { return [try text(value, path)] }
    var result: [[UInt8]] = []
    for (index, item) in table.array.enumerated() { result.append(try text(item, "\(path)[\(index + 1)]")) }
    return result
  }

  private func text(_ value: LuaValue, _ path: String) throws(Misuse) -> [UInt8] {
    switch value {
    case .string(let text): return text.bytes
    case .integer(let number): return Array(String(number).utf8)
    case .number(let number): return Array(String(number).utf8)
    case .bool(let flag): return Array((flag ? "true" : "false").utf8)
    default: throw arguments.misuse("\(path): expected a string, got \(value.typeName)")
    }
  }

  /// Fields that the request's form, or the host, decides.
  private static let own = [
    "host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer", "keep-alive",
    "proxy-authorization", "proxy-connection",
  ]

  func headers(_ options: Options) throws(Misuse) -> [(name: String, value: [UInt8])] {
    guard let field = options.reader?.field("headers") else { return [] }
    guard case .table(let table) = field.value, table.array.isEmpty, table.others.isEmpty else {
      throw arguments.misuse("\(field.path): expected a table of names and values, got \(field.value.typeName)")
    }
    var result: [(name: String, value: [UInt8])] = []
    for (name, value) in table.fields {
      guard !name.isEmpty, name.utf8.allSatisfy({ Self.isTokenByte($0) }) else {
        throw arguments.misuse("options.headers: \"\(name)\" is no name of a header")
      }
      guard !Self.own.contains(name.lowercased()) else {
        throw arguments.misuse("options.headers: \(name) is set by the host: leave it out")
      }
      for text in try texts(value, "options.headers.\(name)") {
        guard !text.contains(where: { $0 == 0 || $0 == 10 || $0 == 13 }) else {
          throw arguments.misuse("options.headers.\(name) has a line end or a zero byte in it")
        }
        result.append((name, text))
      }
    }
    return result
  }

  /// A character of a token (RFC 9110).
  static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    default: Array("!#$%&'*+-.^_`|~".utf8).contains(byte)
    }
  }

  func authorization(_ options: Options, _ url: HTTPURL) throws(Misuse) -> [UInt8]? {
    let bearer = try options.string("bearer")
    guard let field = options.reader?.field("auth") else {
      if let bearer {
        guard bearer.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
          throw arguments.misuse("options.bearer has a character that no token has")
        }
        return Array("Bearer \(bearer)".utf8)
      }
      return url.credentials.map { Array("Basic ".utf8) + Base64.encode(Array($0.utf8)) }
    }
    guard bearer == nil else { throw arguments.misuse("write options.auth or options.bearer, not both") }
    do throws(LuaError) {
      try field.allow(["user", "password"])
      guard let user = try field.field("user")?.string() else { throw field.error("expected a user") }
      let password = try field.field("password")?.string() ?? ""
      guard !user.contains(":") else {
        throw field.error("the user has a colon in it, which basic authentication cannot tell")
      }
      return Array("Basic ".utf8) + Base64.encode(Array("\(user):\(password)".utf8))
    } catch {
      throw arguments.misuse(error.message)
    }
  }

  // MARK: Numbers and files

  func timeout(_ options: Options, _ key: String) throws(Misuse) -> Int64? {
    guard let value = try options.duration(key) else { return nil }
    guard value > 0 else { throw arguments.misuse("options.\(key) must be longer than 0") }
    return value
  }

  func count(_ options: Options, _ key: String, upTo most: Int) throws(Misuse) -> Int? {
    if case .bool(false)? = options.reader?.field(key)?.value { return 0 }
    guard let value = try options.integer(key) else { return nil }
    guard (0...most).contains(value) else {
      throw arguments.misuse("options.\(key) must be from 0 to \(most), not \(value)")
    }
    return value
  }

  func retry(_ options: Options) throws(Misuse) -> HTTPRetry? {
    guard let field = options.reader?.field("retry") else { return nil }
    guard case .table = field.value else { return try count(options, "retry", upTo: 100).map { HTTPRetry(max: $0) } }
    do { try field.allow(["max", "base", "cap"]) } catch { throw arguments.misuse(error.message) }
    let inner = Options(arguments: arguments, reader: LuaReader(field.value, path: "options.retry"))
    var retry = HTTPRetry(max: 3)
    if let most = try inner.integer("max") {
      guard (0...100).contains(most) else {
        throw arguments.misuse("options.retry.max must be from 0 to 100, not \(most)")
      }
      retry.max = most
    }
    if let base = try inner.duration("base") { retry.base = base }
    if let cap = try inner.duration("cap") { retry.cap = cap }
    return retry
  }

  func file(_ options: Options, _ key: String, writing: Bool) throws(Misuse) -> HTTPDraft.File? {
    guard let bytes = try options.bytes(key) else { return nil }
    return try file(bytes, "options.\(key)", writing: writing)
  }

  func file(_ bytes: [UInt8], _ what: String, writing: Bool) throws(Misuse) -> HTTPDraft.File {
    guard !bytes.isEmpty, !bytes.contains(0) else {
      throw arguments.misuse("\(what): a path is not empty and has no zero byte")
    }
    let path = PlainPath.absolute(bytes, from: Array(run.services.baseDirectory.utf8))
    let written = String(decoding: bytes, as: UTF8.self)
    return HTTPDraft.File(
      path: path, written: written,
      fence: try FileModule.fence(path, written, writing: writing, run, arguments))
  }

  // MARK: Content

  /// What is sent, and its type; nil for nothing.
  func content(_ call: borrowing LuaCall, _ options: Options) throws(Misuse) -> ([HTTPDraft.Part]?, type: String?) {
    let kinds =
      ["form", "multipart", "body_file"].filter { options.reader?.field($0) != nil }
      + (call.isNil(5) ? [] : ["body"]) + (call.isNil(6) ? [] : ["json"])
    guard kinds.count <= 1 else {
      throw arguments.misuse("options.\(kinds[0]) and options.\(kinds[1]) are both the content: write one of them")
    }
    switch kinds.first {
    case "body":
      guard let bytes = unsafe call.withBytes(5, { unsafe Array($0) }) else {
        throw arguments.misuse(
          "options.body: expected a string, got \(arguments.name(call, 5)); a table goes as json or form")
      }
      return ([.bytes(bytes)], nil)
    case "json":
      let largest = run.answers.largestAnswer
      let text = try arguments.json(call, 6, "options.json", limit: largest, setting: "memory")
      return ([.bytes(Array((text?.text ?? "null").utf8))], "application/json")
    case "form":
      let text = try pairs(options, "form").map { HTTPURL.escaped($0.name) + "=" + HTTPURL.escaped($0.value) }
      return ([.bytes(Array(text.joined(separator: "&").utf8))], "application/x-www-form-urlencoded")
    case "multipart": return try multipart(options)
    case "body_file":
      return (try file(options, "body_file", writing: false).map { [.file($0)] }, "application/octet-stream")
    default: return (nil, nil)
    }
  }

  /// RFC 7578: each part a text, or a table with `content` or `file`, `filename` and `type`.
  private func multipart(_ options: Options) throws(Misuse) -> ([HTTPDraft.Part], String) {
    let boundary =
      "moondial-" + String(UInt64.random(in: .min ... .max), radix: 16)
      + String(UInt64.random(in: .min ... .max), radix: 16)
    guard let field = options.reader?.field("multipart"), case .table(let table) = field.value, table.others.isEmpty
    else {
      throw arguments.misuse("options.multipart: expected a table of names and parts")
    }
    var named: [(name: String, part: LuaReader)] = table.fields.map {
      ($0.key, LuaReader($0.value, path: "options.multipart.\($0.key)"))
    }
    for (index, part) in table.array.enumerated() {
      let reader = LuaReader(part, path: "options.multipart[\(index + 1)]")
      do throws(LuaError) {
        guard let name = try reader.field("name")?.string() else { throw reader.error("expected a part with a name") }
        named.append((name, reader))
      } catch { throw arguments.misuse(error.message) }
    }
    var parts: [HTTPDraft.Part] = []
    for (name, part) in named {
      let (head, content) = try self.part(name, part)
      parts.append(.bytes(Array("--\(boundary)\r\n\(head)\r\n\r\n".utf8)))
      parts.append(content)
      parts.append(.bytes(Array("\r\n".utf8)))
    }
    parts.append(.bytes(Array("--\(boundary)--\r\n".utf8)))
    return (parts, "multipart/form-data; boundary=\(boundary)")
  }

  private func part(_ name: String, _ reader: LuaReader) throws(Misuse) -> (head: String, HTTPDraft.Part) {
    let disposition = "Content-Disposition: form-data; name=\"\(Self.quoted(name))\""
    guard case .table(let table) = reader.value, !table.isSequence else {
      return (disposition, .bytes(try text(reader.value, reader.path)))
    }
    do { try reader.allow(["name", "content", "file", "filename", "type"]) } catch {
      throw arguments.misuse(error.message)
    }
    let inner = Options(arguments: arguments, reader: reader)
    let content: HTTPDraft.Part
    var filename = try inner.string("filename")
    if let path = try inner.bytes("file") {
      guard reader.field("content") == nil else {
        throw arguments.misuse("\(reader.path): write content or file, not both")
      }
      let found = try file(path, "\(reader.path).file", writing: false)
      content = .file(found)
      filename = filename ?? found.written.split(separator: "/").last.map(String.init)
    } else if let field = reader.field("content") {
      content = .bytes(try text(field.value, field.path))
    } else {
      throw arguments.misuse("\(reader.path): expected content or file")
    }
    var head = disposition + (filename.map { "; filename=\"\(Self.quoted($0))\"" } ?? "")
    let type = try inner.string("type") ?? (filename == nil ? nil : "application/octet-stream")
    if let type {
      guard type.utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) else {
        throw arguments.misuse("\(reader.path).type is no media type")
      }
      head += "\r\nContent-Type: \(type)"
    }
    return (head, content)
  }

  /// As browsers escape names in forms.
  private static func quoted(_ text: String) -> String {
    text.replacing("\"", with: "%22").replacing("\r", with: "%0D").replacing("\n", with: "%0A")
  }
}

internal import Basics
internal import Chronology
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// A request as a script wrote it: checked, but for its files, which are opened later, where that may block.
struct HTTPDraft: Sendable {
  /// A file that is named by the script, with the granted root that it lies below.
  struct File: Sendable {
    var path: [UInt8]
    var written: String
    var fence: String?
  }
  enum Part: Sendable {
    case bytes([UInt8])
    case file(File)
  }

  let function: String
  let run: Kept
  let room: AnswerReservation
  var method: String
  var url: HTTPURL
  var headers: [(name: String, value: [UInt8])] = []
  var body: [Part]?
  var target: File?
  var limit = 0
  var deadline: Int64 = .max
  var timeouts: (connect: Int64, firstByte: Int64?) = (10_000_000_000, nil)
  var redirects = 10
  var retry: HTTPRetry?
  var security = HTTPSecurity()
  var authorities: File?
  var certificate: File?
  var key: File?
  var decompresses = true
  var version = HTTPRequest.Version.best
  var cookies: HTTPCookies?

  /// What is needed of the run after the call.
  struct Kept: Sendable {
    let services: HostServices
    let script: ScriptPath
  }

  private static let names = [
    "headers", "query", "form", "multipart", "body_file", "save_to", "max", "timeout", "connect_timeout",
    "first_byte_timeout", "redirects", "retry", "auth", "bearer", "verify", "ca", "cert", "key", "key_password",
    "decompress", "cookies", "version",
  ]

  /// Reads `(name, method, url, options, body, json)`.
  init(_ call: borrowing LuaCall, _ arguments: Arguments) throws(Misuse) {
    let run = try arguments.run(call)
    function = arguments.function
    self.run = Kept(services: run.services, script: run.script)
    let reader = HTTPReader(arguments, run)
    let names = arguments.function == "http.request" ? ("a method", "a URL") : ("", "a URL")
    if arguments.function == "http.request" {
      method = try reader.method(try arguments.string(call, 2, names.0, shownAt: 1))
    } else {
      method = call.string(2) ?? "GET"
    }
    let text = try arguments.string(
      call, 3, names.1, in: 0...Arguments.textBytes, shownAt: arguments.function == "http.request" ? 2 : 1)
    if call.type(4) != .table, !call.isNil(4) {
      let place = arguments.function == "http.request" ? 3 : 2
      throw arguments.misuse("expected a table of options as argument \(place), got \(arguments.name(call, 4))")
    }
    let options = try arguments.options(call, 4, Self.names, bytes: run.answers.largestAnswer)
    url = try reader.url(text, options)
    var headers = try reader.headers(options)
    let (content, type) = try reader.content(call, options)
    if let type, !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
      headers.append(("Content-Type", Array(type.utf8)))
    }
    if let authorization = try reader.authorization(options, url) {
      headers.removeAll { $0.name.lowercased() == "authorization" }
      headers.append(("Authorization", authorization))
    }
    self.headers = headers
    let size = (content ?? []).reduce(0) { if case .bytes(let bytes) = $1 { $0 + bytes.count } else { $0 } }
    body = content ?? (["POST", "PUT", "PATCH"].contains(method) ? [] : nil)
    room = try arguments.hold(size, for: call)
    try readRest(options, reader)
  }

  private mutating func readRest(_ options: Options, _ reader: HTTPReader) throws(Misuse) {
    let run = reader.run
    target = try reader.file(options, "save_to", writing: true)
    if target != nil {
      limit = try options.integer("max") ?? HTTPModule.fileLimit
      guard limit >= 0 else { throw reader.arguments.misuse("options.max must not be negative, and is \(limit)") }
    } else {
      limit = try options.size("max", of: run, standard: HTTPModule.answerLimit)
    }
    let total = try reader.timeout(options, "timeout") ?? HTTPModule.timeout
    deadline = run.services.monotonic.now.advanced(byNanoseconds: total).nanoseconds
    timeouts = (
      try reader.timeout(options, "connect_timeout") ?? 10_000_000_000,
      try reader.timeout(options, "first_byte_timeout")
    )
    redirects = try reader.count(options, "redirects", upTo: 50) ?? 10
    retry = try reader.retry(options)
    security.verifies = try options.bool("verify") ?? true
    authorities = try reader.file(options, "ca", writing: false)
    certificate = try reader.file(options, "cert", writing: false)
    key = try reader.file(options, "key", writing: false)
    security.keyPassword = try options.string("key_password")
    decompresses = try options.bool("decompress") ?? true
    if try options.bool("cookies") ?? false { cookies = run.kept("http") { HTTPCookies() } }
    if let name = try options.string("version") {
      guard let version = HTTPRequest.Version(rawValue: name), version != .best else {
        throw reader.arguments.misuse("options.version must be \"1.1\", \"2\" or \"2-plain\", not \"\(name)\"")
      }
      self.version = version
    }
  }

  /// Whether there is file work to be done before it can be sent.
  var hasFiles: Bool {
    let inBody = body?.contains { if case .file = $0 { true } else { false } } ?? false
    return inBody || target != nil || authorities != nil || certificate != nil || key != nil
  }
}

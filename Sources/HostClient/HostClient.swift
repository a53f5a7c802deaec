internal import CCurl
internal import Glibc
internal import Synchronization

/// Asks a host over HTTP: through its Unix socket, or over TCP with a token.
///
///     let client = HostClient(.stateDirectory(".moondial"), version: "0.1.0")
///     let answer = try client.send("GET", "/api/v1/status")      // its body is JSON
///
/// Every call blocks its thread, on a connection of its own.
///
/// Threading: any thread.
package final class HostClient: Sendable {
  package let address: HostAddress
  /// That of the program that asks.
  let version: String

  /// - Parameter version: this program's, for what is said to one of another version.
  package init(_ address: HostAddress, version: String) {
    self.address = address
    self.version = version
    _ = HostClient.isPrepared
  }

  /// libcurl prepares itself once for the process, before there are threads that use it.
  private static let isPrepared: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  package struct Answer: Sendable {
    package var status: Int
    package var body: [UInt8]
  }

  /// Sends a request, and waits for the whole answer.
  ///
  /// - Parameters:
  ///   - seconds: that it may take.
  ///   - path: its parts are escaped by `HostClient.path`.
  ///   - body: JSON; nil: none.
  package func send(
    _ method: String, _ path: String, query: [(name: String, value: String?)] = [], body: String? = nil,
    seconds: Int = 60
  ) throws(ClientFailure) -> Answer {
    let receiver = Receiver(take: nil)
    let status = try perform(method, path + HostClient.text(of: query), body, receiver, seconds: seconds)
    return Answer(status: status, body: receiver.bytes)
  }

  /// Reads Server-Sent Events until `take` answers false, or the host ends.
  package func stream(
    _ path: String, query: [(name: String, value: String?)] = [], opened: @escaping @Sendable () -> Void = {},
    _ take: @escaping @Sendable (StreamFrame) -> Bool
  ) throws(ClientFailure) {
    let parser = StreamParser(opened: opened, take)
    let receiver = Receiver { parser.feed($0) }
    let status = try perform("GET", path + HostClient.text(of: query), nil, receiver, seconds: nil)
    guard status == 200 || parser.isOver else {
      if status == 404 || status == 405, let other = otherVersion() { throw other }
      throw HostClient.refusal(status, receiver.bytes)
    }
  }

  // MARK: URLs

  /// A path of parts, each escaped: `["jobs", "a/b"]` is `/api/v1/jobs/a%2Fb`.
  package static func path(_ parts: String...) -> String { "/api/v1/" + parts.map(escaped).joined(separator: "/") }

  private static func text(of query: [(name: String, value: String?)]) -> String {
    let given = query.compactMap { name, value in value.map { "\(escaped(name))=\(escaped($0))" } }
    return given.isEmpty ? "" : "?" + given.joined(separator: "&")
  }

  /// Everything but what RFC 3986 leaves as it is.
  private static func escaped(_ text: String) -> String {
    var escaped = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        escaped.unicodeScalars.append(Unicode.Scalar(byte))
      default: escaped += "%" + String(byte >> 4, radix: 16).uppercased() + String(byte & 15, radix: 16).uppercased()
      }
    }
    return escaped
  }

  // MARK: libcurl

  private func perform(
    _ method: String, _ target: String, _ body: String?, _ receiver: Receiver, seconds: Int?
  ) throws(ClientFailure) -> Int {
    // Safe, here and below: the handle is made and freed in this call, and everything that it is given outlives it: it
    // copies strings, and the receiver is kept to the end.
    guard let handle = unsafe curl_easy_init() else {
      throw ClientFailure(.failed, "there is no memory for a connection to the host")
    }
    defer { unsafe curl_easy_cleanup(handle) }
    var directory: Int32 = -1
    defer { if directory >= 0 { close(directory) } }
    var headers: UnsafeMutablePointer<curl_slist>? = nil
    defer { unsafe curl_slist_free_all(headers) }
    var base = "http://localhost"
    switch address {
    case .stateDirectory(let path):
      directory = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard directory >= 0 else { throw noHost }
      // Through the directory's descriptor, so that the length of its path does not matter.
      unsafe set(handle, CURLOPT_UNIX_SOCKET_PATH, "/proc/self/fd/\(directory)/\(HostAddress.socketName)")
      unsafe set(handle, CURLOPT_PROXY, "")
    case .server(let url, let token):
      base = url.hasSuffix("/") ? String(url.dropLast()) : url
      if let token { unsafe headers = unsafe curl_slist_append(headers, "Authorization: Bearer \(token)") }
    }
    unsafe headers = unsafe curl_slist_append(headers, "Accept: application/json, text/event-stream")
    unsafe set(handle, CURLOPT_URL, base + target)
    unsafe set(handle, CURLOPT_PROTOCOLS_STR, "http,https")
    unsafe set(handle, CURLOPT_CUSTOMREQUEST, method)
    unsafe moon_curl_set_long(handle, CURLOPT_NOSIGNAL, 1)
    unsafe moon_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT, 10)
    if let seconds { unsafe moon_curl_set_long(handle, CURLOPT_TIMEOUT, seconds) }
    if method != "GET" {
      unsafe headers = unsafe curl_slist_append(headers, "Content-Type: application/json")
      unsafe moon_curl_set_long(handle, CURLOPT_POST, 1)
      let body = body ?? ""
      unsafe moon_curl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.utf8.count))
      unsafe set(handle, CURLOPT_COPYPOSTFIELDS, body)
    }
    unsafe moon_curl_set_pointer(handle, CURLOPT_HTTPHEADER, headers)
    // Safe: the receiver lives until the call below has returned.
    unsafe moon_curl_set_pointer(handle, CURLOPT_WRITEDATA, Unmanaged.passUnretained(receiver).toOpaque())
    unsafe moon_curl_set_transfer(handle, CURLOPT_WRITEFUNCTION, Receiver.callback)
    let code = unsafe curl_easy_perform(handle)
    var status = 0
    unsafe moon_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
    try withExtendedLifetime(receiver) { () throws(ClientFailure) in
      if let failure = failure(code, receiver, seconds: seconds) { throw failure }
    }
    return status
  }

  private func set(_ handle: UnsafeMutableRawPointer, _ option: CURLoption, _ text: String) {
    // Safe: libcurl copies the string in the call.
    _ = unsafe moon_curl_set_string(handle, option, text)
  }

  private func failure(_ code: CURLcode, _ receiver: Receiver, seconds: Int?) -> ClientFailure? {
    switch code {
    case CURLE_OK: return nil
    // The receiver has enough.
    case CURLE_WRITE_ERROR where receiver.isOver: return nil
    case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST: return noHost
    case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE:
      return ClientFailure(.failed, "the host at \(address) ended, or closed the connection, before it had answered")
    case CURLE_OPERATION_TIMEDOUT:
      return ClientFailure(.failed, "the host at \(address) has not answered within \(seconds ?? 10) s")
    default:
      // Safe: a constant string of libcurl, copied.
      let reason = unsafe String(cString: curl_easy_strerror(code))
      return ClientFailure(.failed, "the host at \(address) cannot be asked: \(reason)")
    }
  }

  private var noHost: ClientFailure {
    switch address {
    case .stateDirectory(let path)
    where unsafe access("\(path)/\(HostAddress.socketName)", W_OK) != 0 && errno == EACCES:
      ClientFailure(
        .failed,
        "the host of the state directory \(path) cannot be asked by user \(geteuid()): ask as the user that runs it, or "
          + "over TCP with --server and a token"
      )
    case .stateDirectory(let path):
      ClientFailure(
        .noHost,
        "no host is running with the state directory \(path): start one with `moondial run`, or name another one "
          + "with --state DIR"
      )
    case .server(let url, _): ClientFailure(.noHost, "no host answers at \(url)")
    }
  }
}

/// What libcurl hands its bytes to.
private final class Receiver: Sendable {
  private let state = Mutex<(bytes: [UInt8], isOver: Bool)>(([], false))
  /// Takes bytes as they come; false: enough. nil: they are collected.
  private let take: (@Sendable ([UInt8]) -> Bool)?

  /// Bytes of an answer that are taken: the host's are a megabyte or so.
  private static let most = 64 << 20

  init(take: (@Sendable ([UInt8]) -> Bool)?) { self.take = take }

  var bytes: [UInt8] { state.withLock { $0.bytes } }
  var isOver: Bool { state.withLock { $0.isOver } }

  static let callback: moon_curl_transfer = { bytes, size, count, context in
    guard let bytes = unsafe bytes, let context = unsafe context else { return 0 }
    // Safe: the pointer is that of `perform`, whose receiver lives longer than the transfer; libcurl's bytes are
    // `size * count` long (CURLOPT_WRITEFUNCTION(3)) and copied here.
    let receiver = unsafe Unmanaged<Receiver>.fromOpaque(context).takeUnretainedValue()
    let part = unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: size * count))
    return receiver.receive(part) ? size * count : 0
  }

  private func receive(_ part: [UInt8]) -> Bool {
    let collects = state.withLock { state in
      guard take == nil || state.bytes.count < 65_536 else { return true }
      state.bytes += part
      return state.bytes.count <= Receiver.most
    }
    guard collects else { return false }
    guard let take, !take(part) else { return true }
    state.withLock { $0.isOver = true }
    return false
  }
}

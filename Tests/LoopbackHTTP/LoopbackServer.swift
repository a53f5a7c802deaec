import Foundation
import Glibc
import Synchronization

/// A server of HTTP/1.1 on the loopback interface, for tests: what it answers is bytes that a test writes, broken ones
/// included. A thread for each connection, which closes after one answer unless the handler keeps it.
///
///     let server = try LoopbackServer { request, connection in
///       connection.answer(200, "hello")
///     }
///     server.url("/x")        // http://127.0.0.1:40321/x
public final class LoopbackServer: Sendable {
  public struct Request: Sendable {
    public var method = ""
    public var target = ""
    /// Names in small letters.
    public var headers: [String: String] = [:]
    public var body: [UInt8] = []
    public var text: String { String(decoding: body, as: UTF8.self) }
    /// The target without its query.
    public var path: String { String(target.prefix { $0 != "?" }) }
  }

  public final class Connection: Sendable {
    public let descriptor: Int32
    private let isKept = Atomic(false)
    /// Whether the request that is answered is a HEAD.
    let isOfHead = Atomic(false)
    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// False when the other side is gone.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Bool {
      var rest = bytes[...]
      while !rest.isEmpty {
        // Safe: the call reads inside the slice.
        let count = unsafe rest.withUnsafeBytes {
          unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard count > 0 else { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }

    @discardableResult
    public func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    /// A whole answer with its length. To a HEAD it has no body: who goes on with the connection would take that for
    /// the next answer.
    public func answer(_ status: Int, _ body: [UInt8], _ headers: [String] = []) {
      let head = ["HTTP/1.1 \(status) Said", "Content-Length: \(body.count)"] + headers
      write(head.joined(separator: "\r\n") + "\r\n\r\n")
      if !isOfHead.load(ordering: .relaxed) { write(body) }
    }

    public func answer(_ status: Int, _ body: String, _ headers: [String] = []) {
      answer(status, Array(body.utf8), headers)
    }

    /// Another request may follow on it.
    public func keep() { isKept.store(true, ordering: .relaxed) }
    var wasKept: Bool { isKept.exchange(false, ordering: .relaxed) }

    /// Returns when the other side has closed it.
    public func awaitClose() {
      var byte: UInt8 = 0
      // Safe: one byte is written.
      while unsafe recv(descriptor, &byte, 1, 0) > 0 {}
    }
  }

  public let port: Int
  private let listener: Int32
  private let counts = Mutex((requests: [Request](), open: 0, accepted: 0))
  private let condition = NSCondition()

  public init(_ handler: @escaping @Sendable (Request, Connection) -> Void) throws {
    (listener, port) = try Self.listen()
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while true {
        let descriptor = accept4(listener)
        guard descriptor >= 0, let self else { return }
        change {
          $0.open += 1; $0.accepted += 1
        }
        Thread.detachNewThread { self.serve(Connection(descriptor), handler) }
      }
    }
  }

  deinit { shutdown(listener, Int32(SHUT_RDWR)); close(listener) }

  /// A socket that listens on 127.0.0.1, and its port.
  public static func listen(backlog: Int32 = 4096) throws -> (Int32, Int) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    // Safe: the address outlives the calls, and has the size that is said.
    let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        guard unsafe bind(listener, pointer, size) == 0, Glibc.listen(listener, backlog) == 0 else { return false }
        return unsafe getsockname(listener, pointer, &size) == 0
      }
    }
    guard listener >= 0, isBound else { throw POSIXError(.EADDRNOTAVAIL) }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }

  public func url(_ path: String = "/", host: String = "127.0.0.1") -> String { "http://\(host):\(port)\(path)" }

  /// All requests so far.
  public var requests: [Request] { counts.withLock { $0.requests } }
  /// Connections that are open now, and all that ever were.
  public var open: Int { counts.withLock { $0.open } }
  public var accepted: Int { counts.withLock { $0.accepted } }

  /// Waits until what the server has seen is as it should be; false after a minute.
  @discardableResult
  public func wait(_ holds: (LoopbackServer) -> Bool) -> Bool {
    let deadline = Date(timeIntervalSinceNow: 60)
    condition.lock()
    defer { condition.unlock() }
    while !holds(self) { if !condition.wait(until: deadline) { return holds(self) } }
    return true
  }

  private func change(_ body: (inout (requests: [Request], open: Int, accepted: Int)) -> Void) {
    condition.lock()
    counts.withLock { body(&$0) }
    condition.broadcast()
    condition.unlock()
  }

  private func serve(_ connection: Connection, _ handler: (Request, Connection) -> Void) {
    var buffer: [UInt8] = []
    while let request = Self.read(connection, &buffer) {
      change { $0.requests.append(request) }
      connection.isOfHead.store(request.method == "HEAD", ordering: .relaxed)
      handler(request, connection)
      if !connection.wasKept { break }
    }
    close(connection.descriptor)
    change { $0.open -= 1 }
  }

  private static func read(_ connection: Connection, _ buffer: inout [UInt8]) -> Request? {
    var end: Int?
    while true {
      end = (0..<max(0, buffer.count - 3)).first { buffer[$0..<$0 + 4].elementsEqual([13, 10, 13, 10]) }
      if end != nil || !fill(connection, &buffer) { break }
    }
    guard let end else { return nil }
    var request = Request()
    let lines = String(decoding: buffer[..<end], as: UTF8.self).components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ")
    request.method = String(words.first ?? "")
    request.target = words.count > 1 ? String(words[1]) : ""
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { request.headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
    }
    let length = Int(request.headers["content-length"] ?? "0") ?? 0
    while buffer.count < end + 4 + length, fill(connection, &buffer) {}
    request.body = Array(buffer[(end + 4)...].prefix(length))
    buffer.removeFirst(min(buffer.count, end + 4 + length))
    return request
  }

  private static func fill(_ connection: Connection, _ buffer: inout [UInt8]) -> Bool {
    var piece = [UInt8](repeating: 0, count: 65_536)
    // Safe: the call writes inside the array.
    let count = unsafe recv(connection.descriptor, &piece, piece.count, 0)
    guard count > 0 else { return false }
    buffer += piece[..<count]
    return true
  }
}

private func accept4(_ listener: Int32) -> Int32 {
  while true {
    let descriptor = accept(listener, nil, nil)
    if descriptor < 0, errno == EINTR || errno == ECONNABORTED { continue }
    if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    return descriptor
  }
}

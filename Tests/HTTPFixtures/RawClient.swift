import Foundation
import Glibc

/// A client that sends the bytes that it is told to, and reads what comes: over TCP or a Unix socket, with a deadline
/// for each wait.
package final class RawClient {
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
    package init(description: String) { self.description = description }
  }

  package struct Answer {
    package var status: Int
    /// Names in small letters.
    package var headers: [String: String]
    package var body: String
    /// All `Set-Cookie` fields.
    package var cookies: [String] = []

    package subscript(name: String) -> String? { headers[name] }
  }

  package let descriptor: Int32
  private var buffer: [UInt8] = []
  /// Seconds after which a wait is a failure: it only ever passes when something is wrong.
  static let patience: Int32 = 30

  package init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    // Safe: the pointer is to the local struct, of the size that is given.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else {
      close(descriptor)
      throw Failure(description: "port \(port) refuses (error \(errno))")
    }
  }

  package init(socket path: String) throws {
    descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < 108 else { throw Failure(description: "\(path) is too long for a client") }
    // Safe: the bytes fit, and the rest of the field is zero.
    let result = unsafe withUnsafeMutableBytes(of: &address) { raw in
      for (index, byte) in bytes.enumerated() { unsafe raw[2 + index] = byte }
      return unsafe connect(
        descriptor, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_un>.size))
    }
    guard result == 0 else {
      close(descriptor)
      throw Failure(description: "\(path) refuses (error \(errno))")
    }
  }

  deinit { close(descriptor) }

  /// Everything, as long as the other side takes it; false: it does not.
  @discardableResult
  package func send(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      // Safe: reads within the array.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// A request with the fields that every one needs.
  package func request(
    _ method: String, _ target: String, headers: [String] = [], host: String? = "127.0.0.1", body: String? = nil
  ) throws -> Answer {
    var text = "\(method) \(target) HTTP/1.1\r\n"
    if let host { text += "Host: \(host)\r\n" }
    for header in headers { text += header + "\r\n" }
    if let body {
      text += "Content-Length: \(body.utf8.count)\r\n"
      if !headers.contains(where: { $0.lowercased().hasPrefix("content-type") }) {
        text += "Content-Type: application/json\r\n"
      }
    }
    send(text + "\r\n" + (body ?? ""))
    return try answer(hasBody: method != "HEAD")
  }

  /// The next answer, whole.
  package func answer(hasBody: Bool = true) throws -> Answer {
    var answer = try head()
    if answer.status == 204 || answer.status == 304 || !hasBody { return answer }
    if let length = answer["content-length"].flatMap({ Int($0) }) {
      while buffer.count < length { try fill() }
      answer.body = String(decoding: buffer.prefix(length), as: UTF8.self)
      buffer.removeFirst(length)
    } else {
      while true {
        let chunk = try chunk()
        if chunk.isEmpty { break }
        answer.body += chunk
      }
    }
    return answer
  }

  /// The head of the next answer.
  package func head() throws -> Answer {
    let lines = try upTo("\r\n\r\n").components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ")
    guard words.count >= 2, let status = Int(words[1]) else { throw Failure(description: "no status: \(lines[0])") }
    var answer = Answer(status: status, headers: [:], body: "")
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      let value = parts[1].trimmingCharacters(in: .whitespaces)
      if parts[0].lowercased() == "set-cookie" { answer.cookies.append(value) }
      answer.headers[parts[0].lowercased()] = value
    }
    return answer
  }

  /// The next chunk of a stream; empty at its end.
  package func chunk() throws -> String {
    let size = try upTo("\r\n")
    guard let count = Int(size, radix: 16) else { throw Failure(description: "no size of a chunk: \(size)") }
    while buffer.count < count + 2 { try fill() }
    let text = String(decoding: buffer.prefix(count), as: UTF8.self)
    buffer.removeFirst(count + 2)
    return text
  }

  /// Chunks of a stream until what they have together satisfies `isEnough`.
  package func chunks(until isEnough: (String) -> Bool) throws -> String {
    var text = ""
    while !isEnough(text) {
      let next = try chunk()
      guard !next.isEmpty else { throw Failure(description: "the stream has ended after \(text)") }
      text += next
    }
    return text
  }

  /// Waits until the other side has closed; what comes before is dropped.
  package func awaitClose() throws {
    while true {
      buffer = []
      do { try fill() } catch let failure as Failure where failure.description == "closed" { return }
    }
  }

  private func upTo(_ mark: String) throws -> String {
    let mark = Array(mark.utf8)
    while true {
      if buffer.count >= mark.count {
        for start in 0...(buffer.count - mark.count) where Array(buffer[start..<start + mark.count]) == mark {
          let text = String(decoding: buffer[..<start], as: UTF8.self)
          buffer.removeFirst(start + mark.count)
          return text
        }
      }
      try fill()
    }
  }

  private func fill() throws {
    var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe: one local struct.
    guard unsafe poll(&asked, 1, Self.patience * 1_000) > 0 else { throw Failure(description: "nothing has come") }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    // Safe: writes within the array.
    let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { throw Failure(description: "closed") }
    buffer += bytes[..<count]
  }
}

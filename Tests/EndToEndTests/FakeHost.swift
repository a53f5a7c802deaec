import Foundation
import Glibc
import Synchronization

/// What answers at a socket of a state directory, and is no host of this version: canned answers, one a connection.
final class FakeHost: Sendable {
  private let listener: Int32

  /// - Parameter answer: status and body for the target of a request.
  init(at place: Place, _ answer: @escaping @Sendable (String) -> (status: Int, body: String)) throws {
    try FileManager.default.createDirectory(atPath: place.path + "/.moondial", withIntermediateDirectories: true)
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array((place.path + "/.moondial/host.sock").utf8)
    // Safe: the path is shorter than the field, whose rest is zero; the pointer is used in the call only.
    let isBound = unsafe withUnsafeMutableBytes(of: &address) { raw in
      let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
      for (index, byte) in path.enumerated() { unsafe raw[start + index] = byte }
      return unsafe bind(
        listener, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_un>.size))
        == 0
    }
    guard isBound, listen(listener, 16) == 0 else {
      throw HostProcess.Failure(description: "no socket for a fake host (error \(errno))")
    }
    Thread.detachNewThread { [listener] in
      while case let connection = accept(listener, nil, nil), connection >= 0 { Self.serve(connection, answer) }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private static func serve(_ connection: Int32, _ answer: (String) -> (status: Int, body: String)) {
    defer { close(connection) }
    var head: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while !String(decoding: head, as: UTF8.self).contains("\r\n\r\n") {
      // Safe: the buffer has that many bytes.
      let count = unsafe read(connection, &buffer, buffer.count)
      guard count > 0 else { return }
      head += buffer.prefix(count)
    }
    let target = String(decoding: head, as: UTF8.self).split(separator: " ").dropFirst().first.map(String.init) ?? ""
    let (status, body) = answer(target)
    let text =
      "HTTP/1.1 \(status) x\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
      + "Connection: close\r\n\r\n\(body)"
    let bytes = Array(text.utf8)
    // Safe: the array has that many bytes. A client that has gone needs no answer.
    _ = unsafe write(connection, bytes, bytes.count)
  }
}

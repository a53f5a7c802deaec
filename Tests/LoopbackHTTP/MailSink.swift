import Foundation
import Glibc
import Synchronization

/// A mail server on the loopback interface that takes everything: SMTP without TLS, for tests.
public final class MailSink: Sendable {
  public struct Message: Sendable {
    public var from = ""
    public var recipients: [String] = []
    public var user: String?
    public var lines: [String] = []
    public var text: String { lines.joined(separator: "\n") }
  }

  public let port: Int
  private let listener: Int32
  private let received = Mutex<[Message]>([])

  /// - Parameters:
  ///   - refusing: recipients that are refused.
  ///   - mute: it takes connections and says nothing.
  public init(refusing: Set<String> = [], mute: Bool = false) throws {
    (listener, port) = try LoopbackServer.listen()
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0, let self else { return }
        Thread.detachNewThread { self.serve(descriptor, refusing, mute) }
      }
    }
  }

  deinit { shutdown(listener, Int32(SHUT_RDWR)); close(listener) }

  public var messages: [Message] { received.withLock { $0 } }

  private func serve(_ descriptor: Int32, _ refusing: Set<String>, _ mute: Bool) {
    defer { close(descriptor) }
    let connection = LoopbackServer.Connection(descriptor)
    if mute { return connection.awaitClose() }
    connection.write("220 sink ESMTP\r\n")
    var buffer: [UInt8] = []
    var message = Message()
    var isData = false
    while let line = Self.line(descriptor, &buffer) {
      if isData {
        if line == "." {
          isData = false
          received.withLock { [message] in $0.append(message) }
          connection.write("250 taken\r\n")
        } else {
          message.lines.append(line.hasPrefix(".") ? String(line.dropFirst()) : line)
        }
        continue
      }
      let word = line.uppercased()
      if word.hasPrefix("EHLO") {
        connection.write("250-sink\r\n250-AUTH PLAIN\r\n250 SIZE 100000000\r\n")
      } else if word.hasPrefix("AUTH PLAIN") {
        var answer = line.split(separator: " ").dropFirst(2).last.map(String.init)
        if answer == nil {
          connection.write("334 \r\n")
          answer = Self.line(descriptor, &buffer)
        }
        let text = answer.flatMap { Data(base64Encoded: $0) } ?? Data()
        message.user = String(decoding: text.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
        connection.write("235 fine\r\n")
      } else if word.hasPrefix("MAIL FROM") {
        message.from = Self.address(line)
        connection.write("250 fine\r\n")
      } else if word.hasPrefix("RCPT TO") {
        let address = Self.address(line)
        if refusing.contains(address) {
          connection.write("550 no such box\r\n")
        } else {
          message.recipients.append(address)
          connection.write("250 fine\r\n")
        }
      } else if word.hasPrefix("DATA") {
        isData = true
        connection.write("354 go on\r\n")
      } else if word.hasPrefix("QUIT") {
        connection.write("221 bye\r\n")
        return
      } else {
        connection.write("250 fine\r\n")
      }
    }
  }

  private static func address(_ line: String) -> String {
    String(line.drop { $0 != "<" }.dropFirst().prefix { $0 != ">" })
  }

  private static func line(_ descriptor: Int32, _ buffer: inout [UInt8]) -> String? {
    while true {
      if let end = buffer.firstIndex(of: 10) {
        defer { buffer.removeFirst(end + 1) }
        return String(decoding: buffer[..<end].filter { $0 != 13 }, as: UTF8.self)
      }
      var piece = [UInt8](repeating: 0, count: 65_536)
      // Safe: the call writes inside the array.
      let count = unsafe recv(descriptor, &piece, piece.count, 0)
      guard count > 0 else { return nil }
      buffer += piece[..<count]
    }
  }
}

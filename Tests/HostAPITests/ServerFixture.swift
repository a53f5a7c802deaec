import Chronology
import Foundation
import HTTPFixtures
import Hosting
import JobModel
import Synchronization

@testable import HostAPI

/// A server over a stub, on a free port and a socket in a directory of its own.
final class ServerFixture {
  let control = StubControl()
  let server: HostServer
  let log = CollectedLog()
  let directory: URL
  var socket: String { directory.appendingPathComponent("host.sock").path }
  let port: Int
  static let reader = "reader-token-0123456789"
  static let operator_ = "operator-token-0123456789"

  init(names: [String] = [], _ change: (inout ServerLimits) -> Void = { _ in }) throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent(
      "moondial-api-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    var settings = HostServer.Settings()
    settings.socket = directory.appendingPathComponent("host.sock").path
    settings.listen = ("127.0.0.1", 0)
    settings.names = names
    settings.version = "1.2.3"
    settings.tokens = [
      AccessToken(name: "grafana", role: .read, hash: CredentialHash(of: Self.reader)),
      AccessToken(name: "deploy", role: .operate, hash: CredentialHash(of: Self.operator_)),
    ]
    change(&settings.limits)
    server = HostServer(control, settings, log: log)
    server.start()
    port = server.url.flatMap { URL(string: $0)?.port } ?? 0
  }

  deinit {
    control.events.stop()
    control.lines.stop()
    server.stop()
    try? FileManager.default.removeItem(at: directory)
  }

  func client() throws -> RawClient { try RawClient(port: port) }
  func socketClient() throws -> RawClient { try RawClient(socket: socket) }

  static let reads = "Authorization: Bearer \(reader)"
  static let operates = "Authorization: Bearer \(operator_)"
}

/// Lines of the host.
final class CollectedLog: HostLog {
  let lines = Mutex<[String]>([])
  var now: Instant { Instant(seconds: 0) }
  var threshold: LogLevel { .debug }
  func write(_ line: LogLine) { lines.withLock { $0.append("\(line.level.rawValue) \(line.message)") } }
}

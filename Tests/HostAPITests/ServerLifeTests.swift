import Foundation
import Glibc
import HTTPFixtures
import Synchronization
import Testing

@testable import HostAPI

/// The socket's file, the port, the end.
@Suite("The server's life", .timeLimit(.minutes(5)))
struct ServerLifeTests {
  @Test("the socket is its owner's alone, answers, and goes with the host")
  func socket() throws {
    let fixture = try ServerFixture()
    let attributes = try FileManager.default.attributesOfItem(atPath: fixture.socket)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    #expect(try fixture.socketClient().request("GET", "/api/v1/status", host: "anything").status == 200)
    fixture.server.stop()
    #expect(!FileManager.default.fileExists(atPath: fixture.socket))
    #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.directory.path) == [])
  }

  @Test("who connects before the host has begun is answered when it has")
  func early() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
      "moondial-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    var settings = HostServer.Settings()
    settings.socket = directory.appendingPathComponent("host.sock").path
    let (control, log) = (StubControl(), CollectedLog())
    let server = HostServer(control, settings, log: log)
    server.listen()
    let client = try RawClient(socket: settings.socket!)
    client.send("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    #expect(control.orders.withLock { $0 } == [] && log.lines.withLock { $0 } == [])
    server.serve()
    #expect(try client.answer().status == 200)
    server.stop()
  }

  @Test("what a killed host has left is replaced; a host that answers keeps its socket")
  func stale() throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
      "moondial-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let path = directory.appendingPathComponent("host.sock").path
    let first = try SocketFile(at: path)
    #expect { _ = try SocketFile(at: path) } throws: { "\($0)".contains("another host answers") }
    // As after kill -9: nobody listens, the file is there.
    close(first.descriptor)
    let second = try SocketFile(at: path)
    // The first one's end does not take what is another's.
    first.remove()
    #expect(FileManager.default.fileExists(atPath: path))
    second.remove()
    close(second.descriptor)
    #expect(!FileManager.default.fileExists(atPath: path))
    // A file that is no socket is replaced as well: the name is the host's.
    try "x".write(toFile: path, atomically: true, encoding: .utf8)
    let third = try SocketFile(at: path)
    third.remove()
    close(third.descriptor)
  }

  @Test("a path that is longer than an address may be is reached through its directory")
  func longPath() throws {
    let root = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString.prefix(8))")
    let directory = root.appendingPathComponent(String(repeating: "d", count: 120))
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: root) }
    let path = directory.appendingPathComponent("host.sock").path
    let file = try SocketFile(at: path)
    defer { close(file.descriptor) }
    let descriptor = unsafe open(directory.path, O_RDONLY | O_DIRECTORY)
    defer { close(descriptor) }
    #expect(throws: Never.self) { _ = try RawClient(socket: "/proc/self/fd/\(descriptor)/host.sock") }
    file.remove()
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("a port that is taken is one warning, and the host runs without it")
  func takenPort() throws {
    let first = try ServerFixture()
    let log = CollectedLog()
    var settings = HostServer.Settings()
    settings.listen = ("127.0.0.1", first.port)
    let second = HostServer(first.control, settings, log: log)
    second.start()
    #expect(
      log.lines.withLock { $0 } == [
        "warn http.listen 127.0.0.1:\(first.port): another program listens there; the host runs without it (choose "
          + "another one, or false)"
      ])
    #expect(second.url == nil && second.makeLink() == nil)
    second.stop()
  }

  @Test("its end answers what it was asked, ends streams, and takes no more")
  func end() throws {
    let fixture = try ServerFixture()
    let stream = try fixture.client()
    stream.send("GET /api/v1/log/stream HTTP/1.1\r\nHost: localhost\r\n\(ServerFixture.reads)\r\n\r\n")
    #expect(try stream.head().status == 200)
    let idle = try fixture.client()
    fixture.server.stop()
    try stream.awaitClose()
    try idle.awaitClose()
    #expect(throws: RawClient.Failure.self) { _ = try fixture.client() }
  }
}

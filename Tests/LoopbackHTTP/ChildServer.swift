import Foundation
import Glibc

/// A program of the system that serves during a test, such as python3 or nghttpd; killed when this goes.
public final class ChildServer: @unchecked Sendable {
  // @unchecked: the process is started in init and killed in deinit.
  private let process: Process
  /// The first line that it wrote.
  public let firstLine: String

  /// The path of a program, when it is there.
  public static func path(of program: String) -> String? {
    // The system's own first: a shim in front of it would be killed in its place.
    let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let places: [String] = ["/usr/bin", "/bin", "/usr/sbin"] + path.split(separator: ":").map(String.init)
    return places.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// Starts it, and waits for its first line.
  public init(_ program: String, _ arguments: [String]) throws {
    process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    var line: [UInt8] = []
    while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != 10 { line.append(byte) }
    firstLine = String(decoding: line, as: UTF8.self)
  }

  deinit {
    // Not SIGTERM: a thread of tests may have it blocked, and its children with it.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Runs a program to its end; whether it succeeded.
  public static func run(_ program: String, _ arguments: [String]) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }

  /// Makes `NAME.pem` (certificate) and `NAME.key` in a directory by openssl, for `127.0.0.1`, `localhost` and
  /// `tls.test`.
  public static func certificate(_ name: String, in directory: String) throws -> Bool {
    guard let openssl = path(of: "openssl") else { return false }
    return try run(
      openssl,
      [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:tls.test",
        "-keyout", "\(directory)/\(name).key", "-out", "\(directory)/\(name).pem",
      ])
  }

  /// Python's own server with TLS in front; it answers each GET with "secure" and the client's name, if it had one.
  public static func secure(in directory: String, askingClients: Bool = false) throws -> ChildServer? {
    guard let python = path(of: "python3"), try certificate("server", in: directory),
      try certificate("client", in: directory)
    else { return nil }
    let script = """
      import http.server, ssl, sys
      class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
          peer = self.connection.getpeercert()
          name = dict(x[0] for x in peer["subject"])["commonName"] if peer else "nobody"
          body = ("secure " + name).encode()
          self.send_response(200)
          self.send_header("Content-Length", str(len(body)))
          self.end_headers()
          self.wfile.write(body)
        def log_message(self, *a): pass
      server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
      context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
      context.load_cert_chain("\(directory)/server.pem", "\(directory)/server.key")
      if \(askingClients ? "True" : "False"):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations("\(directory)/client.pem")
      server.socket = context.wrap_socket(server.socket, server_side=True)
      print(server.server_port, flush=True)
      server.serve_forever()
      """
    return try ChildServer(python, ["-c", script])
  }
}

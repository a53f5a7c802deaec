internal import HostAPI
package import Hosting
internal import JobModel
public import MoondialScheduler
internal import ScriptLoading
internal import Synchronization

extension Scheduler {
  /// Serves the HTTP API of this scheduler, as `moondial run` does (docs/http-api.md): jobs, runs, orders, events,
  /// `/metrics`, over a socket and over TCP.
  ///
  ///     let server = try scheduler.serve(http)
  ///     try scheduler.start()
  ///     print(server.url ?? "no TCP")
  ///
  /// Before the start it begins with the first jobs, after the start at once; it ends with the scheduler, when nothing
  /// runs any more. An address that cannot be had is a warning in the scheduler's log, and the scheduler runs without.
  /// Blocks, once the scheduler runs, until it listens.
  ///
  /// Throws what is wrong with the options, and after the scheduler has stopped.
  @discardableResult
  public func serve(_ options: HTTPOptions) throws(SchedulerError) -> HTTPServer {
    let server = try HTTPServer(options)
    try attach(server)
    return server
  }
}

/// The HTTP server of a scheduler.
///
/// Threading: any thread.
public final class HTTPServer: SchedulerCompanion {
  private let options: HTTPOptions
  private let listen: (host: String, port: Int)?
  private let server = Mutex<HostServer?>(nil)

  init(_ options: HTTPOptions) throws(SchedulerError) {
    self.options = options
    listen =
      if let text = options.listen {
        try HTTPServer.address(text)
      } else { nil }
    if let token = options.tokens.first(where: { $0.token.utf8.count < 16 }) {
      throw SchedulerError(.invalid, "the HTTP token \"\(token.name)\" is shorter than 16 bytes: make a random one")
    }
  }

  private static func address(_ text: String) throws(SchedulerError) -> (host: String, port: Int) {
    guard let address = HTTPConfiguration(listen: text) else {
      throw SchedulerError(
        .invalid, "HTTPOptions.listen must be \"HOST:PORT\" like \"127.0.0.1:8047\", not \"\(text)\"")
    }
    return (address.host, address.port)
  }

  /// Where browsers and programs find it: `http://127.0.0.1:8047`. nil: nowhere, or the scheduler does not run.
  public var url: String? { server.withLock { $0?.url } }

  /// A link that lets a browser in, once and within 10 minutes. nil where there is no ``url``.
  public func makeLink() -> String? { server.withLock { $0?.makeLink() } }

  // MARK: With the scheduler

  package func begin(_ assembly: SchedulerAssembly) {
    var settings = HostServer.Settings()
    if let directory = options.stateDirectory {
      do {
        _ = try StateDirectory(making: directory)
        settings.socket = directory + "/host.sock"
      } catch { assembly.log.write(.warn, "no commands can reach this scheduler: \(error)") }
    }
    settings.listen = listen
    settings.names = options.hosts
    settings.tokens = options.tokens.map { token in
      AccessToken(
        name: token.name, role: token.role == .read ? .read : .operate, hash: CredentialHash(of: token.token))
    }
    settings.version = MoondialVersion.text
    settings.zone = assembly.zone
    let server = HostServer(assembly.control, settings, log: assembly.log)
    self.server.withLock { $0 = server }
    server.start()
  }

  package func end() { self.server.withLock { $0.take() }?.stop() }
}

internal import Glibc
internal import Basics
internal import CLinux
package import Chronology
internal import Dispatch
package import Hosting
internal import HummingbirdCore
internal import JobModel
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A host's HTTP server: the socket in its state directory, and a TCP port as configured.
///
///     let server = HostServer(control, settings, log: log)
///     server.start()           // says in the log what it cannot have; the host runs without
///     server.stop()
///
/// One thread serves all connections: it sleeps while nobody asks, and answers are made on it. Whatever the host has to
/// do for an answer happens on the host's threads; none of them waits for a client.
///
/// Threading: any thread. `start` and `stop` block, each once.
package final class HostServer: Sendable {
  /// Where and for whom. Plain values.
  package struct Settings: Sendable {
    /// The path of the socket; nil: none.
    package var socket: String?
    /// nil: no TCP.
    package var listen: (host: String, port: Int)?
    /// Further names of the host.
    package var names: [String] = []
    package var tokens: [AccessToken] = []
    package var version = ""
    /// In which streams show times.
    package var zone = TimeZoneRules.utc
    package var limits = ServerLimits()

    package init() {}
  }

  private let settings: Settings
  private let log: any HostLog
  private let credentials: Credentials
  private let responder: APIResponder
  private let connections: Connections
  private let address: BoundAddress
  private let state = Mutex(State())

  private struct State: Sendable {
    var group: MultiThreadedEventLoopGroup?
    /// Of the group's one event loop.
    var executor: LoopExecutor?
    var listeners: [any Channel] = []
    var file: SocketFile?
    /// Why there is no socket.
    var warning: String?
  }

  package init(_ control: any HostControl, _ settings: Settings, log: any HostLog) {
    self.settings = settings
    self.log = log
    let credentials = Credentials(tokens: settings.tokens)
    self.credentials = credentials
    let address = BoundAddress()
    self.address = address
    let routes = Routes.all(
      RouteContext(
        control: control, version: settings.version, credentials: credentials, zone: settings.zone,
        address: { address.url }))
    responder = APIResponder(
      RouteTable(routes), Once { [version = settings.version] in APIDescription(routes, version: version) },
      RequestGate(credentials, names: settings.names), settings.limits)
    connections = Connections(settings.limits)
  }

  /// Where browsers find the host, once it listens: `http://127.0.0.1:8047`.
  package var url: String? { address.url }

  /// A link that lets a browser in, once; nil without TCP.
  package func makeLink() -> String? { url.map { "\($0)/login?code=\(credentials.makeLink(.operate))" } }

  /// From now on these tokens are good, and no others.
  package func use(tokens: [AccessToken]) { credentials.use(tokens: tokens) }

  // MARK: Life

  /// Listens and serves.
  package func start() {
    listen()
    serve()
  }

  /// From now on the socket is there; who connects waits for `serve`.
  package func listen() {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    group.any().execute { linux_run_later() }
    let executor = LoopExecutor(group.any())
    let warning = settings.socket.flatMap { listen(group, executor, at: $0) }
    state.withLock { state in
      state.group = group
      state.executor = executor
      state.warning = warning
    }
  }

  /// After `listen`: begins to answer, over TCP as well. What cannot be had is one warning.
  package func serve() {
    let (group, executor, socket, warning) = state.withLock {
      ($0.group, $0.executor, $0.listeners.first, $0.warning)
    }
    guard let group, let executor else { return }
    // First, so that who is answered over the socket finds all of it.
    let warnings = [warning, settings.listen.flatMap { listenTCP(group, executor, $0.host, $0.port) }]
    // A listener that has been closed meanwhile takes in nobody.
    try? socket?.setOption(.autoRead, value: true).wait()
    for case let warning? in warnings { log.write(.warn, warning) }
  }

  /// - Returns: why there is none; nil: it listens.
  private func listen(
    _ group: MultiThreadedEventLoopGroup, _ executor: LoopExecutor, at path: String
  ) -> String? {
    do {
      let file = try SocketFile(at: path)
      state.withLock { $0.file = file }
      let channel = try bootstrap(group, executor, at: .socket).withBoundSocket(file.descriptor).wait()
      state.withLock { $0.listeners.append(channel) }
      return nil
    } catch {
      return "no commands can reach this host: \(error)"
    }
  }

  private func listenTCP(
    _ group: MultiThreadedEventLoopGroup, _ executor: LoopExecutor, _ host: String, _ port: Int
  ) -> String? {
    do {
      let wanted = try HostServer.resolve(host, port)
      // The port that the system chose is known only afterwards: it is asked for when somebody comes.
      let channel = try ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: Self.backlog)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.allowRemoteHalfClosure, value: true)
        .childChannelOption(.socketOption(.so_keepalive), value: 1)
        .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { [self] channel in
          accept(channel, at: .tcp(port: channel.localAddress?.port ?? port), executor)
        }
        .bind(to: wanted).wait()
      address.set(host, channel.localAddress?.port ?? port)
      state.withLock { $0.listeners.append(channel) }
      return nil
    } catch {
      let text = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
      let advice = "the host runs without it (choose another one, or false)"
      return "http.listen \(text): \(HostServer.reason(error)); \(advice)"
    }
  }

  /// No new connections; those that are served get their answers, within two seconds.
  package func stop() {
    let (group, listeners, file) = state.withLock { state in
      defer { state = State() }
      return (state.group, state.listeners, state.file)
    }
    guard let group else { return }
    // The file first: who looks now finds no host.
    file?.remove()
    // Nobody waits for them without an end: the thread may be busy with an answer.
    for listener in listeners { listener.close(promise: nil) }
    responder.stop()
    // With a task left its event loop must stay.
    guard connections.close(patience: settings.limits.lingerTime) else { return }
    // Its end takes a thread of Dispatch's, which the system may refuse for ever: what is left ends with the process.
    let isOver = DispatchSemaphore(value: 0)
    group.shutdownGracefully { _ in isOver.signal() }
    _ = isOver.wait(timeout: .now() + 1)
  }

  /// Connections that wait to be accepted: as many as may be served, since what finds no room there is reset when it
  /// sends its request.
  private static let backlog: Int32 = 2_048

  // MARK: Connections

  private func bootstrap(
    _ group: MultiThreadedEventLoopGroup, _ executor: LoopExecutor, at door: Door
  ) -> ServerBootstrap {
    ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: Self.backlog)
      // Until `serve`.
      .serverChannelOption(.autoRead, value: false)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { [self] channel in accept(channel, at: door, executor) }
  }

  private func accept(
    _ channel: any Channel, at door: Door, _ executor: LoopExecutor
  ) -> EventLoopFuture<Void> {
    guard door == .socket, let options = channel as? any SocketOptionProvider else {
      return open(channel, at: door, executor)
    }
    // The mode of the socket's file lets in whoever has the host's user, which worker processes may have.
    let name = NIOBSDSocket.Option(rawValue: SO_PEERCRED)
    // Safe: the kernel gives this option as three numbers of 32 bits, which the struct has.
    let peer: EventLoopFuture<Peer> = options.unsafeGetSocketOption(level: .socket, name: name)
    return peer.flatMap { [self] peer in
      ForeignGroups.mayHave(peer.process) ? channel.close() : open(channel, at: door, executor)
    }
  }

  private func open(
    _ channel: any Channel, at door: Door, _ executor: LoopExecutor
  ) -> EventLoopFuture<Void> {
    guard connections.enter(channel, isSocket: door == .socket) else { return channel.close() }
    let limits = settings.limits
    var decoder = HTTP1Channel.Configuration.DecoderConfiguration()
    decoder.maxHeaderFieldSize = limits.headBytes
    decoder.maxHeaderListSize = limits.headBytes
    decoder.maxHeaderFieldCount = limits.headFields
    let http = HTTP1Channel(
      responder: { [responder] request, writer, channel in
        let response = await responder.respond(to: request, at: door, on: channel)
        try await writer.write(response: response.head, body: response.body)
      },
      configuration: HTTP1Channel.Configuration(
        additionalChannelHandlers: [ConnectionGuard(limits)], idleTimeout: nil, httpDecoderConfiguration: decoder))
    let logger = Self.logger
    return http.setup(channel: channel, logger: logger).map { [connections] value in
      // On the global executor nothing runs: its first task would start threads that wake up every second.
      let task = Task(executorPreference: executor) {
        await http.handle(value: value, logger: logger)
        connections.leave(channel)
      }
      connections.serve(channel, by: task)
    }.flatMapError { [connections] error in
      connections.leave(channel)
      return channel.eventLoop.makeFailedFuture(error)
    }
  }

  /// The library's own lines say nothing that an operator could use.
  private static let logger = Logger(label: "moondial.http", factory: { _ in SwiftLogNoOpLogHandler() })

  private static func resolve(_ host: String, _ port: Int) throws -> SocketAddress {
    if let address = try? SocketAddress(ipAddress: host, port: port) { return address }
    return try SocketAddress.makeAddressResolvingHost(host, port: port)
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let error as IOError where error.errnoCode == EADDRINUSE: "another program listens there"
    case let error as IOError where error.errnoCode == EACCES: "this user may not listen there"
    case let error as IOError where error.errnoCode == EADDRNOTAVAIL: "this machine has no such address"
    case is SocketAddressError: "there is no such name"
    default: "\(error)"
    }
  }
}

/// Who connected to a Unix socket, as unix(7) has it (`struct ucred`).
private struct Peer: Sendable {
  var process: Int32
  var user: UInt32
  var group: UInt32
}

/// Where the server listens, once it does.
private final class BoundAddress: Sendable {
  private let value = Mutex<String?>(nil)

  var url: String? { value.withLock { $0 } }

  func set(_ host: String, _ port: Int) {
    // Every address is reached by the machine's own.
    let name = host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host.contains(":") ? "[\(host)]" : host
    value.withLock { $0 = "http://\(name):\(port)" }
  }
}

import Foundation
import Glibc
import TestSupport

/// A way to a server that loses, holds or delays what a test wants: it listens on a socket of its own, and hands on
/// both directions.
///
///     let proxy = try PostgresProxy(to: server)
///     let store = try PostgresStore(StoreAddress(proxy.url(of: address)))
///     proxy.next = .loseAnswer          // the next answer of the server, and the connection with it
///
/// Threading: any thread.
public final class PostgresProxy: @unchecked Sendable {
  // @unchecked: all that changes is behind `lock`.

  /// What happens to what comes next, once.
  public enum Accident: Sendable {
    /// What a client sends does not arrive, and its connection breaks.
    case loseRequest
    /// What the server answers does not arrive, and the connection breaks.
    case loseAnswer
    /// What the server answers arrives when ``letGo()`` is called.
    case holdAnswer
  }

  public let directory: String
  private let home: TemporaryDirectory
  private let server: String
  private let listener: Int32
  private let lock = NSCondition()
  private var pending: Accident?
  private var isHolding = false
  private var mayGo = false
  private var isStalled = false
  private var pause = 0.0
  /// Of connections: each ``mend()`` breaks those that were there before.
  private var generation = 0

  public init(to server: PostgresServer) throws {
    home = try TemporaryDirectory()
    directory = home.path
    self.server = server.directory + "/.s.PGSQL.5432"
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    // Safe: the address lives for the length of the call.
    let isBound = unsafe Self.withAddress(directory + "/.s.PGSQL.5432") { [listener] in
      unsafe bind(listener, $0, $1) == 0
    }
    guard isBound, listen(listener, 16) == 0 else { throw PostgresServer.Failure(description: "no socket") }
    Thread.detachNewThread { [weak self, listener] in
      while true {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return }
        guard let self else { break }
        self.serve(client)
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  /// The address of a server's database, by this way.
  public func url(of address: String) -> String {
    address.replacingOccurrences(
      of: "?host=" + (server as NSString).deletingLastPathComponent, with: "?host=" + directory)
  }

  public var next: Accident? {
    get { lock.withLock { pending } }
    set {
      lock.withLock {
        pending = newValue; mayGo = false
      }
    }
  }

  /// Returns when an answer is held.
  public func awaitHolding() {
    lock.lock()
    while !isHolding { lock.wait() }
    lock.unlock()
  }

  /// Hands on the answer that is held.
  public func letGo() {
    lock.withLock {
      mayGo = true
      lock.broadcast()
    }
  }

  // MARK: What happens to all that comes

  /// Seconds that each piece takes on its way, in both directions.
  public var delay: Double {
    get { lock.withLock { pause } }
    set {
      lock.withLock {
        pause = newValue
        lock.broadcast()
      }
    }
  }

  /// From now on nothing passes, and neither end is told: a half-open link. New connections are taken, and hear
  /// nothing.
  public func stall() { lock.withLock { isStalled = true } }

  /// New connections pass again. Those from before are broken with the next piece that one of their ends sends, or has
  /// sent meanwhile.
  public func mend() {
    lock.withLock {
      isStalled = false
      generation += 1
      lock.broadcast()
    }
  }

  /// Waits as long as the link holds a piece up. False: the connection is broken.
  private func letsThrough(_ born: Int) -> Bool {
    let came = Date()
    lock.lock()
    defer { lock.unlock() }
    // Who takes the delay away lets it through.
    while pause > 0, lock.wait(until: came.addingTimeInterval(pause)) {}
    while isStalled { lock.wait() }
    return generation == born
  }

  private func take(_ accident: Accident) -> Bool {
    lock.withLock {
      guard pending == accident else { return false }
      pending = nil
      return true
    }
  }

  private func hold() {
    lock.lock()
    isHolding = true
    lock.broadcast()
    while !mayGo { lock.wait() }
    isHolding = false
    lock.unlock()
  }

  private func serve(_ client: Int32) {
    let upstream = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    // Safe: the address lives for the length of the call.
    guard unsafe Self.withAddress(server, { unsafe connect(upstream, $0, $1) == 0 }) else {
      close(client)
      close(upstream)
      return
    }
    let end = Ends(client, upstream)
    let born = lock.withLock { generation }
    Thread.detachNewThread { [weak self] in
      Self.pump(client, upstream) { self?.letsThrough(born) != false && self?.take(.loseRequest) != true }
      end.finish()
    }
    Thread.detachNewThread { [weak self] in
      Self.pump(upstream, client) {
        if self?.take(.holdAnswer) == true { self?.hold() }
        return self?.letsThrough(born) != false && self?.take(.loseAnswer) != true
      }
      end.finish()
    }
  }

  /// Two descriptors that are shut by whoever ends first, and closed by whoever ends last.
  private final class Ends: @unchecked Sendable {
    // @unchecked: the count is behind the lock.
    private let lock = NSLock()
    private let descriptors: [Int32]
    private var left = 2
    init(_ descriptors: Int32...) { self.descriptors = descriptors }
    func finish() {
      lock.withLock {
        left -= 1
        for descriptor in descriptors {
          shutdown(descriptor, Int32(SHUT_RDWR))
          if left == 0 { close(descriptor) }
        }
      }
    }
  }

  private static func pump(_ from: Int32, _ to: Int32, _ passes: () -> Bool) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Safe: reads at most as many bytes as the buffer has.
      let count = unsafe read(from, &buffer, buffer.count)
      guard count > 0, passes() else { return }
      var sent = 0
      while sent < count {
        // Safe: of the bytes that were read, those that were not sent.
        let more = unsafe buffer.withUnsafeBytes {
          unsafe send(to, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL))
        }
        guard more > 0 else { return }
        sent += more
      }
    }
  }

  private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Bool) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // Safe: the bytes of a local, for the length of the calls; it begins as every address of a socket does.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8) + [0]) }
    return unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}

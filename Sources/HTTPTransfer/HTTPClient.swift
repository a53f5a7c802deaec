internal import Basics
internal import CCurl
internal import Glibc

/// All HTTP of a host: libcurl's multi interface on one thread, `moondial-http`.
///
///     let number = client.start(request) { result in … }
///     client.cancel(number)
///
/// The thread starts with the first request, sleeps until something happens, and ends with its kept connections when it
/// has had nothing to do for some seconds. Requests beyond the descriptors that the process may have wait for their
/// turn.
///
/// Threading: everything may be called from any thread; completions come on the client's thread, or in `start`.
package final class HTTPClient: Sendable {
  /// Debian's bundle of the authorities that the system trusts.
  package static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"
  package typealias Completion = @Sendable (Result<HTTPResponse, HTTPFailure>) -> Void

  enum Order: Sendable {
    case start(Int, HTTPRequest, Completion)
    case cancel(Int)
    case goOn(Int)
    case resolved(Int, lookup: Int, host: NameResolver.Answer, proxy: NameResolver.Answer?)
  }

  @safe struct Inbox: @unchecked Sendable {  // the pointer is used under the lock only, and nil when it is freed
    var orders: [Order] = []
    var nextNumber = 0
    var thread: NamedThread?
    var multi: UnsafeMutableRawPointer?
    var isStopped = false
    /// Requests that have not ended.
    var open = 0
  }

  let inbox = Monitor(Inbox())
  let resolver: NameResolver
  private let idleAfter: Int64

  /// - Parameter idleAfter: nanoseconds without a request after which the thread ends.
  package init(resolver: NameResolver = NameResolver(), idleAfter: Int64 = 10_000_000_000) {
    self.resolver = resolver
    self.idleAfter = idleAfter
  }

  /// Requests that have not ended. For tests.
  package var count: Int { inbox.withLock { $0.open } }
  /// Returns when that many are open. For tests.
  package func waitForCount(_ count: Int) { _ = inbox.wait { $0.open == count ? () : nil } }
  /// Whether the thread is there.
  package var hasThread: Bool { inbox.withLock { $0.thread != nil } }

  /// Starts a request soon. `completion` comes once, unless it is cancelled or `stop` comes first.
  ///
  /// - Returns: a number for `cancel`; nil when there is no thread for it (the host is stopping, or out of threads).
  package func start(_ request: HTTPRequest, completion: @escaping Completion) -> Int? {
    inbox.withLock { inbox in
      guard hasThread(&inbox) else { return nil }
      inbox.nextNumber += 1
      inbox.open += 1
      inbox.orders.append(.start(inbox.nextNumber, request, completion))
      wake(inbox)
      return inbox.nextNumber
    }
  }

  /// Nobody wants the answer any more: the connection is closed. A number that is not (or no longer) in use is ignored.
  package func cancel(_ number: Int) { order(.cancel(number)) }

  func order(_ order: Order) {
    inbox.withLock { inbox in
      guard inbox.thread != nil else { return }
      inbox.orders.append(order)
      wake(inbox)
    }
  }

  private func wake(_ inbox: borrowing Inbox) {
    // Safe: set and freed under this lock.
    if let multi = unsafe inbox.multi { unsafe curl_multi_wakeup(multi) }
  }

  private func hasThread(_ inbox: inout Inbox) -> Bool {
    guard !inbox.isStopped else { return false }
    guard inbox.thread == nil else { return true }
    guard Self.isReady, let multi = unsafe curl_multi_init() else { return false }
    unsafe moon_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 64)
    let made = unsafe SentHandle(multi: multi)
    inbox.thread = try? NamedThread("moondial-http", stackSize: 1 << 20) { [self] in
      unsafe HTTPLoop(self, made.multi, idleAfter: idleAfter).run()
    }
    // Not to have a thread is the answer of `start`.
    guard inbox.thread != nil else {
      unsafe curl_multi_cleanup(multi)
      return false
    }
    unsafe inbox.multi = multi
    return true
  }

  /// libcurl's global state, once in a process.
  static let isReady = curl_global_init(Int(CURL_GLOBAL_SSL | CURL_GLOBAL_WIN32)) == CURLE_OK

  /// Ends all requests, and returns when the thread has ended. Twice is fine.
  package func stop() {
    let thread = inbox.withLock { inbox in
      inbox.isStopped = true
      wake(inbox)
      return inbox.thread
    }
    thread?.join()
    inbox.withLock { $0.thread = nil }
    resolver.stop()
  }
}

/// A pointer on its way to the thread that owns it from then on.
@safe private struct SentHandle: @unchecked Sendable {
  let multi: UnsafeMutableRawPointer
  init(multi: UnsafeMutableRawPointer) { unsafe self.multi = multi }
}

internal import Basics
internal import CCurl
internal import Glibc

/// The client's thread: takes orders, lets libcurl work, looks at the clock.
@safe final class HTTPLoop {  // `multi` is this thread's, from its beginning to its end
  private let client: HTTPClient
  private let multi: UnsafeMutableRawPointer
  private let idleAfter: Int64
  private var exchanges: [Int: Exchange] = [:]
  /// Those that wait for their turn, in order.
  private var queue = Queue<Int>()
  private var active = 0
  private var ended = 0
  /// How many may be under way: each has a descriptor, the rest of the host has some.
  private let most: Int
  private var idleSince: Int64

  init(_ client: HTTPClient, _ multi: UnsafeMutableRawPointer, idleAfter: Int64) {
    self.client = client
    unsafe self.multi = multi
    self.idleAfter = idleAfter
    idleSince = monotonicNow()
    var limit = rlimit()
    // Safe: the call writes that one struct.
    let known = unsafe getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0
    most = known ? max(8, Int(clamping: limit.rlim_cur / 4 * 3) - 100) : 500
  }

  func run() {
    while true {
      if obeyAll() { return end() }
      startQueued()
      var running: Int32 = 0
      // Safe: this thread's own handle.
      unsafe curl_multi_perform(multi, &running)
      takeResults()
      let now = monotonicNow()
      expire(at: now)
      startQueued()
      tellEnded()
      if !exchanges.isEmpty { idleSince = now }
      if now - idleSince >= idleAfter, endIfIdle() { return }
      let next = min(
        exchanges.values.lazy.map(\.deadline).min() ?? .max, exchanges.isEmpty ? idleSince + idleAfter : .max)
      let wait = next == .max ? 60_000 : max(0, (next - monotonicNow() + 999_999) / 1_000_000)
      // Safe: as above. Wakes early for what `curl_multi_wakeup` tells.
      unsafe curl_multi_poll(multi, nil, 0, Int32(clamping: min(wait, 60_000)), nil)
    }
  }

  // MARK: Orders

  /// True when the client is to stop.
  private func obeyAll() -> Bool {
    let (orders, isStopped) = client.inbox.withLock { inbox in
      defer { inbox.orders = [] }
      return (inbox.orders, inbox.isStopped)
    }
    for order in orders { obey(order) }
    return isStopped
  }

  /// Counts those that have ended since the last turn: nothing of them is held any more.
  private func tellEnded() {
    guard ended > 0 else { return }
    client.inbox.change { $0.open -= ended }
    ended = 0
  }

  private func obey(_ order: HTTPClient.Order) {
    switch order {
    case .start(let number, let request, let completion):
      exchanges[number] = Exchange(number, request, completion)
      queue.append(number)
    case .cancel(let number):
      guard let exchange = exchanges[number] else { return }
      leave(exchange)
      exchange.drop()
      forget(exchange)
    case .goOn(let number):
      guard let exchange = exchanges[number], case .transferring(let transfer) = exchange.phase else { return }
      if !transfer.goOn() {
        finishHop(exchange, transfer, transfer.cause)
      } else if isFinished.remove(number) != nil {
        // libcurl had nothing left to do, only the sink had no room.
        transfer.isWaiting ? _ = isFinished.insert(number) : finishHop(exchange, transfer, transfer.failure(CURLE_OK))
      }
    case .resolved(let number, let lookup, let host, let proxy):
      guard let exchange = exchanges[number], exchange.lookups == lookup, case .resolving = exchange.phase else {
        return
      }
      connect(exchange, host, proxy)
    }
  }

  /// Transfers that are whole but for what their sink has not taken yet.
  private var isFinished: Set<Int> = []

  private func startQueued() {
    while active < most, let number = queue.popFirst() {
      guard let exchange = exchanges[number], case .queued = exchange.phase else { continue }
      active += 1
      exchange.hasBegun = true
      hop(exchange)
    }
  }

  // MARK: Hops

  /// Checks the place that is next, and looks up its addresses.
  private func hop(_ exchange: Exchange) {
    let (request, url) = (exchange.request, exchange.url)
    if let refusal = request.policy.refusal(of: url) { return fail(exchange, HTTPFailure(.denied, refusal)) }
    if let address = url.address, !request.policy.permits(address, for: url) {
      return fail(exchange, HTTPFailure(.denied, request.policy.refusal(of: address, for: url)))
    }
    exchange.phase = .resolving
    exchange.lookups += 1
    exchange.lookupDeadline = monotonicNow().plus(request.connectTimeout)
    let (client, number, lookup, host) = (client, exchange.number, exchange.lookups, url.host)
    let proxyHost = request.proxies.proxy(for: url).flatMap(Self.proxyPlace)
    let lookUp = { (host: String, then: @escaping @Sendable (NameResolver.Answer) -> Void) in
      if let address = IPAddress(host) { then(([address], "")) } else { client.resolver.find(host, completion: then) }
    }
    lookUp(host) { found in
      guard let proxyHost else {
        return client.order(.resolved(number, lookup: lookup, host: found, proxy: nil))
      }
      let then = { @Sendable (proxy: NameResolver.Answer) in
        client.order(.resolved(number, lookup: lookup, host: found, proxy: proxy))
      }
      if let address = IPAddress(proxyHost.host) {
        then(([address], ""))
      } else {
        client.resolver.find(proxyHost.host, completion: then)
      }
    }
  }

  /// Host and port of a proxy, as libcurl reads them.
  private static func proxyPlace(_ proxy: String) -> (host: String, place: String)? {
    let text = proxy.contains("://") ? proxy : "http://" + proxy
    let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
    // The kind of proxy is libcurl's business; 1080 is its port where none is written.
    guard parts.count == 2, let url = try? HTTPURL("http://" + parts[1]) else { return nil }
    let hasPort = url.port != 80 || parts[1].contains(":80")
    return (url.host, hasPort ? url.place : url.place.replacingLast(":80", with: ":1080"))
  }

  private func connect(_ exchange: Exchange, _ host: NameResolver.Answer, _ proxy: NameResolver.Answer?) {
    let (request, url) = (exchange.request, exchange.url)
    let permitted = host.addresses.filter { request.policy.permits($0, for: url) }
    // What this machine knows as a forbidden place is one behind a proxy as well; what it does not know, the proxy
    // decides.
    if permitted.isEmpty, let first = host.addresses.first {
      return fail(exchange, HTTPFailure(.denied, request.policy.refusal(of: first, for: url)))
    }
    let proxyText = request.proxies.proxy(for: url)
    if permitted.isEmpty, proxyText == nil {
      return conclude(
        exchange,
        exchange.next(
          after: HTTPFailure(.dns, "no address of \(url.host) was found: \(host.problem)"), isReady: false,
          at: monotonicNow()))
    }
    let proxyPlace = proxyText.flatMap(Self.proxyPlace)
    if let proxyPlace, proxy?.addresses.isEmpty ?? true {
      let why = "no address of the proxy \(proxyPlace.host) was found: \(proxy?.problem ?? "")"
      return conclude(exchange, exchange.next(after: HTTPFailure(.proxy, why), isReady: false, at: monotonicNow()))
    }
    let client = client
    let transfer = Transfer(
      exchange.number, request, url, method: exchange.method, body: exchange.body, isElsewhere: exchange.isElsewhere,
      addresses: proxyText == nil ? permitted : [], proxy: proxyText,
      proxyAddresses: proxyPlace.map { ($0.place, proxy?.addresses ?? []) },
      wake: { client.order(.goOn($0)) }, choose: { [unowned exchange] in exchange.use(of: $0) })
    guard let transfer else { return fail(exchange, HTTPFailure(.failed, "there is no memory for a connection")) }
    exchange.phase = .transferring(transfer)
    // Safe: both handles are this thread's; the transfer leaves the multi handle before it goes.
    guard unsafe curl_multi_add_handle(multi, transfer.handle) == CURLM_OK else {
      return fail(exchange, HTTPFailure(.failed, "libcurl takes no more requests"))
    }
  }

  private func takeResults() {
    var left: Int32 = 0
    // Safe: a message is valid until the next call; what is used of it is read before.
    while let message = unsafe curl_multi_info_read(multi, &left) {
      guard unsafe message.pointee.msg == CURLMSG_DONE else { continue }
      let code = unsafe moon_curl_result(message)
      var number: UnsafeMutableRawPointer?
      unsafe moon_curl_get_pointer(message.pointee.easy_handle, CURLINFO_PRIVATE, &number)
      guard let exchange = exchanges[Int(bitPattern: number)], case .transferring(let transfer) = exchange.phase
      else { continue }
      if code == CURLE_OK, transfer.isWaiting {
        isFinished.insert(exchange.number)
      } else {
        finishHop(exchange, transfer, transfer.failure(code))
      }
    }
  }

  private func finishHop(_ exchange: Exchange, _ transfer: Transfer, _ failure: HTTPFailure?) {
    transfer.keepCookies()
    let next = exchange.next(after: transfer, failure, at: monotonicNow())
    leave(exchange)
    conclude(exchange, next)
  }

  private func conclude(_ exchange: Exchange, _ next: Exchange.Next) {
    switch next {
    case .answer(let result):
      exchange.complete(result)
      forget(exchange)
    case .hop(let url, let method, let keepsBody):
      exchange.follow(to: url, method: method, keepsBody: keepsBody)
      hop(exchange)
    case .again(let delay):
      exchange.phase = .pausing(until: monotonicNow().plus(delay))
    }
  }

  private func fail(_ exchange: Exchange, _ failure: HTTPFailure) {
    leave(exchange)
    exchange.complete(.failure(failure))
    forget(exchange)
  }

  /// Takes its transfer off libcurl; one that is not over loses its connection.
  private func leave(_ exchange: Exchange) {
    guard case .transferring(let transfer) = exchange.phase else { return }
    // Safe: both are this thread's, and this is not inside a callback.
    unsafe curl_multi_remove_handle(multi, transfer.handle)
    isFinished.remove(exchange.number)
    exchange.phase = .resolving
  }

  private func forget(_ exchange: Exchange) {
    guard exchanges.removeValue(forKey: exchange.number) != nil else { return }
    if exchange.hasBegun { active -= 1 }
    ended += 1
  }

  // MARK: Time

  private func expire(at now: Int64) {
    for exchange in exchanges.values where exchange.deadline <= now {
      if exchange.request.deadline <= now {
        fail(exchange, HTTPFailure(.timeout, "it was not over at its timeout"))
        continue
      }
      switch exchange.phase {
      case .transferring(let transfer): finishHop(exchange, transfer, transfer.lateness)
      case .resolving:
        let why =
          "no address of \(exchange.url.host) was found within \(Transfer.seconds(exchange.request.connectTimeout))"
        conclude(exchange, exchange.next(after: HTTPFailure(.connectTimeout, why), isReady: false, at: now))
      case .pausing:
        exchange.startAgain()
        hop(exchange)
      case .queued, .over: break
      }
    }
  }

  // MARK: The end

  /// False when something has come meanwhile.
  private func endIfIdle() -> Bool {
    let ends = client.inbox.withLock { inbox in
      guard inbox.orders.isEmpty, !inbox.isStopped else { return false }
      unsafe inbox.multi = nil
      // Nobody joins it any more.
      inbox.thread?.abandon()
      inbox.thread = nil
      return true
    }
    if ends { unsafe _ = curl_multi_cleanup(multi) }
    return ends
  }

  private func end() {
    for exchange in exchanges.values {
      leave(exchange)
      exchange.complete(.failure(HTTPFailure(.stopped, "the host is stopping")))
    }
    exchanges = [:]
    client.inbox.change { inbox in
      unsafe inbox.multi = nil
      inbox.open = 0
      inbox.orders = []
    }
    // Safe: no transfer is in it, and nobody else has it any more.
    unsafe curl_multi_cleanup(multi)
  }
}

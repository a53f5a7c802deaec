internal import Basics
internal import CCurl

/// One call on its way: its hops and attempts. Used by the client's thread only.
final class Exchange {
  enum Phase {
    /// Waits for the number of those under way to fall.
    case queued
    /// Addresses are being looked up.
    case resolving
    case transferring(Transfer)
    /// The next attempt comes at this time (monotonic nanoseconds).
    case pausing(until: Int64)
    case over
  }

  /// What to do after a hop.
  enum Next {
    case hop(to: HTTPURL, method: String, keepsBody: Bool)
    case again(after: Int64)
    case answer(Result<HTTPResponse, HTTPFailure>)
  }

  let number: Int
  let request: HTTPRequest
  private var completion: (@Sendable (Result<HTTPResponse, HTTPFailure>) -> Void)?
  var phase = Phase.queued
  private(set) var url: HTTPURL
  private(set) var method: String
  private(set) var body: HTTPBody?
  /// It was led to another origin than the script asked.
  private(set) var isElsewhere = false
  private(set) var attempt = 1
  private var redirects = 0
  /// It counts among those under way.
  var hasBegun = false
  /// Lookups that were started; an answer to an earlier one counts no more.
  var lookups = 0
  /// Monotonic nanoseconds at which the lookup has taken as long as a connection may.
  var lookupDeadline: Int64 = .max

  init(
    _ number: Int, _ request: HTTPRequest, _ completion: @escaping @Sendable (Result<HTTPResponse, HTTPFailure>) -> Void
  ) {
    self.number = number
    self.request = request
    self.completion = completion
    url = request.url
    method = request.method
    body = request.body
  }

  func complete(_ result: Result<HTTPResponse, HTTPFailure>) {
    if case .over = phase { return }
    let completion = completion
    drop()
    completion?(
      result.mapError { failure in
        var whole = failure
        whole.message = "\(method) \(url.shown): \(failure.message)"
        whole.attempts = attempt
        return whole
      })
  }

  /// It is over, and holds nothing any more.
  func drop() {
    phase = .over
    completion = nil
  }

  /// When something is to be done although nothing has come. Monotonic nanoseconds.
  var deadline: Int64 {
    switch phase {
    case .transferring(let transfer): min(request.deadline, transfer.deadline)
    case .pausing(let until): min(request.deadline, until)
    case .resolving: min(request.deadline, lookupDeadline)
    case .queued: request.deadline
    case .over: .max
    }
  }

  /// Begins the next attempt from where the script asked.
  func startAgain() {
    attempt += 1
    redirects = 0
    url = request.url
    method = request.method
    body = request.body
    isElsewhere = false
  }

  func follow(to next: HTTPURL, method: String, keepsBody: Bool) {
    redirects += 1
    if !next.hasOrigin(of: request.url) { isElsewhere = true }
    url = next
    self.method = method
    if !keepsBody { body = nil }
  }

  // MARK: Deciding

  /// Whether the content of an answer is wanted, once its head is there.
  func use(of head: HeaderBlock) -> Transfer.Use {
    if redirects < request.redirects, redirect(head) != nil { return .discard }
    return willAsk(afterStatus: head.status) ? .discard : .keep
  }

  /// The place that an answer leads to.
  private func redirect(_ head: HeaderBlock) -> String? {
    guard [301, 302, 303, 307, 308].contains(head.status), let place = head.value("location"), !place.isEmpty else {
      return nil
    }
    return place
  }

  private func willAsk(afterStatus status: Int) -> Bool {
    guard let retry = request.retry, attempt <= retry.max else { return false }
    return isRepeatable ? [408, 429, 502, 503, 504].contains(status) : [429, 503].contains(status)
  }

  private func willAsk(after failure: HTTPFailure, isReady: Bool) -> Bool {
    guard let retry = request.retry, attempt <= retry.max else { return false }
    switch failure.kind {
    case .dns, .connect, .connectTimeout: return true
    case .closed, .firstByteTimeout, .proxy: return isRepeatable || !isReady
    default: return false
    }
  }

  /// Whether the server may get it twice (RFC 9110, idempotent methods).
  private var isRepeatable: Bool { ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"].contains(request.method) }

  /// What follows from the end of a hop.
  func next(after transfer: Transfer, _ failure: HTTPFailure?, at now: Int64) -> Next {
    if let failure { return next(after: failure, isReady: transfer.isReady, at: now) }
    let head = transfer.head
    if request.redirects > 0, let place = redirect(head) { return next(place, head) }
    if willAsk(afterStatus: head.status) {
      let delay = delay(transfer.retryAfter)
      if now.plus(delay) < request.deadline { return .again(after: delay) }
      return .answer(
        .failure(
          HTTPFailure(
            .timeout, "the server answered \(head.status), and the next attempt would come after the timeout")))
    }
    return .answer(
      .success(
        HTTPResponse(
          status: head.status, version: head.version, headers: head.fields, url: url, attempts: attempt,
          redirects: redirects)))
  }

  func next(after failure: HTTPFailure, isReady: Bool, at now: Int64) -> Next {
    let delay = delay(nil)
    guard willAsk(after: failure, isReady: isReady), now.plus(delay) < request.deadline
    else { return .answer(.failure(failure)) }
    return .again(after: delay)
  }

  private func delay(_ asked: Int64?) -> Int64 {
    request.retry?.delay(before: attempt + 1, asked: asked, draw: Double.random(in: 0..<1)) ?? 0
  }

  private func next(_ place: String, _ head: HeaderBlock) -> Next {
    guard redirects < request.redirects else {
      return .answer(
        .failure(HTTPFailure(.redirect, "more than \(request.redirects) redirects, the last one to \(place)")))
    }
    let target: HTTPURL
    do throws(HTTPURL.Problem) { target = try url.resolving(place) } catch {
      return .answer(.failure(HTTPFailure(.redirect, "it leads to \"\(place)\": \(error.message)")))
    }
    // As browsers do, and RFC 9110 allows: of a POST only 307 and 308 keep what was sent.
    let isDropped = head.status == 303 && method != "HEAD" || [301, 302].contains(head.status) && method == "POST"
    return .hop(to: target, method: isDropped ? "GET" : method, keepsBody: !isDropped)
  }
}

package import Basics

/// One call of a script: what is sent, where the answer goes, and how long it may take. Redirects and retries are parts of
/// it.
package struct HTTPRequest: Sendable {
  /// The kinds of HTTP that may be spoken.
  package enum Version: String, Sendable, CaseIterable {
    /// HTTP/2 over TLS where the server has it, else HTTP/1.1.
    case best
    case one = "1.1"
    case two = "2"
    /// HTTP/2 without TLS, to a server that is known to speak it.
    case twoPlain = "2-plain"
  }

  package var method: String
  package var url: HTTPURL
  /// Names and values without line ends.
  package var headers: [(name: String, value: [UInt8])] = []
  package var body: HTTPBody?
  package var sink: any BodySink
  /// Monotonic nanoseconds at which the whole call is over; `.max` is never.
  package var deadline: Int64 = .max
  /// Nanoseconds for each connection: name, address, TLS.
  package var connectTimeout: Int64 = 10_000_000_000
  /// Nanoseconds from the last byte sent to the first one received; nil: no bound of its own.
  package var firstByteTimeout: Int64?
  /// How many are followed. With 0 the answer is the redirect itself.
  package var redirects = 10
  package var retry: HTTPRetry?
  /// Whether gzip and deflate are asked for and undone.
  package var decompresses = true
  package var security = HTTPSecurity()
  package var version = Version.best
  package var proxies = HTTPProxies()
  package var cookies: HTTPCookies?
  package let policy: any HTTPPolicy

  package init(method: String, url: HTTPURL, sink: any BodySink, policy: any HTTPPolicy) {
    self.method = method
    self.url = url
    self.sink = sink
    self.policy = policy
  }
}

/// Whom a script may ask. Asked before each hop, and again when a connection is opened.
///
/// Threading: any thread.
package protocol HTTPPolicy: Sendable {
  /// Why the URL must not be asked for, by its name, port and literal address; nil when it may.
  func refusal(of url: HTTPURL) -> String?
  /// Whether a connection to this address may be made for the URL.
  func permits(_ address: IPAddress, for url: HTTPURL) -> Bool
  /// The sentence for an address that a name led to and that is not permitted.
  func refusal(of address: IPAddress, for url: HTTPURL) -> String
}

/// TLS: whom to trust, and who we are. Certificates and keys are PEM.
package struct HTTPSecurity: Sendable {
  package var verifies = true
  /// Instead of those of the system.
  package var authorities: [UInt8]?
  package var certificate: [UInt8]?
  package var key: [UInt8]?
  package var keyPassword: String?
  package init() {}
}

/// Attempts after the first one.
package struct HTTPRetry: Sendable {
  package var max: Int
  /// Nanoseconds before the second attempt; doubled for each further one, up to `cap`.
  package var base: Int64 = 1_000_000_000
  package var cap: Int64 = 30_000_000_000
  package init(max: Int) { self.max = max }

  /// Nanoseconds before attempt `number` (2 is the first retry). What the server asks for counts as it is; else the delay
  /// is drawn from the upper half of its length, so that those who failed together do not come back together.
  func delay(before number: Int, asked: Int64?, draw: Double) -> Int64 {
    if let asked { return asked }
    let doubled = base.multipliedReportingOverflow(by: 1 << Int64(min(30, number - 2)))
    let whole = min(cap, doubled.overflow ? .max : doubled.partialValue)
    return whole / 2 + Int64(Double(whole / 2) * draw)
  }
}

/// What came of a request: the answer that counts, after redirects and retries.
package struct HTTPResponse: Sendable {
  package var status: Int
  /// "1.1" or "2".
  package var version: String
  /// In the order in which they came; names in lower case.
  package var headers: [(name: String, value: [UInt8])]
  /// Where the answer came from.
  package var url: HTTPURL
  package var attempts: Int
  package var redirects: Int
}

/// Why there is no answer.
package struct HTTPFailure: Error, Sendable, Equatable {
  /// Stable names that scripts compare with: `err.kind`.
  package enum Kind: String, Sendable, CaseIterable {
    case denied, dns, connect, tls, proxy, `protocol`, closed, encoding, redirect, file, stopped, failed
    case connectTimeout = "connect_timeout"
    case firstByteTimeout = "first_byte_timeout"
    case timeout
    case tooLarge = "too_large"
  }
  package var kind: Kind
  package var message: String
  package var attempts = 1

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}

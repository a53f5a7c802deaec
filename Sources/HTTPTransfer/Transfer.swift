internal import Basics
internal import CCurl
internal import Glibc

/// One exchange with one server: a handle of libcurl, and what its callbacks note. Used by the client's thread only.
@safe final class Transfer {  // the handle, its lists and its buffers are made and freed here
  /// What is to become of the content, known with the head.
  enum Use { case keep, discard }

  let handle: UnsafeMutableRawPointer
  private let number: Int
  let url: HTTPURL
  private let request: HTTPRequest
  private let isProxied: Bool
  /// Given to callbacks that come when it goes on.
  private let wake: @Sendable (Int) -> Void
  /// Asked when the head is there.
  private let choose: (HeaderBlock) -> Use

  private var list: UnsafeMutablePointer<curl_slist>?
  private var resolves: UnsafeMutablePointer<curl_slist>?
  private let message: UnsafeMutablePointer<CChar>
  private let givenCookies: [String]

  private(set) var head = HeaderBlock()
  /// The connection is there.
  private(set) var isReady = false
  private(set) var hasAnswered = false
  /// Monotonic nanoseconds of the last byte that was sent.
  private(set) var lastSent: Int64 = 0
  private let connectDeadline: Int64
  /// Why it was broken off here, and not by libcurl.
  private(set) var cause: HTTPFailure?
  /// It needs no more of the content: the answer is a redirect, or is to be asked for again.
  private(set) var isCut = false

  private var use = Use.keep
  private var discarded = 0
  private var position = 0
  private var inflater: Inflater?
  private var isEncoded = false
  private var raw = 0
  /// What the sink has not taken yet.
  private var pending: [UInt8] = []
  private var isPaused = false

  private static let piece = 64 << 10
  /// Content that is read and thrown away to keep a connection.
  private static let drained = 64 << 10

  init?(
    _ number: Int, _ request: HTTPRequest, _ url: HTTPURL, method: String, body: HTTPBody?, isElsewhere: Bool,
    addresses: [IPAddress], proxy: String?, proxyAddresses: (place: String, addresses: [IPAddress])?,
    wake: @escaping @Sendable (Int) -> Void, choose: @escaping (HeaderBlock) -> Use
  ) {
    guard let handle = unsafe curl_easy_init() else { return nil }
    unsafe self.handle = handle
    self.number = number
    self.request = request
    self.url = url
    self.body = body
    self.wake = wake
    self.choose = choose
    isProxied = proxy != nil
    unsafe message = .allocate(capacity: Int(CURL_ERROR_SIZE))
    unsafe message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    connectDeadline = monotonicNow().plus(request.connectTimeout)
    givenCookies = request.cookies?.all ?? []
    setPlace(method, addresses, proxy, proxyAddresses)
    setHeaders(isElsewhere: isElsewhere)
    setSecurity(isElsewhere: isElsewhere)
    setCallbacks()
    if method == "HEAD" {
      set(CURLOPT_NOBODY, 1)
    } else if let body {
      set(CURLOPT_UPLOAD, 1)
      unsafe moon_curl_set_size(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(body.size))
    }
    if method != "HEAD" { set(CURLOPT_CUSTOMREQUEST, method) }
    if request.cookies != nil {
      set(CURLOPT_COOKIEFILE, "")
      for line in givenCookies { set(CURLOPT_COOKIELIST, line) }
    }
  }

  private let body: HTTPBody?

  /// Its connection goes, too, unless the exchange has come to its end. It must not be in a multi handle any more.
  deinit {
    unsafe curl_easy_cleanup(handle)
    unsafe curl_slist_free_all(list)
    unsafe curl_slist_free_all(resolves)
    unsafe message.deallocate()
  }

  // MARK: Options

  private func set(_ option: CURLoption, _ value: Int) { unsafe _ = moon_curl_set_long(handle, option, value) }
  // libcurl copies texts.
  private func set(_ option: CURLoption, _ value: String) { unsafe _ = moon_curl_set_string(handle, option, value) }

  private func setPlace(
    _ method: String, _ addresses: [IPAddress], _ proxy: String?,
    _ proxyAddresses: (place: String, addresses: [IPAddress])?
  ) {
    set(CURLOPT_URL, url.text)
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_NETRC, 0)
    set(CURLOPT_FOLLOWLOCATION, 0)
    set(CURLOPT_HTTP09_ALLOWED, 0)
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    // Nothing is read from the environment by libcurl: an empty text is no proxy.
    set(CURLOPT_PROXY, proxy ?? "")
    set(CURLOPT_NOPROXY, "")
    set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(clamping: request.connectTimeout / 1_000_000)))
    unsafe moon_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, message)
    let versions: [HTTPRequest.Version: Int] = [
      .best: Int(CURL_HTTP_VERSION_2TLS), .one: Int(CURL_HTTP_VERSION_1_1),
      .two: Int(CURL_HTTP_VERSION_2_0), .twoPlain: Int(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE),
    ]
    set(CURLOPT_HTTP_VERSION, versions[request.version] ?? 0)
    // What was looked up and checked is what libcurl connects to. The plus lets it forget the entry as others.
    for (place, found) in [(url.place, addresses)] + (proxyAddresses.map { [$0] } ?? []) where !found.isEmpty {
      let text = found.map { $0.bytes.count == 4 ? "\($0)" : "[\($0)]" }.joined(separator: ",")
      unsafe resolves = curl_slist_append(resolves, "+\(place):\(text)")
    }
    if let resolves = unsafe resolves { unsafe moon_curl_set_pointer(handle, CURLOPT_RESOLVE, resolves) }
  }

  private func setHeaders(isElsewhere: Bool) {
    var lines: [[UInt8]] = []
    var names: Set<String> = []
    for (name, value) in request.headers {
      let lower = name.lowercased()
      names.insert(lower)
      // Who leads us elsewhere must not get what was meant for another.
      if isElsewhere, lower == "authorization" || lower == "cookie" { continue }
      // Fields of a content that is not sent any more.
      if body == nil, request.body != nil, lower.hasPrefix("content-") { continue }
      lines.append(Array(name.utf8) + (value.isEmpty ? [UInt8(ascii: ";")] : Array(": ".utf8) + value))
    }
    if !names.contains("accept-encoding"), request.decompresses {
      lines.append(Array("Accept-Encoding: gzip, deflate".utf8))
    }
    if !names.contains("user-agent") { lines.append(Array("User-Agent: moondial".utf8)) }
    // Not to wait a second for servers that do not know it.
    lines.append(Array("Expect:".utf8))
    for line in lines {
      // Safe: the line is terminated, and libcurl copies it.
      unsafe (line + [0]).withUnsafeBufferPointer { bytes in
        unsafe bytes.withMemoryRebound(to: CChar.self) { unsafe list = curl_slist_append(list, $0.baseAddress) }
      }
    }
    if let list = unsafe list { unsafe moon_curl_set_pointer(handle, CURLOPT_HTTPHEADER, list) }
  }

  private func setSecurity(isElsewhere: Bool) {
    let security = request.security
    set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    set(CURLOPT_SSL_VERIFYPEER, security.verifies ? 1 : 0)
    set(CURLOPT_SSL_VERIFYHOST, security.verifies ? 2 : 0)
    if let authorities = security.authorities {
      blob(CURLOPT_CAINFO_BLOB, authorities)
    } else {
      set(CURLOPT_CAINFO, HTTPClient.systemAuthorities)
    }
    guard let certificate = security.certificate, !isElsewhere else { return }
    set(CURLOPT_SSLCERTTYPE, "PEM")
    blob(CURLOPT_SSLCERT_BLOB, certificate)
    set(CURLOPT_SSLKEYTYPE, "PEM")
    // A file of both is usual.
    blob(CURLOPT_SSLKEY_BLOB, security.key ?? certificate)
    if let password = security.keyPassword { set(CURLOPT_KEYPASSWD, password) }
  }

  private func blob(_ option: CURLoption, _ bytes: [UInt8]) {
    // Safe: libcurl copies the bytes.
    unsafe bytes.withUnsafeBytes { unsafe _ = moon_curl_set_blob(handle, option, $0.baseAddress, $0.count) }
  }

  private func setCallbacks() {
    // Safe: libcurl calls back only while this object's handle is in use, and that ends in deinit at the latest.
    let me = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe moon_curl_set_transfer(handle, CURLOPT_HEADERFUNCTION, onHeader)
    unsafe moon_curl_set_pointer(handle, CURLOPT_HEADERDATA, me)
    unsafe moon_curl_set_transfer(handle, CURLOPT_WRITEFUNCTION, onContent)
    unsafe moon_curl_set_pointer(handle, CURLOPT_WRITEDATA, me)
    unsafe moon_curl_set_transfer(handle, CURLOPT_READFUNCTION, onRead)
    unsafe moon_curl_set_pointer(handle, CURLOPT_READDATA, me)
    unsafe moon_curl_set_seeker(handle, CURLOPT_SEEKFUNCTION, onSeek)
    unsafe moon_curl_set_pointer(handle, CURLOPT_SEEKDATA, me)
    unsafe moon_curl_set_opener(handle, CURLOPT_OPENSOCKETFUNCTION, onOpen)
    unsafe moon_curl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, me)
    unsafe moon_curl_set_ready(handle, CURLOPT_PREREQFUNCTION, onReady)
    unsafe moon_curl_set_pointer(handle, CURLOPT_PREREQDATA, me)
    unsafe moon_curl_set_pointer(handle, CURLOPT_PRIVATE, UnsafeMutableRawPointer(bitPattern: number))
  }

  // MARK: What libcurl calls

  /// A socket for an address: the last moment at which it can be refused, and the one that nobody can get between.
  fileprivate func open(_ address: borrowing curl_sockaddr, _ socket: UnsafePointer<sockaddr>) -> curl_socket_t {
    if !isProxied {
      guard let target = unsafe IPAddress(socket: socket, size: Int(address.addrlen)),
        request.policy.permits(target, for: url)
      else {
        let target = unsafe IPAddress(socket: socket, size: Int(address.addrlen))
        cause = HTTPFailure(.denied, target.map { request.policy.refusal(of: $0, for: url) } ?? "no such address")
        return -1
      }
    }
    return Glibc.socket(address.family, address.socktype | Int32(SOCK_CLOEXEC.rawValue), address.protocol)
  }

  /// The connection is there, a new one or one that was kept: of the latter nobody knows for whom it was opened.
  fileprivate func ready(at address: String) -> Bool {
    isReady = true
    lastSent = monotonicNow()
    if isProxied { return true }
    guard let target = IPAddress(address), request.policy.permits(target, for: url) else {
      cause = HTTPFailure(
        .denied, IPAddress(address).map { request.policy.refusal(of: $0, for: url) } ?? "no such address")
      return false
    }
    cause = nil
    return true
  }

  fileprivate func header(_ bytes: UnsafeRawBufferPointer) -> Bool {
    hasAnswered = true
    switch unsafe head.add(bytes) {
    case .more: return true
    case .broken: return stop(.protocol, "the answer does not begin as HTTP does")
    case .tooLarge: return stop(.tooLarge, "the head of the answer has more than \(HeaderBlock.mostBytes) bytes")
    case .complete: return begin()
    }
  }

  private func begin() -> Bool {
    use = choose(head)
    guard use == .keep else { return true }
    request.sink.begin()
    let codings = request.decompresses ? head.codings : []
    isEncoded = !codings.isEmpty
    if isEncoded {
      // One coding, one that was asked for: each further one multiplies what a small answer can become.
      let known: Inflater.Coding? = ["gzip": .gzip, "x-gzip": .gzip, "deflate": .deflate][codings[0]]
      guard codings.count == 1, let coding = known else {
        return stop(
          .encoding, "the content is encoded as \"\(codings.joined(separator: ", "))\", which was not asked for")
      }
      inflater = Inflater(coding)
      guard inflater != nil else { return stop(.failed, "there is no memory to decode the content") }
    } else if let size = head.value("content-length").flatMap({ Int($0) }), size > request.sink.limit, !isBodiless {
      return stop(.tooLarge, tooLarge("has \(size) bytes"))
    }
    return true
  }

  private var isBodiless: Bool { head.status == 204 || head.status == 304 || request.method == "HEAD" }
  private func tooLarge(_ what: String) -> String {
    "the content \(what), more than the limit of \(request.sink.limit): ask with { max = bytes }"
  }

  /// How many bytes were taken; CURL_WRITEFUNC_PAUSE for none now, 0 to break off.
  fileprivate func content(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard use == .keep else {
      discarded += bytes.count
      if discarded <= Self.drained { return bytes.count }
      isCut = true
      return 0
    }
    guard pending.isEmpty else { return pause() }
    raw += bytes.count
    if let inflater {
      unsafe inflater.give(bytes)
      return inflate() ? bytes.count : 0
    }
    switch unsafe request.sink.take(bytes, ready: ready) {
    case .taken: return bytes.count
    case .later:
      raw -= bytes.count
      return pause()
    case .tooLarge: return stop(.tooLarge, tooLarge("has more bytes")) ? 1 : 0
    case .failed(let errno): return stop(errno) ? 1 : 0
    }
  }

  private func pause() -> Int {
    isPaused = true
    return Int(CURL_WRITEFUNC_PAUSE)
  }

  private var ready: @Sendable () -> Void {
    let (wake, number) = (wake, number)
    return { wake(number) }
  }

  /// Decodes what the inflater has been given, until the sink has no room. False: broken off.
  private func inflate() -> Bool {
    guard let inflater else { return true }
    var buffer = [UInt8](repeating: 0, count: Self.piece)
    while pending.isEmpty {
      // Safe: the buffer outlives the call, which writes inside it.
      switch unsafe buffer.withUnsafeMutableBytes({ unsafe inflater.step(into: $0) }) {
      case .hungry: return true
      case .broken: return stop(.encoding, "the content is no valid \(head.codings.first ?? "gzip")")
      case .output(let count): if !hand(buffer[..<count]) { return false }
      }
    }
    return true
  }

  private func hand(_ bytes: ArraySlice<UInt8>) -> Bool {
    switch unsafe bytes.withUnsafeBytes({ unsafe request.sink.take($0, ready: ready) }) {
    case .taken: return true
    case .later:
      pending = Array(bytes)
      return true
    case .tooLarge: return stop(.tooLarge, tooLarge("has more bytes when it is decompressed"))
    case .failed(let errno): return stop(errno)
    }
  }

  /// The sink has room again. False: broken off, and libcurl must be told.
  func goOn() -> Bool {
    let rest = pending
    pending = []
    guard rest.isEmpty || hand(rest[...]), inflate() else { return false }
    if pending.isEmpty, isPaused {
      isPaused = false
      // Safe: not inside a callback. It may call back, which is fine.
      unsafe curl_easy_pause(handle, CURLPAUSE_CONT)
    }
    return cause == nil
  }

  /// The sink has not taken all that has come.
  var isWaiting: Bool { !pending.isEmpty }

  fileprivate func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    lastSent = monotonicNow()
    guard let count = unsafe body?.read(at: position, into: buffer) else {
      cause = HTTPFailure(.file, "a file that is sent has become shorter, or cannot be read")
      return Int(CURL_READFUNC_ABORT)
    }
    position += count
    return count
  }

  fileprivate func seek(to offset: Int) -> Int32 {
    position = offset
    return CURL_SEEKFUNC_OK
  }

  private func stop(_ kind: HTTPFailure.Kind, _ message: String) -> Bool {
    cause = HTTPFailure(kind, message)
    return false
  }

  private func stop(_ errno: Int32) -> Bool {
    stop(.file, "the content cannot be written: \(unsafe String(cString: strerror(errno)))")
  }

  // MARK: The end

  /// Nanoseconds at which it is over for want of a connection or of an answer; `.max` is never.
  var deadline: Int64 {
    if !isReady { return connectDeadline }
    guard !hasAnswered, let timeout = request.firstByteTimeout else { return .max }
    return lastSent.plus(timeout)
  }

  /// Why it is over when `deadline` has passed.
  var lateness: HTTPFailure {
    if !isReady { return connectTimeout }
    return HTTPFailure(.firstByteTimeout, "no answer began within \(Self.seconds(request.firstByteTimeout ?? 0))")
  }

  private var connectTimeout: HTTPFailure {
    HTTPFailure(.connectTimeout, "there was no connection within \(Self.seconds(request.connectTimeout))")
  }

  static func seconds(_ nanoseconds: Int64) -> String {
    nanoseconds % 1_000_000_000 == 0
      ? "\(nanoseconds / 1_000_000_000) s" : "\(Double(nanoseconds / 1_000_000) / 1_000) s"
  }

  /// What libcurl's result means; nil when the exchange is whole.
  func failure(_ code: CURLcode) -> HTTPFailure? {
    if isCut { return nil }
    if code == CURLE_OK {
      if use == .keep, isEncoded, raw > 0, inflater?.isComplete == false {
        return HTTPFailure(.encoding, "the content ends in the middle of its compression")
      }
      return cause
    }
    if let cause { return cause }
    if code == CURLE_OPERATION_TIMEDOUT { return isReady ? lateness : connectTimeout }
    // Safe: terminated texts, of this object's buffer and of libcurl.
    let own = unsafe String(cString: message)
    let said = own.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : own
    return HTTPFailure(Self.kind(of: code, isReady: isReady), said)
  }

  private static func kind(of code: CURLcode, isReady: Bool) -> HTTPFailure.Kind {
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST: .dns
    case CURLE_COULDNT_RESOLVE_PROXY, CURLE_PROXY: .proxy
    case CURLE_COULDNT_CONNECT: .connect
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
      CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CLIENTCERT, CURLE_USE_SSL_FAILED,
      CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_ENGINE_NOTFOUND:
      .tls
    case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING: .closed
    case CURLE_RECV_ERROR, CURLE_SEND_ERROR: isReady ? .closed : .connect
    case CURLE_HTTP2, CURLE_HTTP2_STREAM, CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL,
      CURLE_BAD_CONTENT_ENCODING:
      .protocol
    case CURLE_READ_ERROR, CURLE_WRITE_ERROR: .file
    default: .failed
    }
  }

  /// Nanoseconds that the server asks to wait before the next attempt.
  var retryAfter: Int64? {
    var seconds: curl_off_t = 0
    // Safe: the handle is valid; one number is written.
    guard head.value("retry-after") != nil,
      unsafe moon_curl_get_size(handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK, seconds >= 0
    else { return nil }
    return Int64(seconds) > .max / 1_000_000_000 ? .max : Int64(seconds) * 1_000_000_000
  }

  /// Puts the cookies that there are now in the place of those that there were.
  func keepCookies() {
    guard let cookies = request.cookies else { return }
    var found: UnsafeMutableRawPointer?
    // Safe: the list is ours to free; its texts are terminated.
    guard unsafe moon_curl_get_pointer(handle, CURLINFO_COOKIELIST, &found) == CURLE_OK else { return }
    let first = unsafe found?.assumingMemoryBound(to: curl_slist.self)
    defer { unsafe curl_slist_free_all(first) }
    var lines: [String] = []
    var next = unsafe first
    while let entry = unsafe next {
      if let data = unsafe entry.pointee.data { lines.append(unsafe String(cString: data)) }
      unsafe next = entry.pointee.next
    }
    cookies.replace(givenCookies, by: lines)
  }
}

extension Int64 {
  /// The sum, or the largest number.
  func plus(_ other: Int64) -> Int64 {
    let (sum, overflows) = addingReportingOverflow(other)
    return overflows ? .max : sum
  }
}

// MARK: Callbacks

/// Safe, in all of these: `context` is the transfer whose handle calls, which lives at least as long as the handle; what is
/// given is valid for the time of the call.
private func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
  guard let context = unsafe context else { return nil }
  return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
}

private func onHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let transfer = unsafe transfer(context) else { return 0 }
  let line = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
  return unsafe transfer.header(line) ? line.count : 0
}

private func onContent(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard size * count > 0, let transfer = unsafe transfer(context) else { return 0 }
  return unsafe transfer.content(UnsafeRawBufferPointer(start: bytes, count: size * count))
}

private func onRead(
  _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let transfer = unsafe transfer(context) else { return Int(CURL_READFUNC_ABORT) }
  return unsafe transfer.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
}

private func onSeek(_ context: UnsafeMutableRawPointer?, _ offset: curl_off_t, _ origin: Int32) -> Int32 {
  guard origin == SEEK_SET, let transfer = unsafe transfer(context) else { return CURL_SEEKFUNC_FAIL }
  return transfer.seek(to: Int(offset))
}

private func onOpen(
  _ context: UnsafeMutableRawPointer?, _ purpose: curlsocktype, _ address: UnsafeMutablePointer<curl_sockaddr>?
) -> curl_socket_t {
  guard let transfer = unsafe transfer(context), let address = unsafe address else { return -1 }
  return unsafe withUnsafePointer(to: &address.pointee.addr) { unsafe transfer.open(address.pointee, $0) }
}

private func onReady(
  _ context: UnsafeMutableRawPointer?, _ remote: UnsafeMutablePointer<CChar>?, _ local: UnsafeMutablePointer<CChar>?,
  _ remotePort: Int32, _ localPort: Int32
) -> Int32 {
  guard let transfer = unsafe transfer(context), let remote = unsafe remote else { return CURL_PREREQFUNC_ABORT }
  return unsafe transfer.ready(at: String(cString: remote)) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}

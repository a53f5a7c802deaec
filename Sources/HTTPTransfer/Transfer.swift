internal import Basics
internal import CCurl
internal import Glibc

/// One exchange with one server: a handle of libcurl, and what its callbacks note. Used by the client's thread only.
@safe final class Transfer {  // the handle, its lists and its buffers are made and freed here
  /// What is to become of the content, known with the head.
  enum Use { case keep, discard }

  let handle: UnsafeMutableRawPointer
  let number: Int
  let url: HTTPURL
  let request: HTTPRequest
  let isProxied: Bool
  /// Given to callbacks that come when it goes on.
  let wake: @Sendable (Int) -> Void
  /// Asked when the head is there.
  let choose: (HeaderBlock) -> Use

  var list: UnsafeMutablePointer<curl_slist>?
  var resolves: UnsafeMutablePointer<curl_slist>?
  let message: UnsafeMutablePointer<CChar>
  let givenCookies: [String]

  var head = HeaderBlock()
  /// The connection is there.
  var isReady = false
  var hasAnswered = false
  /// Monotonic nanoseconds of the last byte that was sent.
  var lastSent: Int64 = 0
  let connectDeadline: Int64
  /// Why it was broken off here, and not by libcurl.
  var cause: HTTPFailure?
  /// It needs no more of the content: the answer is a redirect, or is to be asked for again.
  var isCut = false

  var use = Use.keep
  var discarded = 0
  var position = 0
  var inflater: Inflater?
  var isEncoded = false
  var raw = 0
  /// What the sink has not taken yet.
  var pending: [UInt8] = []
  var isPaused = false

  static let piece = 64 << 10
  /// Content that is read and thrown away to keep a connection.
  static let drained = 64 << 10

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

  let body: HTTPBody?

  /// Its connection goes, too, unless the exchange has come to its end. It must not be in a multi handle any more.
  deinit {
    unsafe curl_easy_cleanup(handle)
    unsafe curl_slist_free_all(list)
    unsafe curl_slist_free_all(resolves)
    unsafe message.deallocate()
  }

  // MARK: What libcurl calls

  /// A socket for an address: the last moment at which it can be refused, and the one that nobody can get between.
  func open(_ address: borrowing curl_sockaddr, _ socket: UnsafePointer<sockaddr>) -> curl_socket_t {
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
  func ready(at address: String) -> Bool {
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

  func header(_ bytes: UnsafeRawBufferPointer) -> Bool {
    hasAnswered = true
    switch unsafe head.add(bytes) {
    case .more: return true
    case .broken: return stop(.protocol, "the answer does not begin as HTTP does")
    case .tooLarge: return stop(.tooLarge, "the head of the answer has more than \(HeaderBlock.mostBytes) bytes")
    case .complete: return begin()
    }
  }

  func begin() -> Bool {
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

  var isBodiless: Bool { head.status == 204 || head.status == 304 || request.method == "HEAD" }
  func tooLarge(_ what: String) -> String {
    "the content \(what), more than the limit of \(request.sink.limit): ask with { max = bytes }"
  }

  /// How many bytes were taken; CURL_WRITEFUNC_PAUSE for none now, 0 to break off.
  func content(_ bytes: UnsafeRawBufferPointer) -> Int {
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

  func pause() -> Int {
    isPaused = true
    return Int(CURL_WRITEFUNC_PAUSE)
  }

  var ready: @Sendable () -> Void {
    let (wake, number) = (wake, number)
    return { wake(number) }
  }

  /// Decodes what the inflater has been given, until the sink has no room. False: broken off.
  func inflate() -> Bool {
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

  func hand(_ bytes: ArraySlice<UInt8>) -> Bool {
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

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    lastSent = monotonicNow()
    guard let count = unsafe body?.read(at: position, into: buffer) else {
      cause = HTTPFailure(.file, "a file that is sent has become shorter, or cannot be read")
      return Int(CURL_READFUNC_ABORT)
    }
    position += count
    return count
  }

  func seek(to offset: Int) -> Int32 {
    position = offset
    return CURL_SEEKFUNC_OK
  }

  func stop(_ kind: HTTPFailure.Kind, _ message: String) -> Bool {
    cause = HTTPFailure(kind, message)
    return false
  }

  func stop(_ errno: Int32) -> Bool {
    stop(.file, "the content cannot be written: \(unsafe String(cString: strerror(errno)))")
  }
}

package import Basics
internal import CCurl
internal import Glibc
internal import Synchronization

/// One message on its way to a mail server (SMTP), by libcurl's easy interface: blocking, for a thread that may.
package struct MailTransfer: Sendable {
  package enum Security: String, Sendable, CaseIterable {
    /// STARTTLS, which the server must offer.
    case starttls
    /// TLS from the beginning.
    case tls
    case none
  }

  package var host: String
  package var port: Int
  package var security = Security.starttls
  package var verifies = true
  package var authorities: [UInt8]?
  package var user: String?
  package var password: String?
  package var from: String
  package var recipients: [String]
  /// RFC 5322, with CRLF line ends.
  package var message: [UInt8]
  /// Nanoseconds for all of it.
  package var timeout: Int64 = 60_000_000_000
  /// Whether a connection to an address may be made, and the sentence when not.
  package var permits: @Sendable (IPAddress) -> Bool
  package var refusal: @Sendable (IPAddress) -> String

  package init(
    host: String, port: Int, from: String, recipients: [String], message: [UInt8],
    permits: @escaping @Sendable (IPAddress) -> Bool, refusal: @escaping @Sendable (IPAddress) -> String
  ) {
    self.host = host
    self.port = port
    self.from = from
    self.recipients = recipients
    self.message = message
    self.permits = permits
    self.refusal = refusal
  }

  /// Sends it. Blocking, `timeout` at most (and as long as the system's resolver takes).
  ///
  /// - Parameters:
  ///   - lookup: finds the server's addresses.
  ///   - isWanted: asked about once a second; false breaks it off.
  package func send(lookup: NameResolver.Lookup, isWanted: @escaping () -> Bool) -> Result<Void, HTTPFailure> {
    guard HTTPClient.isReady else { return .failure(HTTPFailure(.failed, "libcurl cannot be used")) }
    let found = IPAddress(host).map { ([$0], "") } ?? lookup(host)
    let permitted = found.0.filter(permits)
    guard let first = found.0.first else {
      return .failure(HTTPFailure(.dns, "no address of \(host) was found: \(found.1)"))
    }
    guard !permitted.isEmpty else { return .failure(HTTPFailure(.denied, refusal(first))) }
    guard let session = MailSession(self, permitted, isWanted) else {
      return .failure(HTTPFailure(.failed, "there is no memory for a connection"))
    }
    return session.perform()
  }
}

/// libcurl's handle for one message. One thread.
@safe private final class MailSession {  // the handle, its lists and its buffer are made and freed here
  private let transfer: MailTransfer
  private let handle: UnsafeMutableRawPointer
  private let message: UnsafeMutablePointer<CChar>
  private var lists: [UnsafeMutablePointer<curl_slist>?] = unsafe []
  private let isWanted: () -> Bool
  private var position = 0
  private var denied: HTTPFailure?

  init?(_ transfer: MailTransfer, _ addresses: [IPAddress], _ isWanted: @escaping () -> Bool) {
    guard let handle = unsafe curl_easy_init() else { return nil }
    unsafe self.handle = handle
    self.transfer = transfer
    self.isWanted = isWanted
    unsafe message = .allocate(capacity: Int(CURL_ERROR_SIZE))
    unsafe message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    let bare = transfer.host.utf8.contains(UInt8(ascii: ":")) ? "[\(transfer.host)]" : transfer.host
    set(CURLOPT_URL, "\(transfer.security == .tls ? "smtps" : "smtp")://\(bare):\(transfer.port)/")
    set(CURLOPT_PROTOCOLS_STR, "smtp,smtps")
    for (option, value) in [
      (CURLOPT_NOSIGNAL, 1), (CURLOPT_UPLOAD, 1), (CURLOPT_NETRC, 0), (CURLOPT_NOPROGRESS, 0),
      (CURLOPT_TIMEOUT_MS, max(1, Int(clamping: transfer.timeout / 1_000_000))),
      (CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)), (CURLOPT_SSL_VERIFYPEER, transfer.verifies ? 1 : 0),
      (CURLOPT_SSL_VERIFYHOST, transfer.verifies ? 2 : 0),
      (CURLOPT_USE_SSL, transfer.security == .none ? 0 : Int(CURLUSESSL_ALL.rawValue)),
    ] { unsafe moon_curl_set_long(handle, option, value) }
    set(CURLOPT_PROXY, "")
    if let authorities = transfer.authorities {
      // Safe: libcurl copies the bytes.
      unsafe authorities.withUnsafeBytes {
        unsafe _ = moon_curl_set_blob(handle, CURLOPT_CAINFO_BLOB, $0.baseAddress, $0.count)
      }
    } else {
      set(CURLOPT_CAINFO, HTTPClient.systemAuthorities)
    }
    if let user = transfer.user {
      set(CURLOPT_USERNAME, user)
      set(CURLOPT_PASSWORD, transfer.password ?? "")
    }
    set(CURLOPT_MAIL_FROM, "<\(transfer.from)>")
    add(CURLOPT_MAIL_RCPT, transfer.recipients.map { "<\($0)>" })
    let places = addresses.map { $0.bytes.count == 4 ? "\($0)" : "[\($0)]" }.joined(separator: ",")
    if IPAddress(transfer.host) == nil { add(CURLOPT_RESOLVE, ["\(transfer.host):\(transfer.port):\(places)"]) }
    unsafe moon_curl_set_size(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(transfer.message.count))
    unsafe moon_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, message)
    setCallbacks()
  }

  deinit {
    unsafe curl_easy_cleanup(handle)
    for index in unsafe lists.indices { unsafe curl_slist_free_all(lists[index]) }
    unsafe message.deallocate()
  }

  // libcurl copies texts.
  private func set(_ option: CURLoption, _ value: String) { unsafe _ = moon_curl_set_string(handle, option, value) }

  private func add(_ option: CURLoption, _ lines: [String]) {
    var list: UnsafeMutablePointer<curl_slist>?
    for line in lines { unsafe list = curl_slist_append(list, line) }
    unsafe lists.append(list)
    if let list = unsafe list { unsafe moon_curl_set_pointer(handle, option, list) }
  }

  private func setCallbacks() {
    // Safe: libcurl calls back inside `perform` only, while this object is in use.
    let me = unsafe Unmanaged.passUnretained(self).toOpaque()
    unsafe moon_curl_set_transfer(handle, CURLOPT_READFUNCTION) { buffer, size, count, context in
      let session = unsafe Unmanaged<MailSession>.fromOpaque(context!).takeUnretainedValue()
      return unsafe session.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
    }
    unsafe moon_curl_set_pointer(handle, CURLOPT_READDATA, me)
    unsafe moon_curl_set_opener(handle, CURLOPT_OPENSOCKETFUNCTION) { context, _, address in
      guard let address = unsafe address else { return -1 }
      let session = unsafe Unmanaged<MailSession>.fromOpaque(context!).takeUnretainedValue()
      return unsafe withUnsafePointer(to: &address.pointee.addr) { unsafe session.open(address.pointee, $0) }
    }
    unsafe moon_curl_set_pointer(handle, CURLOPT_OPENSOCKETDATA, me)
    unsafe moon_curl_set_progress(handle, CURLOPT_XFERINFOFUNCTION) { context, _, _, _, _ in
      let session = unsafe Unmanaged<MailSession>.fromOpaque(context!).takeUnretainedValue()
      return session.isWanted() ? 0 : 1
    }
    unsafe moon_curl_set_pointer(handle, CURLOPT_XFERINFODATA, me)
  }

  private func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(buffer.count, transfer.message.count - position)
    // Safe: `count` bytes lie in both.
    unsafe transfer.message.withUnsafeBytes { bytes in
      unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[position..<position + count]))
    }
    position += count
    return count
  }

  private func open(_ address: borrowing curl_sockaddr, _ socket: UnsafePointer<sockaddr>) -> curl_socket_t {
    let target = unsafe IPAddress(socket: socket, size: Int(address.addrlen))
    guard let target, transfer.permits(target) else {
      denied = HTTPFailure(.denied, target.map(transfer.refusal) ?? "no such address")
      return -1
    }
    denied = nil
    return Glibc.socket(address.family, address.socktype | Int32(SOCK_CLOEXEC.rawValue), address.protocol)
  }

  func perform() -> Result<Void, HTTPFailure> {
    let code = unsafe curl_easy_perform(handle)
    if code == CURLE_OK { return .success(()) }
    if let denied { return .failure(denied) }
    // Safe: terminated texts, of this object's buffer and of libcurl.
    let own = unsafe String(cString: message)
    let said = own.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : own
    var answer = 0
    unsafe moon_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &answer)
    let kind: HTTPFailure.Kind =
      switch code {
      // The server's own word: it refuses a recipient, or the message.
      case CURLE_SEND_ERROR where answer >= 400, CURLE_RECV_ERROR where answer >= 400: .protocol
      case CURLE_COULDNT_CONNECT: .connect
      case CURLE_OPERATION_TIMEDOUT: .timeout
      case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_USE_SSL_FAILED, CURLE_SSL_CACERT_BADFILE: .tls
      case CURLE_ABORTED_BY_CALLBACK: .stopped
      case CURLE_LOGIN_DENIED: .denied
      case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING: .closed
      default: .protocol
      }
    // libcurl does not always say what the server has.
    let isTold = answer < 400 || said.contains("\(answer)")
    return .failure(HTTPFailure(kind, isTold ? said : "\(said) (the server answered \(answer))"))
  }
}

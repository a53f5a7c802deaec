internal import Basics
internal import CCurl

/// What became of a transfer.
extension Transfer {
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

  var connectTimeout: HTTPFailure {
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

  static func kind(of code: CURLcode, isReady: Bool) -> HTTPFailure.Kind {
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

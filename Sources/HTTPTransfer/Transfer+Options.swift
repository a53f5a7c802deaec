internal import Basics
internal import CCurl

/// What libcurl is told before a transfer.
extension Transfer {
  func set(_ option: CURLoption, _ value: Int) { unsafe _ = moon_curl_set_long(handle, option, value) }
  // libcurl copies texts.
  func set(_ option: CURLoption, _ value: String) { unsafe _ = moon_curl_set_string(handle, option, value) }

  func setPlace(
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
    // A literal address of IPv6 has nothing to look up, and cannot be written there.
    for (place, found) in [(url.place, addresses)] + (proxyAddresses.map { [$0] } ?? [])
    where !found.isEmpty && !place.hasPrefix("[") {
      let text = found.map { $0.bytes.count == 4 ? "\($0)" : "[\($0)]" }.joined(separator: ",")
      unsafe resolves = curl_slist_append(resolves, "+\(place):\(text)")
    }
    if let resolves = unsafe resolves { unsafe moon_curl_set_pointer(handle, CURLOPT_RESOLVE, resolves) }
  }

  func setHeaders(isElsewhere: Bool) {
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

  func setSecurity(isElsewhere: Bool) {
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

  func blob(_ option: CURLoption, _ bytes: [UInt8]) {
    // Safe: libcurl copies the bytes.
    unsafe bytes.withUnsafeBytes { unsafe _ = moon_curl_set_blob(handle, option, $0.baseAddress, $0.count) }
  }

  func setCallbacks() {
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
}

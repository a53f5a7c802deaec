package import Basics
internal import CCurl
internal import Glibc

/// Finds addresses by the system's resolver, on a few threads of its own: libcurl would start one for each request.
///
/// Requests for one name at one time share one answer, which is kept for some seconds.
///
/// Threading: any thread.
package final class NameResolver: Sendable {
  /// The addresses of a host, in the order to be tried; empty and a sentence when there are none.
  package typealias Lookup = @Sendable (_ host: String) -> (addresses: [IPAddress], problem: String)
  package typealias Answer = (addresses: [IPAddress], problem: String)

  private struct Entry: Sendable {
    var answer: Answer?
    var until: Int64 = .max
    var waiting: [@Sendable (Answer) -> Void] = []
  }
  private let entries = Monitor<[String: Entry]>([:])
  private let pool = BlockingPool(name: "moondial-dns", threads: NameResolver.threads)
  private let lookup: Lookup
  static let threads = 4
  /// Nanoseconds that an answer is kept.
  private static let lifetime: Int64 = 5_000_000_000
  private static let most = 1_000

  package init(lookup: @escaping Lookup = NameResolver.system) { self.lookup = lookup }

  /// Calls `completion` once: at once, or later on a thread of the resolver.
  func find(_ host: String, completion: @escaping @Sendable (Answer) -> Void) {
    let now = monotonicNow()
    let (known, isFirst) = entries.withLock { entries -> (Answer?, Bool) in
      if let entry = entries[host] {
        if let answer = entry.answer, now < entry.until { return (answer, false) }
        if entry.answer == nil {
          entries[host]?.waiting.append(completion)
          return (nil, false)
        }
      }
      if entries.count >= Self.most { entries = entries.filter { $0.value.answer == nil } }
      entries[host] = Entry(waiting: [completion])
      return (nil, true)
    }
    if let known { return completion(known) }
    guard isFirst else { return }
    let isTaken = pool.run { [self] in
      let answer = lookup(host)
      finish(host, answer, until: answer.addresses.isEmpty ? 0 : monotonicNow() + Self.lifetime)
    }
    if !isTaken { finish(host, ([], pool.refusal), until: 0) }
  }

  private func finish(_ host: String, _ answer: Answer, until: Int64) {
    let waiting = entries.withLock { entries in
      let waiting = entries[host]?.waiting ?? []
      entries[host] = until == 0 ? nil : Entry(answer: answer, until: until)
      return waiting
    }
    for completion in waiting { completion(answer) }
  }

  func stop() { pool.stop() }

  /// `getaddrinfo`: the hosts file, DNS, and what else the system is told to ask.
  package static let system: Lookup = { host in
    // Safe: a structure of zeros is what the call asks for.
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    // Safe: the name is a terminated copy; the list is freed below.
    let code = unsafe getaddrinfo(host, nil, &hints, &list)
    guard code == 0 else {
      return ([], code == EAI_SYSTEM ? "the system's resolver failed" : unsafe String(cString: gai_strerror(code)))
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [IPAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
      // Safe: an entry and its address live until the list is freed.
      if let socket = unsafe entry.pointee.ai_addr,
        let address = unsafe IPAddress(socket: socket, size: Int(entry.pointee.ai_addrlen)),
        !addresses.contains(address)
      {
        addresses.append(address)
      }
      unsafe next = entry.pointee.ai_next
    }
    return (addresses, addresses.isEmpty ? "it has no address" : "")
  }
}

extension IPAddress {
  /// The address of a socket; nil for what is neither IPv4 nor IPv6.
  init?(socket: UnsafePointer<sockaddr>, size: Int) {
    // Safe: the family says which structure it is, and `size` that it is whole.
    switch unsafe Int32(socket.pointee.sa_family) {
    case AF_INET where size >= MemoryLayout<sockaddr_in>.size:
      let address = unsafe UnsafeRawPointer(socket).loadUnaligned(as: sockaddr_in.self)
      unsafe self.init(bytes: withUnsafeBytes(of: address.sin_addr) { unsafe Array($0) })
    case AF_INET6 where size >= MemoryLayout<sockaddr_in6>.size:
      let address = unsafe UnsafeRawPointer(socket).loadUnaligned(as: sockaddr_in6.self)
      unsafe self.init(bytes: withUnsafeBytes(of: address.sin6_addr) { unsafe Array($0) })
    default: return nil
    }
  }
}

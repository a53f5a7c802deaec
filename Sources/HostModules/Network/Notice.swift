internal import Basics
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// One notice on its way: to the web address of its target, then to the mail server, whatever became of the first.
///
/// The address is asked by the client, which needs no thread of its own for that; files and mail are done on threads
/// that may wait. Threading: any thread.
final class Notice: Sendable {
  private struct State: Sendable {
    /// Whether the run still waits.
    var isWanted = true
    /// The request to the web address, while it is under way.
    var asked: Int?
  }
  private let state = Mutex(State())
  private let draft: NotifyDraft
  private let services: HostServices
  private let client: HTTPClient
  private let threads: MailThreads

  init(_ draft: NotifyDraft, _ services: HostServices, _ client: HTTPClient, _ threads: MailThreads) {
    self.draft = draft
    self.services = services
    self.client = client
    self.threads = threads
  }

  private var isWanted: Bool { state.withLock { $0.isWanted } }

  /// Nobody waits any more: what is under way ends, and nothing else begins.
  func release() {
    let asked = state.withLock { state in
      state.isWanted = false
      return state.asked
    }
    if let asked { client.cancel(asked) }
  }

  func begin(_ request: HeldRequest) {
    onThread(request) { [self] in
      switch secret() {
      case .failure(let failure): end(request, [failure])
      case .success(let secret): post(secret) { [self] failure in send(secret, after: failure, request) }
      }
    }
  }

  /// On a thread that may wait, as long as the run does.
  private func onThread(_ request: HeldRequest, _ work: @escaping @Sendable () -> Void) {
    let refusal = threads.run { [self] in if isWanted { work() } }
    if let refusal { end(request, [refusal]) }
  }

  // MARK: The web address

  /// `completion` comes on any thread, with why it was not taken; not at all once nobody waits.
  private func post(_ secret: String?, completion: @escaping @Sendable (HTTPFailure?) -> Void) {
    guard let web = draft.target.web else { return completion(nil) }
    let wanted: HTTPRequest
    do throws(HTTPFailure) { wanted = try question(web, secret) } catch { return completion(error) }
    let prefix = "\(wanted.method) \(wanted.url.shown): "
    let number = client.start(wanted) { result in
      switch result {
      case .success(let response) where (200...299).contains(response.status): completion(nil)
      case .success(let response):
        completion(HTTPFailure(.failed, "it answered with status \(response.status)"))
      case .failure(var failure):
        // The address may be a secret as a whole, or a part of it one that only the server knows.
        if failure.message.hasPrefix(prefix) { failure.message.removeFirst(prefix.count) }
        completion(failure)
      }
    }
    guard let number else {
      return completion(HTTPFailure(.stopped, "the host is stopping, or out of threads"))
    }
    let isWanted = state.withLock { state in
      state.asked = number
      return state.isWanted
    }
    if !isWanted { client.cancel(number) }
  }

  private func question(_ web: NotifyTarget.Web, _ secret: String?) throws(HTTPFailure) -> HTTPRequest {
    let hasPlace = web.url.contains("{secret}")
    let text = secret.map { web.url.replacing("{secret}", with: $0) } ?? web.url
    guard let url = try? HTTPURL(text) else { throw HTTPFailure(.failed, "its address is no URL") }
    let sink = MemorySink(limit: 64 << 10) { _, _ in true }
    var wanted = HTTPRequest(method: "POST", url: url, sink: sink, policy: TargetPolicy(url: url))
    wanted.headers = [("content-type", Array("application/json".utf8))]
    for (name, value) in web.headers.sorted(by: { $0.key < $1.key }) {
      wanted.headers.append((name, Array(value.utf8)))
    }
    if let secret, !hasPlace { wanted.headers.append(("authorization", Array("Bearer \(secret)".utf8))) }
    wanted.body = HTTPBody([.bytes(Array(draft.json.utf8))])
    wanted.deadline = monotonicNow() + NotifyModule.patience
    wanted.redirects = 0
    wanted.security.verifies = web.verifies
    wanted.security.authorities = try authorities(web.authorities)
    wanted.proxies = HTTPProxies(environment: services.environment)
    return wanted
  }

  // MARK: The mail server

  private func send(_ secret: String?, after failure: HTTPFailure?, _ request: HeldRequest) {
    let failures = [failure].compactMap { $0 }
    guard let mail = draft.mail else { return end(request, failures) }
    onThread(request) { [self] in
      do throws(HTTPFailure) {
        try send(mail, secret)
        end(request, failures)
      } catch {
        var own = error
        if draft.target.web != nil { own.message = "by mail: " + own.message }
        end(request, failures + [own])
      }
    }
  }

  private func send(_ mail: MailDraft, _ secret: String?) throws(HTTPFailure) {
    var transfer = mail.transfer
    if let secret { transfer.password = secret }
    if case .string(let path)? = draft.target.mail?["ca"] { transfer.authorities = try authorities(path.text) }
    transfer.message = mail.message.bytes
    try transfer.send(lookup: threads.lookup, isWanted: { [self] in isWanted }).get()
  }

  // MARK: Parts

  private func secret() -> Result<String?, HTTPFailure> {
    guard let name = draft.target.secret else { return .success(nil) }
    switch services.secrets.textForHost(name) {
    case .success(let text):
      // Before anybody gets it: an address with it stands in messages.
      services.secrets.mask.add(Array(text.utf8), of: name)
      return .success(text)
    case .failure(let refusal): return .failure(HTTPFailure(.failed, refusal.message))
    }
  }

  private func authorities(_ path: String?) throws(HTTPFailure) -> [UInt8]? {
    guard let path else { return nil }
    let place = PlainPath.absolute(Array(path.utf8), from: Array(services.baseDirectory.utf8))
    switch FileLocation.find(place, below: nil, last: .followed) {
    case .failure(let error): throw HTTPFailure(.file, error.message(path))
    case .success(let found):
      do throws(FileFailure) { return try FileActions.readWhole(found, limit: 1 << 20).get() } catch {
        throw HTTPFailure(.file, error.message(path))
      }
    }
  }

  /// True when every way has taken it; otherwise nil, and what became of each that has not.
  private func end(_ request: HeldRequest, _ failures: [HTTPFailure]) {
    guard let first = failures.first else {
      request.complete([.bool(true)])
      return
    }
    let why = failures.map(\.message).joined(separator: "; ")
    let message = services.secrets.mask.masked("notify: \(draft.name): \(why)", mayBeCut: true)
    request.complete([
      .nil,
      .table(
        LuaTable(fields: [
          ("kind", .string(LuaString(first.kind.rawValue))), ("message", .string(LuaString(message))),
        ])),
    ])
  }
}

/// The operator has named this address, wherever it leads.
private struct TargetPolicy: HTTPPolicy {
  let url: HTTPURL

  func refusal(of asked: HTTPURL) -> String? {
    asked.host == url.host && asked.port == url.port ? nil : "\(asked.host) is not the target"
  }
  func permits(_ address: IPAddress, for url: HTTPURL) -> Bool { true }
  func refusal(of address: IPAddress, for url: HTTPURL) -> String { "\(address) is not the target" }
}

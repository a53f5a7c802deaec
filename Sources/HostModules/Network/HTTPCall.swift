internal import Basics
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// One call of `http` that a run waits for: its files are opened on the blocking pool, the client sends and receives,
/// and the pool puts a file that was received in its place.
///
/// Threading: any thread; what is not constant is locked.
final class HTTPCall: Sendable {
  private struct State {
    var number: Int?
    var isReleased = false
  }
  private let draft: HTTPDraft
  private let client: HTTPClient
  private let state = Mutex(State())

  init(_ draft: HTTPDraft, _ client: HTTPClient) {
    self.draft = draft
    self.client = client
  }

  /// Nobody wants the answer: the client lets go of everything, and with the last reference files and memory go.
  func release() {
    let number = state.withLock { state in
      state.isReleased = true
      return state.number
    }
    if let number { client.cancel(number) }
  }

  func begin(_ request: HeldRequest) {
    guard draft.hasFiles else { return send(request, Opened()) }
    let pool = draft.run.services.blockingPool
    let isTaken = pool.run { [self] in
      do throws(FileProblem) { send(request, try open()) } catch {
        switch error {
        case .leadsOut(let message): request.complete(raising: "\(draft.function): \(message)")
        case .failed(let message): fail(request, HTTPFailure(.file, message))
        }
      }
    }
    if !isTaken { fail(request, HTTPFailure(.stopped, pool.refusal)) }
  }

  // MARK: Files

  private struct Opened {
    var parts: [HTTPBody.Part]?
    var target: ReplacementFile?
    var authorities: [UInt8]?
    var certificate: [UInt8]?
    var key: [UInt8]?
  }
  private enum FileProblem: Error {
    case leadsOut(String)
    case failed(String)
  }

  private func open() throws(FileProblem) -> Opened {
    var opened = Opened()
    opened.authorities = try read(draft.authorities)
    opened.certificate = try read(draft.certificate)
    opened.key = try read(draft.key)
    if let parts = draft.body {
      var list: [HTTPBody.Part] = []
      for part in parts {
        switch part {
        case .bytes(let bytes): list.append(.bytes(bytes))
        case .file(let file):
          let found = try use(file, writing: false) { FileActions.openForReading($0) }
          list.append(.file(found.file, size: found.size))
        }
      }
      opened.parts = list
    }
    if let target = draft.target { opened.target = try use(target, writing: true) { ReplacementFile.begin($0) } }
    return opened
  }

  private func read(_ file: HTTPDraft.File?) throws(FileProblem) -> [UInt8]? {
    guard let file else { return nil }
    return try use(file, writing: false) { FileActions.readWhole($0, limit: 1 << 20) }
  }

  private func use<Value>(
    _ file: HTTPDraft.File, writing: Bool, _ action: (FileLocation) -> Result<Value, FileFailure>
  ) throws(FileProblem) -> Value {
    switch FileLocation.find(file.path, below: file.fence, last: writing ? .itself : .followed) {
    case .failure(.leadsOut(let link)): throw .leadsOut(FileLocationError.leadsOut(link).message(file.written))
    case .failure(let error): throw .failed(error.message(file.written))
    case .success(let place):
      switch action(place) {
      case .failure(let failure): throw .failed(failure.message(file.written))
      case .success(let value): return value
      }
    }
  }

  // MARK: Sending

  private func send(_ request: HeldRequest, _ opened: Opened) {
    let services = draft.run.services
    let memory: MemorySink?
    let sink: any BodySink
    if let target = opened.target {
      memory = nil
      sink = FileSink(target.file, limit: draft.limit)
    } else {
      let (room, wake) = (draft.room, request.wake)
      let made = MemorySink(limit: draft.limit) { bytes, ready in
        room.ask(bytes, wake: wake, granted: ready) == .granted
      }
      (memory, sink) = (made, made)
    }
    let policy = ScriptHTTPPolicy(script: draft.run.script, grants: services.grants)
    var wanted = HTTPRequest(method: draft.method, url: draft.url, sink: sink, policy: policy)
    wanted.headers = draft.headers
    wanted.body =
      (opened.parts ?? draft.body?.compactMap { if case .bytes(let bytes) = $0 { .bytes(bytes) } else { nil } })
      .map { HTTPBody($0) }
    wanted.deadline = draft.deadline
    (wanted.connectTimeout, wanted.firstByteTimeout) = draft.timeouts
    wanted.redirects = draft.redirects
    wanted.retry = draft.retry
    wanted.decompresses = draft.decompresses
    wanted.security = draft.security
    wanted.security.authorities = opened.authorities
    wanted.security.certificate = opened.certificate
    wanted.security.key = opened.key
    wanted.version = draft.version
    wanted.proxies = HTTPProxies(environment: services.environment)
    wanted.cookies = draft.cookies
    let target = opened.target
    let number = client.start(wanted) { [self] result in
      switch result {
      case .failure(let failure):
        target?.discard()
        fail(request, failure)
      case .success(let response):
        if let target { keep(request, response, target) } else { answer(request, response, memory) }
      }
    }
    guard let number else {
      return fail(request, HTTPFailure(.stopped, "the host is stopping, or out of threads"))
    }
    let isReleased = state.withLock { state in
      state.number = number
      return state.isReleased
    }
    if isReleased { client.cancel(number) }
  }

  // MARK: Answers

  /// Puts the file in its place.
  private func keep(_ request: HeldRequest, _ response: HTTPResponse, _ target: ReplacementFile) {
    let pool = draft.run.services.blockingPool
    let isTaken = pool.run { [self] in
      // Somebody who was stopped meanwhile wants no file.
      guard request.isOpen else { return }
      switch target.commit() {
      case .success: answer(request, response, nil)
      case .failure(let failure):
        target.discard()
        fail(request, HTTPFailure(.file, failure.message(draft.target?.written ?? "")))
      }
    }
    if !isTaken { fail(request, HTTPFailure(.stopped, pool.refusal)) }
  }

  private func answer(_ request: HeldRequest, _ response: HTTPResponse, _ memory: MemorySink?) {
    request.complete(
      building: draft.room.handingOver { call in
        call.push(response.status)
        call.push((200...299).contains(response.status))
        call.push(Self.table(response.headers))
        // One by one, so that the content is not copied once more.
        if let memory { call.push(memory.bytes) } else { call.pushNil() }
        call.push(response.url.text)
        call.push(response.version)
        call.push(response.attempts)
        call.push(response.redirects)
        call.pushRecord(["status", "ok", "headers", "body", "url", "version", "attempts", "redirects"])
        return .results(1)
      })
  }

  /// A field that came several times is joined with commas (RFC 9110), but for `set-cookie`, which is a list.
  private static func table(_ headers: [(name: String, value: [UInt8])]) -> LuaValue {
    var joined: [String: [UInt8]] = [:]
    var cookies: [LuaValue] = []
    for (name, value) in headers {
      if name == "set-cookie" {
        cookies.append(.string(LuaString(bytes: value)))
      } else {
        joined[name] = joined[name].map { $0 + Array(", ".utf8) + value } ?? value
      }
    }
    var fields: [(key: String, value: LuaValue)] = joined.map { ($0.key, .string(LuaString(bytes: $0.value))) }
    if !cookies.isEmpty { fields.append(("set-cookie", .table(LuaTable(array: cookies)))) }
    return .table(LuaTable(fields: fields))
  }

  private func fail(_ request: HeldRequest, _ failure: HTTPFailure) {
    let url = draft.url.shown
    request.complete(
      building: draft.room.handingOver { call in
        call.pushNil()
        call.push(
          .table(
            LuaTable(fields: [
              ("kind", .string(LuaString(failure.kind.rawValue))), ("message", .string(LuaString(failure.message))),
              ("url", .string(LuaString(url))), ("attempts", .integer(Int64(failure.attempts))),
            ])))
        return .results(2)
      })
  }
}

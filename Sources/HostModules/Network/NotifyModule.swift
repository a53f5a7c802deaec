internal import Basics
internal import Chronology
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// `notify(target, subject, { text, fields })`: a message to a target of `moondial.lua`. The operator has written where
/// it goes, so a script needs no grant of its own for that.
enum NotifyModule {
  /// Messages of one run.
  static let most = 100
  static let mostText = 64 << 10
  /// Nanoseconds for each way of a target.
  static let patience: Int64 = 30_000_000_000

  static func module(
    _ client: HTTPClient, _ pool: BlockingPool, lookup: @escaping NameResolver.Lookup = NameResolver.system
  ) -> LuaModule {
    let send = LuaFunction.host("__notify", as: "notify", in: .run) { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let draft = try NotifyDraft(call, arguments, run)
      let notice = Notice(draft, run.services, client, pool, lookup)
      return call.suspend(HeldRequest(begin: { notice.begin($0) }, release: { notice.release() }))
    }
    return LuaModule("", functions: [send], prelude: prelude)
  }

  // An error of the host that reads as its message, as those of `http` do.
  private static let prelude = """
    local g = ...
    local send, setmetatable, tostring = g.__notify, setmetatable, tostring
    g.__notify = nil
    local problem = {
      __tostring = function(e) return e.message end,
      __concat = function(a, b) return tostring(a) .. tostring(b) end,
    }
    function g.notify(...)
      local ok, err = send(...)
      if ok then return ok end
      return nil, setmetatable(err, problem)
    end
    """
}

/// What a script wants to be told to whom.
struct NotifyDraft: Sendable {
  let name: String
  let target: NotifyTarget
  let subject: String
  let text: String?
  let fields: LuaValue?
  let job: String
  let run: RunID
  /// The message of a target with mail, but for its password.
  let mail: MailDraft?

  init(_ call: borrowing LuaCall, _ arguments: Arguments, _ run: RunContext) throws(Misuse) {
    let mask = run.services.secrets.mask
    name = try arguments.string(call, 1, "the name of a target")
    guard let targets = run.services.notifyTargets() else {
      throw arguments.misuse(
        "an executor of processes has no targets: emit an event, and let a job of the host send it")
    }
    guard let target = targets[name] else {
      let hint = closestName(to: name, in: targets.keys.sorted()).map { "; did you mean \"\($0)\"?" } ?? ""
      throw arguments.misuse(
        "moondial.lua has no target \"\(name.cut(toBytes: 100))\" in notify\(hint)")
    }
    self.target = target
    let subject = mask.masked(try arguments.string(call, 2, "a subject"))
    let options = try arguments.options(call, 3, ["text", "fields"], bytes: NotifyModule.mostText * 2)
    let text = try options.string("text").map { mask.masked($0) }
    guard !subject.isEmpty, subject.utf8.count + (text?.utf8.count ?? 0) <= NotifyModule.mostText else {
      throw arguments.misuse("the subject is not empty, and has with the text \(NotifyModule.mostText) bytes at most")
    }
    if let given = options.reader?.field("fields") {
      guard case .table(let table) = given.value, table.array.isEmpty else {
        throw arguments.misuse("options.fields: expected a table with names, got \(given.value.typeName)")
      }
      fields = try arguments.told(given.value, "the fields", by: run)
    } else {
      fields = nil
    }
    guard run.kept("notify", make: { NotifyCount() }).add() else {
      throw arguments.misuse("a run sends \(NotifyModule.most) notices at most")
    }
    // A subject is one line.
    self.subject = subject.split(whereSeparator: \.isNewline).joined(separator: " ")
    self.text = text
    job = run.definition.name
    self.run = run.current.id
    if let table = target.mail {
      mail = try Self.mail(table, self.subject, Self.body(text, fields, self.subject), arguments, run)
    } else {
      mail = nil
    }
  }

  private static func body(_ text: String?, _ fields: LuaValue?, _ subject: String) -> String {
    let shown = fields.flatMap { try? $0.json() }
    return [text ?? (shown == nil ? subject : nil), shown].compactMap { $0 }.joined(separator: "\n\n") + "\n"
  }

  private static func mail(
    _ table: LuaTable, _ subject: String, _ text: String, _ arguments: Arguments, _ run: RunContext
  ) throws(Misuse) -> MailDraft {
    var fields = table.fields
    fields.append((key: "subject", value: .string(LuaString(subject))))
    fields.append((key: "text", value: .string(LuaString(text))))
    let reader = LuaReader(.table(LuaTable(fields: fields)), path: "notify of moondial.lua")
    var draft = try MailReader(
      arguments: arguments, run: run, options: Options(arguments: arguments, reader: reader), isTheHosts: true
    ).draft()
    draft.transfer.timeout = NotifyModule.patience
    return draft
  }

  /// What a web address is sent. `text` is what Slack, Mattermost and their kin show.
  var json: String {
    var fields: [(key: String, value: LuaValue)] = [
      ("target", .string(LuaString(name))), ("subject", .string(LuaString(subject))),
      ("text", .string(LuaString(text.map { "\(subject)\n\($0)" } ?? subject))), ("job", .string(LuaString(job))),
      ("run", .integer(run.number)),
    ]
    if let given = self.fields { fields.append(("fields", given)) }
    return (try? LuaValue.table(LuaTable(fields: fields)).json()) ?? "{}"
  }
}

/// How many notices a run has sent.
private final class NotifyCount: Sendable {
  private let sent = Atomic(0)
  func add() -> Bool { sent.wrappingAdd(1, ordering: .relaxed).oldValue < NotifyModule.most }
}

/// One notice on its way, on a thread that may block. Threading: any thread.
private final class Notice: Sendable {
  private let draft: NotifyDraft
  private let services: HostServices
  private let client: HTTPClient
  private let pool: BlockingPool
  private let lookup: NameResolver.Lookup
  private let isWanted = Atomic(true)

  init(
    _ draft: NotifyDraft, _ services: HostServices, _ client: HTTPClient, _ pool: BlockingPool,
    _ lookup: @escaping NameResolver.Lookup
  ) {
    self.draft = draft
    self.services = services
    self.client = client
    self.pool = pool
    self.lookup = lookup
  }

  func release() { isWanted.store(false, ordering: .relaxed) }

  func begin(_ request: HeldRequest) {
    let isTaken = pool.run { [self] in
      do throws(HTTPFailure) {
        let secret = try secret()
        if draft.target.web != nil { try post(secret) }
        if let mail = draft.mail { try send(mail, secret) }
        request.complete([.bool(true)])
      } catch { fail(request, error) }
    }
    if !isTaken { fail(request, HTTPFailure(.stopped, pool.refusal)) }
  }

  private func secret() throws(HTTPFailure) -> String? {
    guard let name = draft.target.secret else { return nil }
    switch services.secrets.textForHost(name) {
    case .success(let text):
      // Before anybody gets it: an address with it stands in messages.
      services.secrets.mask.add(Array(text.utf8), of: name)
      return text
    case .failure(let refusal): throw HTTPFailure(.failed, refusal.message)
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

  private func post(_ secret: String?) throws(HTTPFailure) {
    guard let web = draft.target.web else { return }
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
    let answer = Monitor<Result<HTTPResponse, HTTPFailure>?>(nil)
    let number = client.start(wanted) { result in
      answer.withLock { $0 = result }
      answer.broadcast()
    }
    guard number != nil else { throw HTTPFailure(.stopped, "the host is stopping, or out of threads") }
    // The deadline ends it.
    let response = try (answer.wait { $0 } ?? .failure(HTTPFailure(.timeout, "it did not answer"))).get()
    guard (200...299).contains(response.status) else {
      throw HTTPFailure(.failed, "it answered with status \(response.status)")
    }
  }

  private func send(_ draft: MailDraft, _ secret: String?) throws(HTTPFailure) {
    var transfer = draft.transfer
    if let secret { transfer.password = secret }
    if case .string(let path)? = self.draft.target.mail?["ca"] { transfer.authorities = try authorities(path.text) }
    transfer.message = draft.message.bytes
    try transfer.send(lookup: lookup, isWanted: { self.isWanted.load(ordering: .relaxed) }).get()
  }

  /// The address, which may hold a secret, is not shown.
  private func fail(_ request: HeldRequest, _ failure: HTTPFailure) {
    let message = services.secrets.mask.masked("notify: \(draft.name): \(failure.message)", mayBeCut: true)
    request.complete([
      .nil,
      .table(
        LuaTable(fields: [
          ("kind", .string(LuaString(failure.kind.rawValue))), ("message", .string(LuaString(message))),
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

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

  /// That which the prelude makes.
  static let functions = ["notify"]

  static func module(_ client: HTTPClient, _ threads: MailThreads) -> LuaModule {
    let send = LuaFunction.host("__notify", as: "notify", in: .run) { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let draft = try NotifyDraft(call, arguments, run)
      let notice = Notice(draft, run.services, client, threads)
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
    let subject = mask.masked(try arguments.string(call, 2, "a subject", in: 0...Arguments.textBytes))
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

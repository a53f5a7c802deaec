internal import Basics
internal import Chronology
internal import FileWatching
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// `mail.send`: a message to a mail server, within the grant `mail`. Each is sent on a thread of a few that do nothing
/// else, so that no file waits for a slow server.
enum MailModule {
  /// Bytes of a message with its attachments.
  static let mostBytes = 32 << 20
  static let mostRecipients = 100
  static let threads = 4

  static let functions = ["send"]

  static func module(_ threads: MailThreads) -> LuaModule {
    let send = LuaFunction.host("__send", as: "mail.send", in: .run) { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      guard call.type(1) == .table else {
        throw arguments.misuse(
          "expected a table with server, from, to and subject as argument 1, got \(arguments.name(call, 1))")
      }
      let options = try arguments.options(call, 1, MailReader.names, bytes: run.answers.largestAnswer)
      let draft = try MailReader(arguments: arguments, run: run, options: options).draft()
      let room = try arguments.hold(draft.size, for: call)
      let letter = MailLetter(draft, room, threads)
      return call.suspend(HeldRequest(begin: { letter.begin($0) }, release: { letter.release() }))
    }
    return LuaModule.lazy("mail", functions, natives: [send], source: LuaModule.guarding + source)
  }

  private static let source = """
    local send = (...).__send
    return {
      send = function(message)
        local ok, err = send(message)
        if ok then return ok end
        return nil, setmetatable(err, problem)
      end,
    }
    """
}

/// Threads that wait for mail servers, and how these are found. Threading: any thread.
struct MailThreads: Sendable {
  let pool: BlockingPool
  let lookup: NameResolver.Lookup

  init(_ pool: BlockingPool, lookup: @escaping NameResolver.Lookup = NameResolver.system) {
    self.pool = pool
    self.lookup = lookup
  }

  /// Does `work` on one of them, soon.
  ///
  /// - Returns: why it is not done; nil: it is.
  func run(_ work: @escaping @Sendable () -> Void) -> HTTPFailure? {
    pool.run(work) ? nil : HTTPFailure(.stopped, pool.refusal)
  }
}

/// A message as a script wrote it, but for its files.
struct MailDraft: Sendable {
  struct Attachment: Sendable {
    var name: String
    var type: String
    var content: [UInt8]
    var place: ScriptLocation?
  }
  var message: MailMessage
  var transfer: MailTransfer
  var attachments: [Attachment] = []
  var authorities: ScriptLocation?
  let function: String

  var size: Int {
    (message.text?.utf8.count ?? 0) + (message.html?.utf8.count ?? 0) + attachments.reduce(0) { $0 + $1.content.count }
  }
}

/// One message that a run waits for. Threading: any thread.
final class MailLetter: Sendable {
  private let draft: MailDraft
  private let room: AnswerReservation
  private let threads: MailThreads
  private let isWanted = Atomic(true)

  init(_ draft: MailDraft, _ room: AnswerReservation, _ threads: MailThreads) {
    self.draft = draft
    self.room = room
    self.threads = threads
  }

  func release() { isWanted.store(false, ordering: .relaxed) }

  func begin(_ request: HeldRequest) {
    let refusal = threads.run { [self] in
      guard isWanted.load(ordering: .relaxed) else { return }
      var message = draft.message
      var transfer = draft.transfer
      do throws(ScriptLocation.Problem) {
        for attachment in draft.attachments {
          let content =
            try attachment.place.map { place throws(ScriptLocation.Problem) in try read(place) } ?? attachment.content
          message.attachments.append(.init(name: attachment.name, type: attachment.type, content: content))
        }
        if let place = draft.authorities { transfer.authorities = try read(place) }
      } catch {
        switch error {
        case .leadsOut(let text): request.complete(raising: "\(draft.function): \(text)")
        case .failed(let text): fail(request, HTTPFailure(.file, text))
        }
        return
      }
      transfer.message = message.bytes
      guard transfer.message.count <= MailModule.mostBytes else {
        return fail(
          request,
          HTTPFailure(
            .tooLarge, "the message has \(transfer.message.count) bytes, and may have \(MailModule.mostBytes)"))
      }
      switch transfer.send(lookup: threads.lookup, isWanted: { self.isWanted.load(ordering: .relaxed) }) {
      case .success:
        request.complete(
          building: room.handingOver { call in
            call.push(true)
            return .results(1)
          })
      case .failure(let failure): fail(request, failure)
      }
    }
    if let refusal { fail(request, refusal) }
  }

  private func read(_ place: ScriptLocation) throws(ScriptLocation.Problem) -> [UInt8] {
    let found = try place.find(.followed).get()
    do throws(FileFailure) { return try FileActions.readWhole(found, limit: MailModule.mostBytes).get() } catch {
      throw .failed(error.message(place.written))
    }
  }

  private func fail(_ request: HeldRequest, _ failure: HTTPFailure) {
    let server = "\(draft.transfer.host):\(draft.transfer.port)"
    request.complete(
      building: room.handingOver { call in
        call.pushNil()
        call.push(
          .table(
            LuaTable(fields: [
              ("kind", .string(LuaString(failure.kind.rawValue))),
              ("message", .string(LuaString("mail.send: \(server): \(failure.message)"))),
            ])))
        return .results(2)
      })
  }
}

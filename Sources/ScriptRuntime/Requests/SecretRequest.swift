internal import Executors
internal import FileWatching
internal import JobModel
internal import Lua

/// A run that waits for a secret. Its value is hidden from what leaves runs before the script has it.
package final class SecretRequest: ChildRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let name: String

  package init(
    _ name: String, _ room: AnswerReservation, until: Int64, _ children: ChildProcesses, _ services: HostServices
  ) {
    self.name = name
    super.init(room, limit: min(Secrets.largest, room.account.largestAnswer), until: until, children, services)
  }

  package override func command() -> Result<ChildCommand, NoChild> {
    switch services.secrets.look(for: name) {
    case .command(let command): return .success(command)
    case .missing: return .failure(.refuse("there is no secret called \"\(name)\""))
    case .refused(let why): return .failure(.refuse(why))
    case .value(let value):
      admit(value.count, to: room) { [self] in answer(value) }
      return .failure(.answered)
    }
  }

  private func answer(_ value: [UInt8]) {
    services.secrets.mask.add(value, of: name)
    complete(
      building: room.handingOver { call in
        call.push(value)
        return .results(1)
      })
  }

  package override func ended(_ result: Result<ChildResult, ChildFailure>, timedOut: Bool) {
    switch timedOut ? Secrets.late(name) : Secrets.answer(of: result, for: name) {
    case .value(let value): answer(value)
    case .refused(let why): complete(refusing: why)
    case .missing: complete(refusing: "there is no secret called \"\(name)\"")
    }
  }
}

extension Secrets {
  /// What the end of `secrets.command` says of a secret.
  static func answer(of result: Result<ChildResult, ChildFailure>, for name: String) -> Answer {
    switch result {
    case .failure(.program(let error)), .failure(.directory(let error)), .failure(.machine(let error)):
      return .refused("secrets.command cannot be started: \(SystemCall.message(for: error.code))")
    case .success(let result) where result.code != 0:
      let said = String(showing: result.errors.bytes.prefix { $0 != 10 }).cut(toBytes: 200)
      return .refused(
        "secrets.command ended with code \(result.code) for the secret \"\(name)\""
          + (said.isEmpty ? "" : ": \(said)"))
    case .success(let result) where result.output.isTruncated:
      return .refused("secrets.command wrote more than \(result.output.limit) bytes for the secret \"\(name)\"")
    case .success(let result): return .value(withoutLineEnd(result.output.bytes))
    }
  }

  /// It has not ended in time.
  package static func late(_ name: String) -> Answer {
    .refused("secrets.command did not tell the secret \"\(name)\" within \(patience / 1_000_000_000) s")
  }
}

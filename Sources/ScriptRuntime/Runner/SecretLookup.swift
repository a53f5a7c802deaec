internal import Basics
package import FileWatching
internal import Synchronization

/// Secrets for runs that another process has.
extension LuaHost {
  /// Looks for a secret everywhere, with the configured command too, and hides its value from then on. The grant is the
  /// caller's to check. Does not block; `completion` comes once, on any thread.
  package func lookUpSecret(
    _ name: String, for script: ScriptPath, completion: @escaping @Sendable (Secrets.Answer) -> Void
  ) {
    let secrets = services.secrets
    let isTaken = services.blockingPool.run { [self] in
      switch secrets.look(for: name) {
      case .value(let bytes):
        secrets.mask.add(bytes, of: name)
        completion(.value(bytes))
      case .missing: completion(.missing)
      case .refused(let why): completion(.refused(why))
      case .command(let command): ask(command, name, completion)
      }
    }
    if !isTaken { completion(.refused(services.blockingPool.refusal)) }
  }

  private func ask(
    _ command: ChildCommand, _ name: String, _ completion: @escaping @Sendable (Secrets.Answer) -> Void
  ) {
    let account = AnswerBudget(limit: 4 * Secrets.largest).account(
      script: "secrets", limit: 4 * Secrets.largest, used: 0)
    let number = children.start(
      command, limit: Secrets.largest, room: OutputRoom(room: account.room(), wake: {})
    ) { [self] result in
      account.close()
      guard case .success(let ended) = result, ended.code == 0, !ended.output.isTruncated else {
        return completion(.refused("secrets.command did not tell the secret \"\(name)\""))
      }
      let value = Secrets.withoutLineEnd(ended.output.bytes)
      services.secrets.mask.add(value, of: name)
      completion(.value(value))
    }
    if number == nil { completion(.refused("the host cannot start programs now")) }
  }
}

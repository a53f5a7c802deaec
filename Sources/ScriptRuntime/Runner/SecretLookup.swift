internal import Basics
internal import Synchronization

/// Secrets for runs that another process has.
extension LuaHost {
  /// Looks for a secret everywhere, with the configured command too, and hides its value from then on. The grant is the
  /// caller's to check. Does not block; `completion` comes once, on any thread, unless the command is abandoned.
  ///
  /// - Parameter asks: told of the command that is asked, by its number among the host's children. False: nobody wants
  ///   it any more.
  package func lookUpSecret(
    _ name: String, asks: @escaping @Sendable (Int) -> Bool,
    completion: @escaping @Sendable (Secrets.Answer) -> Void
  ) {
    let secrets = services.secrets
    let isTaken = services.blockingPool.run { [self] in
      switch secrets.look(for: name) {
      case .value(let bytes):
        secrets.mask.add(bytes, of: name)
        completion(.value(bytes))
      case .missing: completion(.missing)
      case .refused(let why): completion(.refused(why))
      case .command(let command): ask(command, name, asks, completion)
      }
    }
    if !isTaken { completion(.refused(services.blockingPool.refusal)) }
  }

  private func ask(
    _ command: ChildCommand, _ name: String, _ asks: (Int) -> Bool,
    _ completion: @escaping @Sendable (Secrets.Answer) -> Void
  ) {
    let account = AnswerBudget(limit: 4 * Secrets.largest).account(
      script: "secrets", limit: 4 * Secrets.largest, used: 0)
    let number = children.start(
      command, limit: Secrets.largest, room: OutputRoom(room: account.room(), wake: {})
    ) { [self] result in
      account.close()
      let answer = Secrets.answer(of: result, for: name)
      if case .value(let value) = answer { services.secrets.mask.add(value, of: name) }
      completion(answer)
    }
    guard let number else { return completion(.refused("the host cannot start programs now")) }
    if !asks(number) { children.abandon(number) }
  }
}

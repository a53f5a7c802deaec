internal import JobModel
internal import ProcessFrames

/// Steps and transactions of the run that is on, kept by its host.
final class RemoteKeeper: RunKeeper {
  private let link: WorkerLink
  init(_ link: WorkerLink) { self.link = link }

  private static func failure(_ answer: ServiceAnswer) -> StoreError {
    switch answer {
    case .storeFailed(let error): error
    case .refused(let refusal): StoreError(.quota, refusal.message)
    default: StoreError(.io, WorkerLink.strange.message)
    }
  }

  func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void) {
    link.call(.steps) { answer in
      guard case .steps(var steps) = answer else { return completion(.failure(Self.failure(answer))) }
      for index in steps.indices { steps[index].run = run }
      completion(.success(steps))
    }
  }

  func keep(_ step: RunStep, of job: String, completion: @escaping @Sendable (StoreError?) -> Void) {
    link.call(.keep(step)) { answer in
      if case .done = answer { completion(nil) } else { completion(Self.failure(answer)) }
    }
  }

  func commit(
    _ transaction: RunTransaction, asking operations: [RunOperation],
    completion: @escaping @Sendable (CommitAnswer) -> Void
  ) {
    link.call(.commit(WireTransaction(transaction, asking: operations))) { answer in
      switch answer {
      case .done: completion(.committed)
      case .conflict: completion(.conflict)
      case .refused(let refusal): completion(.refused(refusal))
      default: completion(.failed(Self.failure(answer)))
      }
    }
  }
}

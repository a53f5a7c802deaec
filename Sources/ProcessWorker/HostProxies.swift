internal import Chronology
internal import JobModel
internal import ProcessFrames
internal import Synchronization

/// What of the services of a run is the host's, asked over the socket. Nothing is decided here: the host checks what it
/// is asked for, whoever asks.
extension WorkerLink {
  /// An answer that a host of this version does not give.
  static let strange = HostRefusal("the host gave an answer that does not fit the question")

  fileprivate func done(_ question: ServiceCall, _ completion: @escaping @Sendable (HostRefusal?) -> Void) {
    call(question) { answer in
      switch answer {
      case .done: completion(nil)
      case .refused(let refusal): completion(refusal)
      default: completion(Self.strange)
      }
    }
  }
}

/// `log` and `ctx:progress`.
final class RemoteOutput: RunOutput {
  private let link: WorkerLink
  private let level = Atomic(0)

  init(_ link: WorkerLink) { self.link = link }

  var threshold: LogLevel {
    LogLevel.allCases[level.load(ordering: .relaxed)]
  }
  func use(_ threshold: LogLevel) {
    level.store(LogLevel.allCases.firstIndex(of: threshold) ?? 0, ordering: .relaxed)
  }

  func write(_ line: LogLine) { link.send(.log(link.run, line.level, line.message, fields: line.fields)) }
  func note(_ progress: ProgressNote) { link.send(.progress(link.run, progress.progress)) }
  // The host knows when a run ends.
  func runEnded(_ run: RunID, store: String) {}
}

/// `kv`. The space is the run's script, whatever is asked for.
final class RemoteValues: KeyValueStore {
  private let link: WorkerLink
  init(_ link: WorkerLink) { self.link = link }

  private static let strange = StoreError(.io, WorkerLink.strange.message)

  func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void
  ) {
    link.call(.value(key: key, upTo: bytes)) { answer in
      switch answer {
      case .value(let found): completion(.success(found))
      default: completion(.failure(Self.failure(answer)))
      }
    }
  }

  func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void
  ) {
    link.call(.keys(prefix: prefix, limit: limit, upTo: bytes)) { answer in
      switch answer {
      case .keys(let found): completion(.success(found))
      default: completion(.failure(Self.failure(answer)))
      }
    }
  }

  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void
  ) {
    let question = ServiceCall.change(
      key: change.key, value: change.value, expiresAt: change.expiresAt, expecting: change.expecting)
    link.call(question) { answer in
      switch answer {
      case .changed(let isDone): completion(.success(isDone))
      default: completion(.failure(Self.failure(answer)))
      }
    }
  }

  private static func failure(_ answer: ServiceAnswer) -> StoreError {
    switch answer {
    case .storeFailed(let error): error
    case .refused(let refusal): StoreError(.io, refusal.message)
    default: strange
    }
  }
}

/// `jobs`, `emit`, `wait`.
final class RemoteScheduler: JobControl, EventHub {
  private let link: WorkerLink
  init(_ link: WorkerLink) { self.link = link }

  func jobs() throws(HostRefusal) -> [JobSummary] {
    switch link.ask(.jobs) {
    case .jobs(let jobs): return jobs
    case .refused(let refusal): throw refusal
    default: throw WorkerLink.strange
    }
  }

  func run(
    _ job: String, params: JSONText?, completion: @escaping @Sendable (Result<RunID, HostRefusal>) -> Void
  ) {
    link.call(.run(job: job, params: params)) { answer in
      switch answer {
      case .run(let id): completion(.success(RunID(id)))
      case .refused(let refusal): completion(.failure(refusal))
      default: completion(.failure(WorkerLink.strange))
      }
    }
  }

  func schedule(
    _ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, HostRefusal>) -> Void
  ) {
    link.call(.schedule(WireSchedule(request))) { answer in
      switch answer {
      case .schedule(let id): completion(.success(id))
      case .refused(let refusal): completion(.failure(refusal))
      default: completion(.failure(WorkerLink.strange))
      }
    }
  }

  func unschedule(_ id: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    link.done(.unschedule(id), completion)
  }
  func pause(
    _ job: String, reason: String?, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void
  ) { link.done(.pause(job: job, reason: reason), completion) }
  func resume(_ job: String, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    link.done(.resume(job: job), completion)
  }

  func emit(_ name: String, data: EventData?, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    link.done(.emit(name, data?.text), completion)
  }
  func subscribe(to name: String, _ receive: @escaping @Sendable (EventData?) -> Void) -> EventSubscription {
    link.subscribe(to: name, receive)
  }
}

package import Chronology

/// Why the host did not do what a script asked for, in one sentence. In Lua it is the second result: `nil, message`;
/// or an error at the line of the call, where the script asked for something that cannot be meant.
package struct HostRefusal: Error, Sendable, Equatable, CustomStringConvertible {
  package var message: String
  /// It named something that does not exist: an error in the script.
  package var isMisuse: Bool
  package init(_ message: String, isMisuse: Bool = false) {
    self.message = message
    self.isMisuse = isMisuse
  }
  package var description: String { message }
}

/// What a script sees of a job (`jobs.list()`).
package struct JobSummary: Sendable, Equatable {
  package var name: String
  /// Path of the script that declares it.
  package var script: String?
  package var nextFire: Instant?
  package var isPaused: Bool
  package var isEnabled: Bool
  /// Active runs.
  package var running: Int
  package var lastOutcome: Outcome?
  package var tags: [String]
  /// Dynamic schedules, by id.
  package var schedules: [ScheduleSummary] = []

  package init(
    name: String, script: String? = nil, nextFire: Instant? = nil, isPaused: Bool = false, isEnabled: Bool = true,
    running: Int = 0, lastOutcome: Outcome? = nil, tags: [String] = []
  ) {
    self.name = name
    self.script = script
    self.nextFire = nextFire
    self.isPaused = isPaused
    self.isEnabled = isEnabled
    self.running = running
    self.lastOutcome = lastOutcome
    self.tags = tags
  }
}

/// What a script sees of a dynamic schedule.
package struct ScheduleSummary: Sendable, Equatable {
  package var id: String
  /// The Lua that makes its trigger.
  package var trigger: String
  package var nextFire: Instant?
  package var params: JSONText?
  /// Active runs.
  package var running: Int

  package init(id: String, trigger: String, nextFire: Instant?, params: JSONText? = nil, running: Int = 0) {
    self.id = id
    self.trigger = trigger
    self.nextFire = nextFire
    self.params = params
    self.running = running
  }
}

/// The scheduler as scripts may use it (`jobs`). A completion may come inside the call or later on any thread, exactly
/// once.
package protocol JobControl: AnyObject, Sendable {
  /// All jobs, by name. Throws where they cannot be told.
  func jobs() throws(HostRefusal) -> [JobSummary]
  /// Asks for a run now; completes when the request is as durable as the job's store makes it.
  func run(_ job: String, params: JSONText?, completion: @escaping @Sendable (Result<RunID, HostRefusal>) -> Void)
  /// Makes a schedule for a job; completes with its id when it is as durable as the job's store makes it.
  func schedule(_ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, HostRefusal>) -> Void)
  /// Takes a dynamic schedule away; completes when that is durable.
  func unschedule(_ id: String, completion: @escaping @Sendable (HostRefusal?) -> Void)
  /// Pauses a job; completes when that, its reason and who asked are durable.
  func pause(_ job: String, reason: String?, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void)
  func resume(_ job: String, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void)
}

/// The data of an event: one text that all receivers share.
package final class EventData: Sendable {
  package let text: JSONText
  /// What the text is counted in; it goes with the last reference.
  private let holding: (any AnyObject & Sendable)?

  package init(_ text: JSONText, holding: (any AnyObject & Sendable)? = nil) {
    self.text = text
    self.holding = holding
  }
}

/// Events between jobs (`emit`, `wait`).
package protocol EventHub: AnyObject, Sendable {
  /// Completes after the event is durable; inside the call or later on any thread, exactly once.
  func emit(_ name: String, data: EventData?, completion: @escaping @Sendable (HostRefusal?) -> Void)
  /// `receive` is called, on any thread, with the data of each later event of that name until the subscription is
  /// cancelled. It must be quick: it takes the data, and reads it later.
  func subscribe(to name: String, _ receive: @escaping @Sendable (EventData?) -> Void) -> EventSubscription
}

/// An open `subscribe`. Cancelling twice is fine.
package final class EventSubscription: Sendable {
  private let end: @Sendable () -> Void
  package init(cancel end: @escaping @Sendable () -> Void) { self.end = end }
  package func cancel() { end() }
}

/// Stands for services that a host does not have (`moondial exec` alongside no scheduler, a bare embedder): every
/// request is refused.
package final class MissingServices: JobControl, EventHub {
  private static let refusal = HostRefusal(
    "there is no scheduler here: this works in jobs that a running host has started")
  package init() {}

  package func jobs() -> [JobSummary] { [] }
  package func run(
    _ job: String, params: JSONText?, completion: @escaping @Sendable (Result<RunID, HostRefusal>) -> Void
  ) { completion(.failure(Self.refusal)) }
  package func schedule(
    _ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, HostRefusal>) -> Void
  ) { completion(.failure(Self.refusal)) }
  package func unschedule(_ id: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    completion(Self.refusal)
  }
  package func pause(
    _ job: String, reason: String?, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void
  ) { completion(Self.refusal) }
  package func resume(_ job: String, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    completion(Self.refusal)
  }
  package func emit(_ name: String, data: EventData?, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    completion(Self.refusal)
  }
  package func subscribe(to name: String, _ receive: @escaping @Sendable (EventData?) -> Void) -> EventSubscription {
    EventSubscription {}
  }
}

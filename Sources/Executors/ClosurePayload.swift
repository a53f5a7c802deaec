package import Chronology
package import JobModel

/// A job that is a Swift closure.
///
///     JobDefinition(name: "sweep", source: here, payload: ClosurePayload { context in
///       try sweep(until: context.deadline) { context.isCancelled }
///       return nil
///     })
///
/// A closure that throws `RunError` fails with that message; one that throws `CancellationError` ends as cancelled, or
/// as timed out after its deadline; one that throws `ClosureRetry` asks for another attempt; any other error fails with
/// its description. Swift code cannot be stopped from outside: it looks at `context.isCancelled` now and then, or
/// (async) at `Task.isCancelled`.
package final class ClosurePayload: JobPayload {
  enum Body: Sendable {
    case blocking(@Sendable (ClosureContext) throws -> JSONText?)
    case async(@Sendable (ClosureContext) async throws -> JSONText?)
  }
  let body: Body

  /// - Parameter body: runs on a worker and holds it until it returns; what it returns is the run's result.
  package init(_ body: @escaping @Sendable (ClosureContext) throws -> JSONText?) { self.body = .blocking(body) }

  /// - Parameter async: runs as a task of its own and holds no worker. When it is cancelled, or
  ///   its deadline has passed, its task is cancelled, and the run ends when the task does; after 10 s it is stuck.
  package init(async body: @escaping @Sendable (ClosureContext) async throws -> JSONText?) { self.body = .async(body) }

  /// Closures cannot be compared: another payload is other code.
  package func difference(from other: any JobPayload) -> PayloadDifference { other === self ? .none : .code }
}

/// What a closure is told about its run.
package struct ClosureContext: Sendable {
  package let order: RunOrder
  package let startedAt: Instant
  /// Nanoseconds of the executor's monotonic clock at which it should be over; `.max` when it has no timeout.
  package let deadline: Int64
  /// What `deadline` is measured with.
  let clock: any MonotonicClock
  let isStopped: @Sendable () -> Bool

  /// Whether it should return soon: it was cancelled, is beyond its deadline, or the pool is being stopped. Meant for
  /// the closure, while it runs.
  package var isCancelled: Bool { isStopped() || remaining <= 0 }

  /// Nanoseconds until its deadline, negative beyond it; `.max` when it has none.
  package var remaining: Int64 { deadline == .max ? .max : deadline - clock.now.nanoseconds }
}

/// Thrown by a closure that wants another attempt, as `ctx:retry` in scripts.
package struct ClosureRetry: Error {
  /// Nanoseconds to wait; nil leaves it to the job's retry policy.
  package var delay: Int64?
  /// Why this attempt failed.
  package var error: RunError
  package init(delay: Int64?, error: RunError) {
    self.delay = delay
    self.error = error
  }
}

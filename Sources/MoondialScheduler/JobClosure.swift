internal import Chronology
internal import Executors
internal import JobModel
internal import Hosting

/// The code of a job, as the API takes it.
enum JobClosure: Sendable {
  case blocking(@Sendable (RunContext) throws -> Void)
  case async(@Sendable (RunContext) async throws -> Void)

  /// The same code as executors take it.
  ///
  /// - Parameter sink: where the lines of `RunContext.log` go, once there is a place.
  func payload(_ sink: @escaping @Sendable () -> HostLogSink?) -> ClosurePayload {
    switch self {
    case .blocking(let body):
      ClosurePayload { closure in
        let context = RunContext(closure, sink: sink())
        do { try body(context) } catch { throw JobClosure.inner(error) }
        return try context.result()
      }
    case .async(let body):
      ClosurePayload(async: { closure in
        let context = RunContext(closure, sink: sink())
        defer { context.end() }
        do {
          try await RunContext.$current.withValue(context) { try await body(context) }
        } catch { throw JobClosure.inner(error) }
        return try context.result()
      })
    }
  }

  private static func inner(_ error: any Error) -> any Error {
    guard let retry = error as? RetryLater else { return error }
    return ClosureRetry(delay: retry.delay?.wholeNanoseconds, error: RunError(message: retry.reason))
  }
}

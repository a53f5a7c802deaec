internal import Chronology
internal import JobModel
package import Lua

/// A request whose work is one asynchronous call: the store, the scheduler, a file on the blocking pool. It holds
/// nothing that would have to be closed; an answer that comes too late is dropped.
package final class CallRequest: HostRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let work: @Sendable (CallRequest) -> Void

  package init(_ work: @escaping @Sendable (CallRequest) -> Void) { self.work = work }
  package override func begin() { work(self) }
}

/// `sleep`, and what else only waits for a time. The pool's timers wake the run; there is no thread and no timer of its
/// own.
package final class SleepRequest: HostRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let until: Int64
  private let results: [LuaValue]

  /// - Parameter until: monotonic nanoseconds.
  package init(until: Int64, results: [LuaValue] = []) {
    self.until = until
    self.results = results
  }
  package override var expiry: Int64 { until }
  package override func expire() { complete(results) }
}

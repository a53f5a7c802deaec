internal import ProcessExecutor
package import Testing

/// Where a fixture's runs are done: a pool of threads, or processes.
package enum RunExecutor: String, Sendable, CaseIterable {
  case threads, processes

  /// That of the test that is being done.
  @TaskLocal package static var current = RunExecutor.threads

  /// The settings of a fixture's processes; nil: it has a pool.
  static func settings(workers: Int) -> ProcessConfiguration? {
    guard current == .processes else { return nil }
    var settings = ProcessConfiguration()
    settings.workers = workers
    return settings
  }
}

/// What is another thing on processes: a row of the table in docs/configuration.md, by its first cell.
package enum ExecutorDifference: String, Sendable, CaseIterable {
  case runs = "runs"
  case closures = "Swift closures"
  case suspension = "a run that suspends (`sleep`, `http`, `wait`)"
  case unstoppable = "a run that cannot be stopped"
  case sessions = "programs that begin a session (`setsid`, daemons)"
  case missing = "a granted file or directory that is not there yet"
  case answers = "the memory for answers on their way and for kept states"
}

/// Does each test of a suite on a pool of threads and then on processes; what fails says where it was.
///
///     @Suite(.onBothExecutors) struct RunTests {
///       @Test func works() throws { #expect(try PoolFixture().run("return 1").result == "1") }
///       @Test(.onThreads(because: .closures)) func closures() throws { … }
///     }
///
/// Threading: one executor after the other, on the test's task.
package struct BothExecutors: SuiteTrait, TestTrait, TestScoping {
  package var isRecursive: Bool { true }

  package func scopeProvider(for test: Test, testCase: Test.Case?) -> BothExecutors? { testCase == nil ? nil : self }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    let isSame = !test.traits.contains { $0 is ThreadsOnly }
    for executor in isSame ? RunExecutor.allCases : [.threads] {
      let naming = IssueHandlingTrait.compactMapIssues { issue in
        var issue = issue
        issue.comments.append("on \(executor)")
        return issue
      }
      try await naming.provideScope(for: test, testCase: testCase) { @concurrent in
        try await RunExecutor.$current.withValue(executor) { try await function() }
      }
    }
  }
}

/// Keeps a test of a suite that runs on both executors on threads.
package struct ThreadsOnly: TestTrait {
  package enum Reason: Sendable {
    case difference(ExecutorDifference)
    /// Something of the test's own, or a counter, that is within this process.
    case inside(String)
  }
  package let reason: Reason
}

extension Trait where Self == BothExecutors {
  /// Each test is done on threads and on processes.
  package static var onBothExecutors: Self { BothExecutors() }
}

extension Trait where Self == ThreadsOnly {
  /// The test looks at what is another thing on processes.
  package static func onThreads(because difference: ExecutorDifference) -> Self {
    ThreadsOnly(reason: .difference(difference))
  }
  /// The test's own `what` has to be in the process that runs are in.
  package static func onThreads(with what: String) -> Self { ThreadsOnly(reason: .inside(what)) }
}

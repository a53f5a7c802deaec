import Executors
import JobModel
import MoondialScheduler
import MoondialTesting
import Testing

@Suite("Every executor keeps the contract")
struct ExecutorConformanceTests {
  @Test("a pool of threads, as an embedder names it", arguments: ExecutorConformance.claims)
  func threads(claim: ExecutorConformance.Claim) throws {
    let isProved = try claim.run(on: ExecutorConformance.Subject(.threads(2)))
    #expect(isProved != claim.name.contains("progress"), "Swift closures say nothing of their progress")
  }

  /// What a run does must not hold the thread that submits it: a step of these runs is over at once.
  @Test("the executor without threads", arguments: ExecutorConformance.claims)
  func inline(claim: ExecutorConformance.Claim) throws {
    let subject = ExecutorConformance.Subject(make: { InlineExecutor(ClosureRunner()) }) { behaviour in
      guard case .works = behaviour else { return ExecutorConformance.Subject.closure(behaviour) }
      return ClosurePayload(async: { context in
        while !context.isCancelled { await Task.yield() }
        throw CancellationError()
      })
    }
    let isProved = try claim.run(on: subject)
    #expect(isProved != claim.name.contains("progress"))
  }

  @Test("an executor that reports an end twice is found out")
  func violations() throws {
    let twice = ExecutorConformance.Subject(
      make: { Careless(InlineExecutor(ClosureRunner())) },
      payload: ExecutorConformance.Subject.closure)
    let claim = try #require(ExecutorConformance.claims.first { $0.name.contains("many threads") })
    #expect(throws: ExecutorConformance.Violation.self) { try claim.run(on: twice) }
  }
}

/// Reports every end twice.
private final class Careless: JobExecutor {
  private let executor: any JobExecutor
  init(_ executor: any JobExecutor) { self.executor = executor }
  var workers: Int { executor.workers }
  func start(reportingTo sink: any RunReportSink) { executor.start(reportingTo: Doubled(sink)) }
  func submit(_ orders: [RunOrder]) { executor.submit(orders) }
  func cancel(_ token: RunToken) { executor.cancel(token) }
  func stop() { executor.stop() }

  private final class Doubled: RunReportSink {
    let sink: any RunReportSink
    init(_ sink: any RunReportSink) { self.sink = sink }
    func report(_ reports: [RunReport]) {
      sink.report(reports)
      sink.report(reports.filter { $0.kind == .ended })
    }
  }
}

internal import Basics
internal import Chronology
internal import JobModel
internal import TestSupport

extension ExecutorConformance {
  /// An executor that runs, with all that it reports. Orders are submitted on a thread of their own, since an executor
  /// may run them inside `submit`.
  final class Bench: Sendable {
    let executor: any JobExecutor
    private let sink = Sink()
    private let submitters = Monitor<[NamedThread]>([])

    init(_ subject: Subject, isStarted: Bool = true) throws {
      executor = try subject.make()
      if isStarted { executor.start(reportingTo: sink) }
    }

    /// Submits an order for each number, all of one job.
    func submit(
      _ numbers: Range<Int>, _ payload: any JobPayload, timeout: Int64? = nil, startBefore: Instant? = nil
    ) throws {
      var definition = JobDefinition(
        name: "conformance", source: SourceLocation(file: "conformance.lua", line: 1), payload: payload)
      definition.timeout = timeout
      let entry = JobEntry(definition)
      let orders = numbers.map { number in
        RunOrder(
          token: Self.token(number), id: RunID(Int64(number) + 1), job: entry, attempt: 1, scheduledAt: .epoch,
          startBefore: startBefore)
      }
      let executor = executor
      let thread = try NamedThread("submit") { executor.submit(orders) }
      submitters.change { $0.append(thread) }
    }

    static func token(_ number: Int) -> RunToken { RunToken(slot: number, use: 1) }

    var reports: [RunReport] { sink.reports.withLock { $0 } }

    /// Waits until a report satisfies `test`.
    func await(_ what: String, line: UInt = #line, _ test: (RunReport) -> Bool) throws {
      let found = sink.reports.wait(until: monotonicNow() + patience) { $0.contains(where: test) ? true : nil }
      try ExecutorConformance.expect(found != nil, "this was not reported within a minute: \(what)", line: line)
    }

    /// Waits for the end of each number, and answers their reports by it. No order may end twice, begin twice, or begin
    /// after its end.
    @discardableResult
    func ends(_ numbers: Range<Int>, line: UInt = #line) throws -> [RunReport] {
      let wanted = Set(numbers.map(Self.token))
      let all = sink.reports.wait(until: monotonicNow() + patience) { reports in
        Set(reports.filter(\.isEnd).map(\.token)).isSuperset(of: wanted) ? reports : nil
      }
      guard let all else {
        throw Violation(description: "an order did not end within a minute (line \(line))")
      }
      try check(all, line: line)
      var found: [RunToken: RunReport] = [:]
      for report in all where report.isEnd { found[report.token] = report }
      return numbers.map { found[Self.token($0)]! }
    }

    /// Stops, waits for whoever submits, and looks at everything that was ever reported.
    func stop(line: UInt = #line) throws {
      executor.stop()
      for thread in submitters.change({ threads in
        defer { threads = [] }
        return threads
      }) { thread.join() }
      try check(reports, line: line)
    }

    private func check(_ reports: [RunReport], line: UInt) throws {
      var started: Set<RunToken> = []
      var ended: Set<RunToken> = []
      for report in reports {
        let isFirst = report.isEnd ? ended.insert(report.token).inserted : true
        try ExecutorConformance.expect(isFirst, "an order ended twice: \(report)", line: line)
        if report.kind == .started {
          try ExecutorConformance.expect(
            started.insert(report.token).inserted, "an order began twice: \(report)", line: line)
          try ExecutorConformance.expect(
            !ended.contains(report.token), "an order began after its end: \(report)", line: line)
        }
      }
    }
  }

  private final class Sink: RunReportSink {
    let reports = Monitor<[RunReport]>([])
    func report(_ new: [RunReport]) { reports.change { $0 += new } }
  }

  static func expect(_ isTrue: Bool, _ claim: @autoclosure () -> String, line: UInt = #line) throws {
    if !isTrue { throw Violation(description: "\(claim()) (line \(line))") }
  }
}

extension RunReport {
  /// Whether nothing more is to come of its order.
  fileprivate var isEnd: Bool { kind == .ended || kind == .late }
}

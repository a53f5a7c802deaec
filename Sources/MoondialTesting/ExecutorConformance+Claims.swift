internal import Chronology
internal import JobModel
internal import TestSupport

extension ExecutorConformance {
  static let endClaims: [Claim] = [
    Claim("a run that returns has succeeded, with its result and no error") { subject in
      guard let payload = try subject.payload(.returns) else { return false }
      let bench = try Bench(subject)
      try bench.submit(0..<1, payload)
      let end = try bench.ends(0..<1)[0]
      try bench.stop()
      try expect(end.kind == .ended && end.outcome == .succeeded, "it ended as \(end.outcome)")
      try expect(end.details?.result?.text == "7", "its result is \(end.details?.result?.text ?? "nothing")")
      try expect(end.details?.error == nil && end.duration >= 0 && end.memoryPeakBytes >= 0, "\(end)")
      return true
    },
    Claim("a run whose code fails has failed, with its message") { subject in
      guard let payload = try subject.payload(.fails) else { return false }
      let bench = try Bench(subject)
      try bench.submit(0..<1, payload)
      let end = try bench.ends(0..<1)[0]
      try bench.stop()
      try expect(end.outcome == .failed, "it ended as \(end.outcome)")
      try expect(end.details?.error?.message == "broken", "its error is \(end.details?.error?.message ?? "nothing")")
      return true
    },
    Claim("orders of many threads all end, each once") { subject in
      guard let payload = try subject.payload(.returns) else { return false }
      let bench = try Bench(subject)
      for part in 0..<8 { try bench.submit(part * 25..<(part + 1) * 25, payload) }
      let ends = try bench.ends(0..<200)
      try bench.stop()
      try expect(ends.allSatisfy { $0.outcome == .succeeded }, "not all of 200 orders succeeded")
      return true
    },
    Claim("more orders than it has room for wait, or are rejected with a sentence; none is lost") { subject in
      guard let works = try subject.payload(.works), let returns = try subject.payload(.returns) else { return false }
      let bench = try Bench(subject)
      let busy = bench.executor.workers
      try bench.submit(0..<busy, works)
      try bench.submit(busy..<busy + 100, returns)
      // Those in front go on until they are told.
      for number in 0..<busy { try awaitCancelled(number, bench) }
      let ends = try bench.ends(0..<busy + 100)
      try bench.stop()
      for end in ends[busy...] where end.outcome != .succeeded {
        try expect(
          end.outcome == .failed && end.details?.error?.message.isEmpty == false, "an order was dropped: \(end)")
      }
      return true
    },
    Claim("a run that is under way is cancelled, and ends once") { subject in
      guard let payload = try subject.payload(.works) else { return false }
      let bench = try Bench(subject)
      try bench.submit(0..<1, payload)
      try awaitCancelled(0, bench)
      let end = try bench.ends(0..<1)[0]
      bench.executor.cancel(Bench.token(0))
      try bench.stop()
      try expect(end.outcome == .cancelled, "it ended as \(end.outcome)")
      return true
    },
    Claim("cancelling what is not there does nothing") { subject in
      guard let payload = try subject.payload(.returns) else { return false }
      let bench = try Bench(subject)
      bench.executor.cancel(Bench.token(77))
      try bench.submit(0..<1, payload)
      let end = try bench.ends(0..<1)[0]
      bench.executor.cancel(Bench.token(0))
      try bench.stop()
      try expect(end.outcome == .succeeded && bench.reports.allSatisfy { $0.token == end.token }, "\(bench.reports)")
      return true
    },
    Claim("a run beyond its deadline ends as timed out") { subject in
      guard let payload = try subject.payload(.works) else { return false }
      let bench = try Bench(subject)
      try bench.submit(0..<1, payload, timeout: 20_000_000)
      let end = try bench.ends(0..<1)[0]
      try bench.stop()
      try expect(end.outcome == .timedOut, "it ended as \(end.outcome)")
      try expect(end.duration >= 20_000_000, "it ended after \(end.duration) ns, before its deadline")
      return true
    },
    Claim("an order that may not start any more is late, and does not run") { subject in
      guard let payload = try subject.payload(.fails) else { return false }
      let bench = try Bench(subject)
      try bench.submit(0..<1, payload, startBefore: .epoch)
      let end = try bench.ends(0..<1)[0]
      try bench.stop()
      try expect(end.kind == .late && !bench.reports.contains { $0.kind == .started }, "\(bench.reports)")
      return true
    },
    Claim("what a run says of its progress is heard before its end") { subject in
      guard let payload = try subject.payload(.reportsProgress), let progress = subject.progress else { return false }
      let bench = try Bench(subject)
      try bench.submit(0..<1, payload)
      let end = try bench.ends(0..<1)[0]
      let heard = progress().last { $0.run == RunID(1) }
      try bench.stop()
      try expect(end.outcome == .succeeded, "it ended as \(end.outcome)")
      try expect(heard?.progress.fraction == 0.5, "it heard \(heard.map { "\($0)" } ?? "nothing")")
      return true
    },
  ]

  static let stopClaims: [Claim] = [
    Claim("stopping while it is busy interrupts what runs and what waits, and nothing is reported afterwards") {
      subject in
      guard let works = try subject.payload(.works) else { return false }
      let bench = try Bench(subject)
      let busy = bench.executor.workers + 5
      try bench.submit(0..<busy, works)
      try bench.await("the first start") { $0.kind == .started }
      try bench.stop()
      let ends = try bench.ends(0..<busy)
      try expect(
        ends.allSatisfy { $0.kind == .ended && $0.outcome == .interrupted }, "they ended as \(ends.map(\.outcome))")
      let count = bench.reports.count
      bench.executor.stop()
      bench.executor.cancel(Bench.token(0))
      try expect(bench.reports.count == count, "something was reported after stop")
      return true
    },
    Claim("an order that comes after the stop is interrupted, and does not run") { subject in
      guard let payload = try subject.payload(.returns) else { return false }
      let bench = try Bench(subject)
      try bench.stop()
      try bench.submit(0..<1, payload)
      let end = try bench.ends(0..<1)[0]
      try bench.stop()
      try expect(end.outcome == .interrupted, "it ended as \(end.outcome)")
      return true
    },
    Claim("stopping twice, and before the start, is fine") { subject in
      let never = try Bench(subject, isStarted: false)
      never.executor.stop()
      never.executor.stop()
      try expect(never.reports.isEmpty, "an executor that never ran reported something")
      return true
    },
    Claim("a run goes on when it is told that the host ends, until it is stopped") { subject in
      guard let payload = try subject.payload(.returns) else { return false }
      let bench = try Bench(subject)
      bench.executor.windDown()
      bench.executor.windDown()
      try bench.submit(0..<1, payload)
      let end = try bench.ends(0..<1)[0]
      try bench.stop()
      try expect(end.outcome == .succeeded, "it ended as \(end.outcome)")
      return true
    },
  ]

  /// Cancels an order as soon as it is submitted: until its end is reported. An executor may not have heard of it when
  /// the first call comes.
  private static func awaitCancelled(_ number: Int, _ bench: Bench) throws {
    try bench.await("the start of a run that works until it is cancelled") {
      $0.token == Bench.token(number) && $0.kind != .late
    }
    bench.executor.cancel(Bench.token(number))
  }
}

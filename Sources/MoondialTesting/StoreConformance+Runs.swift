internal import Chronology
internal import JobModel

extension StoreConformance {
  static let runClaims: [Claim] = [
    Claim("every field of a run comes back as it was given") { subject in
      try with(subject) { store in
        var run = finished(4, "wörk", .failed)
        run.cause = .recovery
        run.clockEpoch = ClockEpoch(1)
        run.missed = 12
        run.attempts = 3
        run.error = RunError(message: "no\0 way", file: "a.lua", line: 4, traceback: "stack\n\ttrace", data: "{}")
        run.result = JSONText(#"{"é":1}"#)
        run.params = JSONText("")
        run.event = JSONText(#"{"name":"x","data":null}"#)
        run.recovers = RunID(3)
        run.retriedAt = second(7)
        run.resumesAt = second(8)
        var other = finished(5, "wörk", .failed)
        other.error = RunError(message: "")
        try store.commit(.make { $0.finished = [run, other] })
        try expectEqual(store.runs(RunQuery(id: RunID(4))), [run], "the run with all its details")
        try expectEqual(store.runs(RunQuery(id: RunID(5))), [other], "the run with an empty error")
      }
    },
    Claim("all outcomes and causes come back") { subject in
      try with(subject) { store in
        var runs = Outcome.allCases.enumerated().map { finished(Int64($0.offset + 1), "a", $0.element) }
        for (index, cause) in RunCause.allCases.enumerated() {
          if index == runs.count { runs.append(finished(Int64(index + 1), "a")) }
          runs[index].cause = cause
        }
        try store.commit(.make { $0.finished = runs })
        try expectEqual(store.runs(RunQuery(job: "a")), runs.reversed(), "runs, newest first")
      }
    },
    Claim("a run goes from waiting to claimed to finished as one run") { subject in
      try with(subject) { store in
        var run = claim(1, "a")
        run.claimedAt = nil
        run.params = JSONText("[1]")
        for stage in 0..<3 {
          if stage == 1 { run.claimedAt = second(5) }
          if stage == 2 {
            run.outcome = .succeeded
            run.finishedAt = second(6)
          }
          try store.commit(
            .make {
              if stage == 0 { $0.waiting = [run] } else if stage == 1 { $0.claims = [run] } else { $0.finished = [run] }
            })
          try expectEqual(store.runs(RunQuery(job: "a")), [run], "one run at stage \(stage)")
          try expectEqual(store.load().unfinished, stage == 2 ? [] : [run], "unfinished at stage \(stage)")
        }
      }
    },
    Claim("a claim and its outcome in one batch are one finished run") { subject in
      try with(subject) { store in
        try store.commit(
          .make {
            $0.claims = [claim(1, "a")]
            $0.finished = [finished(1, "a")]
          })
        try expectEqual(store.runs(RunQuery(job: "a")), [finished(1, "a")], "the finished run")
        try expectEqual(store.load().unfinished, [], "nothing unfinished")
      }
    },
    Claim("applying a batch twice is the same as once") { subject in
      try with(subject) { store in
        let batch = StoreBatch.make {
          $0.schedules = [schedule("a")]
          $0.fires = [FireUpdate(job: "a", nextFire: second(9), lastFire: second(8), fireCount: 2)]
          $0.claims = [claim(1, "a"), claim(2, "a")]
          $0.finished = [finished(1, "a")]
          $0.decisions = numbered([decision("a", 1), decision("a", 2, .misfired), decision("a", 3)])
        }
        try store.commit(batch)
        let before = (try store.schedules(), try store.runs(RunQuery()), try store.decisions(DecisionQuery()))
        try store.commit(batch)
        try expectEqual(store.schedules(), before.0, "schedules")
        try expectEqual(store.runs(RunQuery()), before.1, "runs")
        try expectEqual(store.decisions(DecisionQuery()), before.2, "decisions")
      }
    },
    Claim("runs that share a long event or parameters have them each, from waiting to the end") { subject in
      try with(subject) { store in
        let event = JSONText("{\"data\":\"" + String(repeating: "é", count: 5_000) + "\"}")
        let params = JSONText("{\"p\":\"" + String(repeating: "p", count: 2_000) + "\"}")
        func run(_ id: Int64, _ outcome: Outcome? = nil) -> RunRecord {
          var run = outcome == nil ? claim(id, "a") : finished(id, "a", .succeeded)
          run.event = event
          run.params = id % 2 == 0 ? params : JSONText("{}")
          return run
        }
        let claimed = (1...20).map { run(Int64($0)) }
        let waiting = claimed.map { run -> RunRecord in
          var run = run
          run.claimedAt = nil
          return run
        }
        let ended = (2...20).map { run(Int64($0), .succeeded) }
        try store.commit(.make { $0.waiting = waiting })
        try store.commit(.make { $0.claims = claimed })
        try expectEqual(store.load().unfinished, claimed, "claimed runs")
        try store.commit(
          .make {
            $0.dropped = [RunID(1)]
            $0.finished = ended
          })
        try expectEqual(store.runs(RunQuery(job: "a")), ended.reversed(), "finished runs")
      }
    },
    Claim("a dropped waiting run is gone") { subject in
      try with(subject) { store in
        var waiting = claim(1, "a")
        waiting.claimedAt = nil
        try store.commit(.make { $0.waiting = [waiting] })
        try store.commit(.make { $0.dropped = [RunID(1), RunID(99)] })
        try expectEqual(store.runs(RunQuery()), [], "no runs")
        try expectEqual(store.load().nextRunID, RunID(2), "its id is not used again")
      }
    },
    Claim("queries filter, order by id downwards, and page") { subject in
      try with(subject) { store in
        let runs = (1...60).map { finished($0, $0 % 3 == 0 ? "a" : "b", $0 % 5 == 0 ? .failed : .succeeded) }
        for start in stride(from: 0, to: 60, by: 7) {
          try store.commit(.make { $0.finished = Array(runs[start..<min(60, start + 7)]) })
        }
        try store.commit(.make { $0.claims = [claim(61, "a")] })
        let all = [claim(61, "a")] + runs.reversed()
        for query in sampleQueries() {
          let expected = all.filter { matches(query, $0) }.prefix(query.limit)
          try expectEqual(store.runs(query).map(\.id.number), expected.map(\.id.number), "the answer to \(query)")
        }
      }
    },
    Claim("a run that finished late, with an old id, is in its place") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.claims = [claim(1, "slow")] })
        for id in 2...40 { try store.commit(.make { $0.finished = [finished(Int64(id), "quick")] }) }
        try store.commit(.make { $0.finished = [finished(1, "slow")] })
        try expectEqual(store.runs(RunQuery(job: "slow")), [finished(1, "slow")], "the slow run")
        try expectEqual(store.runs(RunQuery(limit: 1)).map(\.id), [RunID(40)], "the newest run by id")
      }
    },
    Claim("the newest runs of each job stay") { subject in
      try with(subject) { store in
        for start in stride(from: 1, through: 400, by: 40) {
          try store.commit(.make { $0.finished = (start..<start + 40).map { finished(Int64($0), "job\($0 % 2)") } })
        }
        let kept = try store.runs(RunQuery(job: "job1", limit: min(100, subject.kept)))
        try expectEqual(kept.map(\.id.number), (0..<min(100, subject.kept)).map { 399 - 2 * Int64($0) }, "the newest")
      }
    },
    Claim("unfinished runs and the next id survive closing and opening", needsDurability: true) { subject in
      var waiting = claim(8, "a")
      waiting.claimedAt = nil
      waiting.event = JSONText(#"{"name":"x"}"#)
      try with(subject) { store in
        try store.commit(
          .make {
            $0.waiting = [waiting]
            $0.claims = [claim(7, "a")]
            $0.finished = [finished(9, "b")]
          })
      }
      try with(subject) { store in
        let snapshot = try store.load()
        try expectEqual(snapshot.unfinished, [claim(7, "a"), waiting], "unfinished runs, by id")
        try expectEqual(snapshot.nextRunID, RunID(10), "the next run id")
        try expectEqual(store.runs(RunQuery(job: "b")), [finished(9, "b")], "the finished run")
      }
    },
    Claim("log lines stay with their run, the last ones in order") { subject in
      try with(subject) { store in
        let lines = (0..<20).map { number -> RunLogLine in
          let fields = number == 2 ? JSONText(#"{"a":1}"#) : nil
          let job = number % 2 == 0 ? "a" : "b"
          return RunLogLine(
            run: RunID(1 + Int64(number % 2)), job: job, at: second(1), level: "info", message: "line \(number)",
            fields: fields)
        }
        store.append(log: lines)
        try store.commit(StoreBatch())  // Comes after the lines.
        try expectEqual(store.log(of: RunID(1), limit: 100), lines.filter { $0.run == RunID(1) }, "all lines of run 1")
        try expectEqual(store.log(of: RunID(1), limit: 2).map(\.message), ["line 16", "line 18"], "its last two lines")
        try expectEqual(store.log(of: RunID(3), limit: 2), [], "no lines of another run")
      }
    },
  ]

  /// Each filter alone, and all pairs of them, at several limits.
  private static func sampleQueries() -> [RunQuery] {
    let edits: [(inout RunQuery) -> Void] = [
      { $0.job = "a" }, { $0.job = "none" }, { $0.id = RunID(30) }, { $0.outcomes = [.failed] },
      { $0.outcomes = [.succeeded, .failed] }, { $0.outcomes = [] }, { $0.from = second(20) }, { $0.to = second(45) },
      { $0.before = RunID(33) },
    ]
    var queries: [RunQuery] = []
    for first in edits {
      for other in edits {
        for limit in [0, 1, 7, 1_000] {
          var query = RunQuery(limit: limit)
          first(&query)
          other(&query)
          queries.append(query)
        }
      }
    }
    return queries
  }

  /// The words of `RunQuery`, said again without looking at any store.
  private static func matches(_ query: RunQuery, _ run: RunRecord) -> Bool {
    (query.job ?? run.job) == run.job && (query.id ?? run.id) == run.id
      && (query.outcomes.map { outcomes in run.outcome.map { outcomes.contains($0) } ?? false } ?? true)
      && (query.from ?? .distantPast) <= run.scheduledAt && run.scheduledAt < (query.to ?? .distantFuture)
      && run.id < (query.before ?? RunID(.max))
  }
}

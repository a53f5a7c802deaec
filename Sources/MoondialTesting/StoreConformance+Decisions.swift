internal import Chronology
internal import JobModel

extension StoreConformance {
  /// - Parameter continuing: the second in which the range that it continues ends.
  static func decision(
    _ job: String, _ first: Int64, _ kind: DecisionKind = .skipped, to last: Int64? = nil, count: Int? = nil,
    continuing: Int64? = nil
  ) -> DecisionRange {
    var range = DecisionRange(
      job: job, kind: kind, reason: kind == .skipped ? .overlap : nil, first: second(first),
      last: second(last ?? first),
      count: count ?? Int((last ?? first) - first) + 1, clockEpoch: ClockEpoch(0),
      decidedAt: second((last ?? first) + 1))
    range.continues = continuing.map(second)
    return range
  }

  /// As their decider numbers them: what is handed over again is recognised by its number.
  static func numbered(_ ranges: [DecisionRange]) -> [DecisionRange] {
    ranges.enumerated().map { index, range in
      var range = range
      range.number = Int64(index) + 1
      return range
    }
  }

  static let decisionClaims: [Claim] = [
    Claim("every field of a decision range comes back as it was given") { subject in
      try with(subject) { store in
        var ranges: [DecisionRange] = []
        for (index, kind) in DecisionKind.allCases.enumerated() {
          for (other, reason) in ([nil] + SkipReason.allCases.map { $0 }).enumerated() {
            var range = decision(
              "a", Int64(100 * index + 10 * other + 1), kind, to: Int64(100 * index + 10 * other + 3))
            range.reason = reason
            range.isAtLeast = other == 1
            range.run = other == 2 ? RunID(7) : nil
            range.clockEpoch = ClockEpoch(Int32(other))
            ranges.append(range)
          }
        }
        try store.commit(.make { $0.decisions = ranges })
        try expectEqual(store.decisions(DecisionQuery(job: "a")), ranges.reversed(), "ranges, newest first")
      }
    },
    Claim("ranges that continue each other become one") { subject in
      try with(subject) { store in
        for first in 1...50 {
          try store.commit(.make { $0.decisions = [decision("a", Int64(first), continuing: Int64(first) - 1)] })
        }
        var whole = decision("a", 1, to: 50)
        whole.decidedAt = second(51)
        try expectEqual(store.decisions(DecisionQuery(job: "a")), [whole], "one range of 50")
      }
    },
    Claim("ranges with another decision between them stay apart") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.decisions = [decision("a", 1), decision("a", 2, .misfired), decision("b", 3)] })
        try store.commit(.make { $0.decisions = [decision("a", 3)] })
        try expectEqual(
          store.decisions(DecisionQuery(job: "a")), [decision("a", 3), decision("a", 2, .misfired), decision("a", 1)],
          "three ranges of one job")
        try expectEqual(store.decisions(DecisionQuery()).count, 4, "ranges of all jobs")
        try expectEqual(store.decisions(DecisionQuery(limit: 2)).count, 2, "the limit")
      }
    },
    Claim("ranges that their decider keeps apart stay apart, also when their batch is applied again") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.decisions = [decision("a", 1)] })
        let batch = StoreBatch.make { $0.decisions = numbered([decision("a", 3), decision("a", 4, continuing: 3)]) }
        try store.commit(batch)
        try store.commit(batch)
        var whole = decision("a", 3, to: 4)
        whole.decidedAt = second(5)
        try expectEqual(store.decisions(DecisionQuery(job: "a")), [whole, decision("a", 1)], "two ranges")
      }
    },
    Claim("a batch that is applied again continues none of the ranges that came after it") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.decisions = [decision("a", 1)] })
        let first = numbered([decision("a", 5, continuing: 1), decision("a", 2)])
        try store.commit(.make { $0.decisions = first })
        try store.commit(.make { $0.decisions = numbered(first + [decision("a", 3, continuing: 2)]) })
        try expectEqual(store.decisions(DecisionQuery(job: "a")).map(\.count), [2, 2], "instants of two ranges")
        try expectEqual(store.load().nextDecision, 4, "the next number")
      }
    },
    Claim("asking at an instant finds the ranges that contain it") { subject in
      try with(subject) { store in
        try store.commit(
          .make {
            $0.decisions = [decision("a", 1, to: 10), decision("a", 20, .misfired, to: 30), decision("b", 5, to: 25)]
          })
        let cases: [(Int64, Int, Int)] = [
          (0, 0, 0), (1, 1, 1), (5, 1, 2), (10, 1, 2), (15, 0, 1), (20, 1, 2), (30, 1, 1), (31, 0, 0),
        ]
        for (at, ofA, ofAll) in cases {
          try expectEqual(store.decisions(DecisionQuery(job: "a", at: second(at))).count, ofA, "ranges of a at \(at)")
          try expectEqual(store.decisions(DecisionQuery(at: second(at))).count, ofAll, "ranges at \(at)")
        }
        let span = DecisionQuery(job: "a", at: second(0), before: second(1_000))
        try expectEqual(store.decisions(span), store.decisions(DecisionQuery(job: "a")), "ranges within a span")
        let earliest = try store.decisions(DecisionQuery(job: "a")).map(\.first).min()
        let none = DecisionQuery(job: "a", at: second(0), before: earliest)
        try expectEqual(store.decisions(none), [], "ranges that begin where a span ends")
        try expectEqual(store.decisions(DecisionQuery(job: "none", at: second(5))), [], "an unknown job")
      }
    },
    Claim("decisions survive closing and opening, and go on growing", needsDurability: true) { subject in
      try with(subject) { store in try store.commit(.make { $0.decisions = [decision("a", 1)] }) }
      try with(subject) { store in
        try store.commit(.make { $0.decisions = [decision("a", 2, continuing: 1)] })
        var whole = decision("a", 1, to: 2)
        whole.decidedAt = second(3)
        try expectEqual(store.decisions(DecisionQuery(job: "a")), [whole], "one range")
      }
    },
  ]
}

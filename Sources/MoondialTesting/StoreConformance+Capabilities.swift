internal import Chronology
internal import JobModel

/// What only some stores can do: a store that cannot has nothing to prove.
extension StoreConformance {
  static let capabilityClaims: [Claim] = [
    Claim("who looks into a store sees its runs that have not ended, oldest first, and the names of all jobs, sorted") {
      subject in
      try with(subject) { store in
        guard let store = store as? any InspectableStore else { return }
        try expect(!store.location.isEmpty, "a store that can be looked into says where it lies")
        try store.commit(
          .make { batch in
            batch.schedules = [schedule("c"), schedule("a")]
            batch.claims = [claim(1, "b"), claim(3, "a")]
            batch.finished = [finished(2, "d")]
          })
        try expectEqual(store.openRuns().map(\.id.number), [1, 3], "runs that have not ended")
        try expectEqual(store.jobNames(), ["a", "b", "c", "d"], "the names of jobs")
        let living = store.living(among: try store.openRuns())
        try expect(living.isSubset(of: [claim(1, "b").id, claim(3, "a").id]), "only what was asked about is alive")
      }
    },
    Claim("the latest runs that have ended are told for many jobs at once") { subject in
      try with(subject) { store in
        try store.commit(
          .make { batch in
            batch.claims = [claim(9, "a"), claim(10, "c")]
            batch.finished = [finished(1, "a"), finished(4, "b"), finished(2, "b", .failed), finished(3, "a", .failed)]
          })
        let found = try store.lastRuns(of: ["a", "b", "c", "nobody"])
        try expectEqual(found.mapValues(\.id.number), ["a": 3, "b": 4], "the latest of each")
        try expectEqual(found.mapValues(\.outcome), ["a": .failed, "b": .succeeded], "how they ended")
        // Beyond the run numbers that any index has been written for so far, and before them.
        for number in 100..<400 { try store.commit(.make { $0.finished = [finished(Int64(number), "b")] }) }
        let later = try store.lastRuns(of: ["a", "b"])
        try expectEqual(later.mapValues(\.id.number), ["a": 3, "b": 399], "the latest of each, later")
      }
    },
    Claim("who looks into a store sees why everything is paused") { subject in
      try with(subject) { store in
        guard let store = store as? any InspectableStore else { return }
        try expectEqual(store.hostPause(), nil, "before a pause")
        let note = PauseNote(reason: "moving", by: "ann", at: second(5))
        try store.commit(.make { $0.hostPause = .paused(note) })
        try expectEqual(store.hostPause(), note, "a pause")
        try store.commit(.make { $0.hostPause = .resumed })
        try expectEqual(store.hostPause(), nil, "after it")
      }
    },
    Claim("a store that examines itself counts what it has, and is sound") { subject in
      try with(subject) { store in
        guard let store = store as? any DiagnosableStore else { return }
        try store.commit(
          .make { batch in
            batch.schedules = [schedule("a")]
            batch.claims = [claim(1, "a")]
            batch.finished = [finished(2, "a")]
          })
        let report = try store.doctor()
        try expect(report.isSound, "damages: \(report.damages)")
        try expectEqual(report.counts.schedules, 1, "schedules")
        try expectEqual(report.openRunCount, 1, "runs that have not ended")
        try expectEqual(report.openRuns.map(\.id.number), [1], "their ids")
      }
    },
    Claim("a smaller retention takes effect sooner or later, and never touches the newest run") { subject in
      try with(subject) { store in
        guard let store = store as? any RetainingStore else { return }
        let runs = Int64(min(20, subject.kept))
        for number in 1...runs { try store.commit(.make { $0.finished = [finished(number, "a")] }) }
        var retention = Retention()
        retention.standard = Retention.Limit(runs: 5, age: nil)
        store.setRetention(retention)
        // Work in the background goes along with batches; there is nothing else to wait for.
        for _ in 0..<100 { try store.commit(.make { $0.clockEpoch = ClockEpoch(0) }) }
        try expectEqual(store.runs(RunQuery(job: "a", limit: 1)).map(\.id.number), [runs], "the newest run")
      }
    },
  ]
}

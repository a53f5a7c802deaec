internal import Chronology
internal import JobModel

extension StoreConformance {
  static let scheduleClaims: [Claim] = [
    Claim("the schedules of some jobs are asked for by name, and a durable store has those of forgotten jobs") {
      subject in
      try with(subject) { store in
        var gone = schedule("gone")
        gone.orphanedAt = second(5)
        try store.commit(.make { $0.schedules = [schedule("a"), schedule("b"), gone] })
        try expectEqual(store.schedules(of: ["b", "none", "gone"]).map(\.job).sorted(), ["b", "gone"], "by name")
        try store.commit(.make { $0.forgotten = ["gone", "never"] })
        try expectEqual(store.schedules(of: ["a", "b"]).count, 2, "the others")
        if subject.isDurable { try expectEqual(store.schedules(of: ["gone"]), [gone], "the forgotten one") }
        try store.commit(
          .make {
            $0.schedules = [schedule("gone")]; $0.claims = [claim(1, "gone")]
          })
        try expectEqual(store.schedules(of: ["gone"]), [schedule("gone")], "it is back")
        try expectEqual(store.runs(RunQuery(job: "gone")).count, 1, "with a run")
      }
    },
    Claim("a new store is empty and hands out run 1 first") { subject in
      try with(subject) { store in
        let snapshot = try store.load()
        try expectEqual(snapshot.schedules, [], "no schedules")
        try expectEqual(snapshot.unfinished, [], "no unfinished runs")
        try expectEqual(snapshot.nextRunID, RunID(1), "the first run id")
        try expectEqual(snapshot.clockEpoch, ClockEpoch(0), "the first clock epoch")
      }
    },
    Claim("every field of a schedule comes back as it was given") { subject in
      try with(subject) { store in
        var full = schedule("nightly 🌙")
        full.anchor = Instant(nanoseconds: -5)
        full.lastFire = Instant(nanoseconds: .max)
        full.fireCount = 7
        full.clockEpoch = ClockEpoch(3)
        full.isPaused = true
        full.orphanedAt = second(9)
        var bare = schedule("bare", next: nil)
        bare.trigger = nil
        try store.commit(.make { $0.schedules = [full, bare] })
        try expectEqual(store.schedules(), [bare, full], "schedules, by job name")
      }
    },
    Claim("a schedule that is given again replaces the earlier one") { subject in
      try with(subject) { store in
        var record = schedule("a")
        try store.commit(.make { $0.schedules = [record] })
        record.nextFire = nil
        record.isPaused = true
        try store.commit(.make { $0.schedules = [record] })
        try expectEqual(store.schedules(), [record], "the later record")
      }
    },
    Claim("a fire moves its schedule on and leaves the rest alone") { subject in
      try with(subject) { store in
        var record = schedule("a")
        record.isPaused = true
        record.anchor = second(5)
        try store.commit(
          .make {
            $0.schedules = [record]
            $0.fires = [FireUpdate(job: "a", nextFire: second(120), lastFire: second(60), fireCount: 1)]
          })
        record.nextFire = second(120)
        record.lastFire = second(60)
        record.fireCount = 1
        try expectEqual(store.schedules(), [record], "the moved schedule")
      }
    },
    Claim("a fire of a schedule that was never stored changes nothing") { subject in
      try with(subject) { store in
        try store.commit(
          .make { $0.fires = [FireUpdate(job: "ghost", nextFire: nil, lastFire: second(1), fireCount: 1)] })
        try expectEqual(store.schedules(), [], "no schedule")
      }
    },
    Claim("schedules and the clock epoch survive closing and opening", needsDurability: true) { subject in
      try with(subject) { store in
        try store.commit(
          .make {
            $0.schedules = [schedule("b"), schedule("a")]
            $0.clockEpoch = ClockEpoch(2)
          })
      }
      try with(subject) { store in
        let snapshot = try store.load()
        try expectEqual(snapshot.schedules.sorted { $0.job < $1.job }, [schedule("a"), schedule("b")], "schedules")
        try expectEqual(snapshot.clockEpoch, ClockEpoch(2), "the clock epoch")
      }
    },
  ]
}

internal import Chronology
internal import JobModel

/// Dynamic schedules.
extension StoreConformance {
  static func dynamic(_ id: String, _ job: String = "send", next: Instant? = second(60)) -> ScheduleRecord {
    var record = schedule(job, next: next)
    record.dynamic = DynamicSchedule(id: id, options: ScheduleOptions())
    return record
  }

  private static var everyOption: ScheduleOptions {
    var options = ScheduleOptions()
    options.params = JSONText("{\"to\":\"ann\"}")
    options.jitter = 5
    options.timeZone = "Europe/Vienna"
    options.misfireGraceTime = 0
    options.coalesce = .all
    options.maxInstances = 3
    options.priority = -7
    return options
  }

  static let dynamicScheduleClaims: [Claim] = [
    Claim("every field of a dynamic schedule comes back as it was given") { subject in
      try with(subject) { store in
        var full = dynamic("b")
        full.dynamic = DynamicSchedule(id: "b 🌙", options: everyOption)
        full.anchor = second(5)
        full.lastFire = second(4)
        full.fireCount = 7
        full.clockEpoch = ClockEpoch(3)
        full.isPaused = true
        full.orphanedAt = second(9)
        let bare = dynamic("a", next: nil)
        try store.commit(.make { $0.schedules = [full, schedule("send"), bare] })
        try expectEqual(
          store.schedules(), [schedule("send"), bare, full], "schedules, the job's own first, then by id")
      }
    },
    Claim("dynamic schedules survive closing and opening", needsDurability: true) { subject in
      var record = dynamic("a")
      record.dynamic = DynamicSchedule(id: "a", options: everyOption)
      try with(subject) { store in try store.commit(.make { $0.schedules = [record] }) }
      try with(subject) { store in try expectEqual(store.load().schedules, [record], "the schedule") }
    },
    Claim("several schedules of one job move apart from each other and from the job's own") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.schedules = [schedule("send"), dynamic("a"), dynamic("b")] })
        try store.commit(
          .make {
            $0.fires = [
              FireUpdate(job: "send", schedule: "b", nextFire: nil, lastFire: second(60), fireCount: 1),
              FireUpdate(job: "send", nextFire: second(70), lastFire: second(60), fireCount: 2),
            ]
          })
        try expectEqual(store.schedules().map(\.nextFire), [second(70), second(60), nil], "next fire times")
        try expectEqual(store.schedules().map(\.fireCount), [2, 0, 1], "counts")
      }
    },
    Claim("a dynamic schedule goes, and its job's own and its runs stay") { subject in
      try with(subject) { store in
        var run = finished(1, "send")
        run.schedule = "a"
        try store.commit(
          .make {
            $0.schedules = [schedule("send"), dynamic("a")]
            $0.finished = [run]
            $0.decisions = [skipped("a", 5)]
          })
        try store.commit(.make { $0.unscheduled = ["a", "never there"] })
        try expectEqual(store.schedules(), [schedule("send")], "what is left")
        try expectEqual(store.runs(RunQuery(job: "send")), [run], "its run")
        try expectEqual(store.decisions(DecisionQuery(job: "send")).map(\.schedule), ["a"], "its decision")
      }
    },
    Claim("an id may change hands") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.schedules = [dynamic("a", "send")] })
        try store.commit(.make { $0.schedules = [dynamic("a", "fetch")] })
        try expectEqual(
          store.load().schedules.filter { $0.id == "a" }.map(\.nextFire), [second(60)], "one schedule of that id")
      }
    },
    Claim("a batch that takes a schedule away and a later one that makes it again may become one") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.schedules = [dynamic("a"), dynamic("b")] })
        var batch = StoreBatch.make {
          $0.fires = [FireUpdate(job: "send", schedule: "a", nextFire: nil, lastFire: second(60), fireCount: 1)]
          $0.unscheduled = ["a", "b"]
        }
        batch.append(.make { $0.schedules = [dynamic("a", next: second(90))] })
        try store.commit(batch)
        try expectEqual(store.schedules(), [dynamic("a", next: second(90))], "the new one")
      }
    },
    Claim("a run says whose it is while it waits, when it is claimed and when it has ended") { subject in
      try with(subject) { store in
        var run = claim(1, "send")
        run.schedule = "a"
        var waiting = run
        waiting.claimedAt = nil
        try store.commit(.make { $0.waiting = [waiting] })
        try expectEqual(store.load().unfinished, [waiting], "the waiting run")
        try store.commit(.make { $0.claims = [run] })
        try expectEqual(store.load().unfinished, [run], "the claimed run")
        var ended = finished(1, "send")
        ended.schedule = "a"
        try store.commit(.make { $0.finished = [ended] })
        try expectEqual(store.runs(RunQuery(job: "send")), [ended], "the finished run")
      }
    },
    Claim("decisions of schedules that take turns grow each for itself") { subject in
      try with(subject) { store in
        for time in 1...3 as ClosedRange<Int64> {
          try store.commit(.make { $0.decisions = [skipped("a", time), skipped("b", time), skipped(nil, time)] })
        }
        let ranges = try store.decisions(DecisionQuery(job: "send"))
        try expectEqual(ranges.count, 3, "one range for each")
        try expectEqual(Set(ranges.map(\.count)), [3], "each counts its own")
        try expectEqual(Set(ranges.map { $0.schedule ?? "" }), ["", "a", "b"], "and says whose it is")
      }
    },
    Claim("why a run never had its turn comes back as it was given", needsDurability: true) { subject in
      let reasons: [SkipReason] = [.unscheduled, .group, .rate]
      try with(subject) { store in
        try store.commit(
          .make {
            $0.decisions = reasons.enumerated().map { index, reason in
              var range = skipped("a", Int64(index) * 10)
              range.reason = reason
              return range
            }
          })
      }
      try with(subject) { store in
        try expectEqual(store.decisions(DecisionQuery(job: "send")).map(\.reason), reasons.reversed(), "the reasons")
      }
    },
  ]

  private static func skipped(_ schedule: String?, _ time: Int64) -> DecisionRange {
    var range = DecisionRange(
      job: "send", schedule: schedule, kind: .skipped, reason: .overlap, first: second(time), last: second(time),
      count: 1,
      clockEpoch: ClockEpoch(0), decidedAt: second(time + 1))
    range.continues = second(time - 1)
    return range
  }
}

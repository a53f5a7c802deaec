internal import Chronology
internal import JobModel

/// What operators leave in a store: pauses with their reasons, and who changed what.
extension StoreConformance {
  private static func line(_ id: Int64, _ action: String = "pause", by: String = "ann") -> AuditLine {
    AuditLine(
      id: id, at: second(id), by: by, door: "socket", action: action, subject: "job \(id)",
      details: JSONText("{\"reason\":\"🌒\"}"))
  }

  static let controlClaims: [Claim] = [
    Claim("a pause comes back with its reason, who and when, also after a new start") { subject in
      var paused = schedule("paused")
      paused.isPaused = true
      paused.pause = PauseNote(reason: "the disk is full 🌘", by: "ann", at: second(3))
      var silent = schedule("silent")
      silent.isPaused = true
      silent.pause = PauseNote(reason: nil, by: "backup.lua", at: second(4))
      try with(subject) { store in
        try store.commit(.make { $0.schedules = [paused, silent] })
        try expectEqual(store.schedules(), [paused, silent], "the pauses")
        var resumed = silent
        resumed.isPaused = false
        resumed.pause = nil
        try store.commit(.make { $0.schedules = [resumed] })
        try expectEqual(store.schedules(of: ["silent"]), [resumed], "the one that was resumed")
      }
      guard subject.isDurable else { return }
      try with(subject) { store in
        try expectEqual(store.load().schedules.first { $0.job == "paused" }?.pause, paused.pause, "after a new start")
      }
    },
    Claim("a pause of everything is there until it is taken back") { subject in
      let first = PauseNote(reason: "moving house", by: "ann", at: second(1))
      let second = PauseNote(reason: nil, by: "bob", at: Self.second(2))
      try with(subject) { store in
        try expect(store.load().pause == nil, "a new store pauses nothing")
        try store.commit(.make { $0.hostPause = .paused(first) })
        try store.commit(.make { $0.hostPause = .paused(second) })
        try expectEqual(store.load().pause, second, "the later one")
      }
      if subject.isDurable {
        try with(subject) { store in try expectEqual(store.load().pause, second, "after a new start") }
      }
      try with(subject) { store in
        try store.commit(.make { $0.hostPause = .resumed })
        try expect(store.load().pause == nil, "it is taken back")
      }
    },
    Claim("who changed what is told newest first, in pages, by who, what and when") { subject in
      try with(subject) { store in
        try store.commit(.make { $0.audit = [line(1), line(2, "resume"), line(3, by: "bob")] })
        try expectEqual(store.audit(AuditLineQuery()), [line(3, by: "bob"), line(2, "resume"), line(1)], "all")
        try expectEqual(store.audit(AuditLineQuery(before: 3, limit: 1)), [line(2, "resume")], "a page")
        var query = AuditLineQuery()
        query.action = "pause"
        query.by = "ann"
        try expectEqual(store.audit(query), [line(1)], "by who and what")
        query = AuditLineQuery()
        query.subject = "job 2"
        try expectEqual(store.audit(query), [line(2, "resume")], "by subject")
        query = AuditLineQuery()
        query.from = second(2)
        query.to = second(3)
        try expectEqual(store.audit(query), [line(2, "resume")], "by time")
      }
    },
    Claim("a line of the audit that is handed over again is there once, and ids go on after the highest") { subject in
      try with(subject) { store in
        try expectEqual(store.load().nextAudit, 1, "in a new store")
        try store.commit(.make { $0.audit = [line(1), line(2)] })
        try store.commit(.make { $0.audit = [line(2), line(3)] })
        try expectEqual(store.audit(AuditLineQuery()).map(\.id), [3, 2, 1], "each once")
        try expectEqual(store.load().nextAudit, 4, "the next id")
      }
      guard subject.isDurable else { return }
      try with(subject) { store in
        try expectEqual(store.load().nextAudit, 4, "the next id after a new start")
        try expectEqual(store.audit(AuditLineQuery()).count, 3, "the lines after a new start")
      }
    },
    Claim("the oldest lines of the audit make room for new ones") { subject in
      let kept = Retention().auditLines
      try with(subject) { store in
        for start in stride(from: 1, through: kept + 1_000, by: 1_000) {
          try store.commit(.make { $0.audit = (start..<start + 1_000).map { line(Int64($0)) } })
        }
        var lines = try store.audit(AuditLineQuery(limit: 2 * kept))
        // Work in the background goes along with batches; there is nothing else to wait for.
        for _ in 0..<100 where lines.count > kept {
          try store.commit(.make { $0.clockEpoch = ClockEpoch(0) })
          lines = try store.audit(AuditLineQuery(limit: 2 * kept))
        }
        try expect(lines.count <= kept, "no more than \(kept) lines are kept, found \(lines.count)")
        try expectEqual(lines.first?.id, Int64(kept + 1_000), "the newest")
        try expect(lines.count >= kept - 1, "as many as may be are kept, found \(lines.count)")
      }
    },
    Claim("cause and origin of a run that is a retry or part of a backfill come back") { subject in
      try with(subject) { store in
        var retry = finished(1, "a")
        retry.cause = .retry
        retry.recovers = RunID(77)
        var backfill = finished(2, "a")
        backfill.cause = .backfill
        try store.commit(.make { $0.finished = [retry, backfill] })
        try expectEqual(store.runs(RunQuery(job: "a")), [backfill, retry], "the runs")
      }
    },
  ]
}

internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading

/// What became of a job's fire times.
extension SchedulerControl {
  package func explain(_ query: ExplainQuery) async throws(ControlError) -> ExplainAnswer {
    try await away { () throws(ControlError) in
      guard (1...PageLimit.most).contains(query.limit) else {
        throw ControlError(.invalid, "limit \(query.limit): give a number from 1 to \(PageLimit.most)")
      }
      try self.checkKnown(query.job)
      let pause = self.engine.ask { core, _, _ in core.pauseNote }
      let context = ExplainContext(
        zone: self.parts.zone, hostSince: self.startedAt, pause: pause, open: self.openRuns(),
        configuration: self.parts.scripts.current?.configuration ?? self.parts.configuration,
        job: { name in
          guard let slot = self.directory.slot(of: name) else { return nil }
          return self.states(at: [slot]).first { !$0.isOrphaned }?.definition
        },
        jobs: { self.declaredJobs() }, nodes: { self.parts.whereabouts($0)?.node },
        whereabouts: { self.parts.whereabouts($0)?.words })
      return try self.reading { () throws(StoreError) in
        try Explanation(self.stores, query, context).answer()
      }
    }
  }

  /// Active runs as they stand, some at a time; the newest 20,000 of them.
  private func openRuns() -> OpenRuns {
    var entries: [OpenRuns.Entry] = []
    var before: RunID?
    while entries.count < 20_000 {
      let start = before
      let found = engine.ask { core, _, _ in core.activeRuns(of: nil, before: start, limit: PageLimit.most) }
      entries += found.map { OpenRuns.Entry($0.record, phase(of: $0)) }
      guard found.count == PageLimit.most else { break }
      before = found.last?.record.id
    }
    return OpenRuns(entries.reversed(), isHosted: true, now: now)
  }

  private func declaredJobs() -> [JobDefinition] {
    let all = directory.all
    return stride(from: 0, to: all.count, by: Self.jobsPerTick).flatMap { from in
      states(at: Array(all[from..<min(all.count, from + Self.jobsPerTick)])).lazy.filter { !$0.isOrphaned }
        .map(\.definition)
    }
  }
}

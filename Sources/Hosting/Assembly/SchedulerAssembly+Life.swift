internal import Basics
internal import FileWatching
package import JobModel
internal import SchedulerService
package import ScriptLoading
package import ScriptRuntime

/// From the first load to the last row.
extension SchedulerAssembly {
  /// Loads the scripts, starts the scheduler with their jobs and the program's own, and begins to watch.
  ///
  /// Blocks on the stores and the disk, and while scripts are evaluated.
  ///
  /// - Parameter announce: told of the loaded scripts before the log says what is wrong with them, and the first of
  ///   their runs can say anything.
  /// - Returns: the loaded scripts; nil when there are none.
  /// - Throws: of kind `ended` when it was told to end while it waited for other hosts. Then, and with any other error,
  ///   everything is closed.
  @discardableResult
  package func start(
    _ nativeJobs: [JobDefinition] = [], announce: (LoadedGeneration) -> Void = { _ in }
  ) throws(HostError) -> LoadedGeneration? {
    do {
      declared.add(nativeJobs)
      guard let follower else {
        try begin(nil)
        return nil
      }
      return try follower.start(announcing: announce) { generation in
        let scripts = Set(generation.scripts.map(\.path.text))
        luaHost?.services.metrics.keep(scripts: scripts)
        if generation.loading.isEmpty { keeper?.keepOnly(scripts) }
        try begin(generation)
      }
    } catch {
      follower?.stop()
      closeEverything()
      if let ended = error as? HostError, ended.kind == .ended { throw ended }
      throw HostError("\(error)")
    }
  }

  private func begin(_ generation: LoadedGeneration?) throws {
    try openPlacing()
    let scripted = declared.take(generation)
    try engine.start(
      scripted + declared.all, groups: configuration.groups, isWhole: generation?.loading.isEmpty ?? true)
    intents.carryOut()
    // A run may have declared jobs since.
    engine.ask { [files, declared] _, _, _ in files.follow(scripted + declared.all) }
    if generation?.loading.isEmpty ?? true { placing?.startIsComplete() }
  }

  /// Reads every script again. Does not block.
  package func rescan() {
    follower?.rescanNow()
    files.rescanNow()
  }

  /// What scripts count and measure, sorted.
  package var metrics: [MetricSeries] { luaHost?.services.metrics.all ?? [] }

  /// Waits for orphans that the kernel gave to this process. Does not block.
  package func reapOrphans() { luaHost?.reapOrphans() }

  /// Claims nothing more, waits up to `grace` nanoseconds for what runs, cancels what is left, writes and closes.
  /// Blocks until then.
  ///
  /// - Parameter closing: called when nothing runs any more, while the stores still answer.
  package func stop(grace: Int64, closing: () -> Void = {}) {
    // A script that loads, or a directory that does not answer, must not keep the jobs from ending.
    follower?.cancel()
    placing?.hostEnds()
    placedRuns?.takeNothingMore()
    operations.stopReloads()
    files.stop()
    engine.drain(grace: grace)
    follower?.stop()
    closing()
    closeEverything()
  }

  /// Tells the jobs that listen, and the scripts that wait for it. Blocks until it is as durable as the stores make it.
  package func emit(_ event: String, data: JSONText?) throws(HostError) {
    let answer = Monitor<HostRefusal??>(nil)
    bridge.emit(event, data: data.map { EventData($0) }) { refusal in
      answer.withLock { $0 = .some(refusal) }
      answer.broadcast()
    }
    if let refusal = answer.wait(for: { $0 }) ?? nil { throw HostError(refusal.message) }
  }

  /// The host is to end, or to begin anew: a start that waits for what other hosts must end first waits no longer. A
  /// `stop` is still due once the start has returned. Does not block.
  package func willEnd() { placing?.hostEnds() }

  /// Ends the waiting of a `stop`: what still runs is interrupted.
  package func endNow() { engine.endNow() }

  private func closeEverything() {
    files.stop()
    luaHost?.stop()
    bridge.stop()
    sink.stop()
    operations.stop()
    keeper?.stop()
    placing?.stop()
    placedRuns?.stop(grace: 0)
    for (_, store) in stores { store.close() }
    // Last: who leads is a member.
    memberships.leave()
    bridge.detach()
    failures?.detach()
    ears.detach()
  }

  /// Why a job is kept and does not run.
  package func reasonOfOrphan(_ job: String) -> String {
    follower?.homes.reason(for: job) ?? "nobody declares it any more: kept, not run until somebody does"
  }
}

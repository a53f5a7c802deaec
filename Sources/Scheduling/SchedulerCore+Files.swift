import Chronology
package import JobModel

/// Files that jobs watch for: complete ones → runs → marks.
///
/// The memory of files is the disk and the marks: a file that is there and has no mark is given to a run, now or after
/// the next start. So what waits here needs no row, a run that is interrupted needs no other to make good for it, and
/// the invariant is short:
///
/// - A file's mark is written in the same batch as the outcome of the run that was given it, and in no other. A crash
///   before that batch means that the file comes again; after it, that it does not.
/// - An outcome leaves a mark when it is the job's own: success always; every other final outcome too, unless the run
///   was interrupted, replaced by a newer one, or ended because the host stops. The files of those come again.
extension SchedulerCore {
  /// These files are complete. They wait for a free instance, and whatever waits by then is one run, as far as the
  /// job's batch reaches. A job that is paused or orphaned keeps them waiting; under `overlap = "replace"` the oldest
  /// run is cancelled.
  package mutating func filesCompleted(
    _ files: [WatchedFile], of job: String, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    guard !files.isEmpty, let index = index(of: job) else { return }
    watched.backlogs[index, default: FileBacklog()].add(files)
    watched.noteWaiting(index)
    let entry = jobs[index.offset].entry
    if entry.definition.overlap == .replace, jobs[index.offset].active >= entry.definition.maxInstances,
      mayTakeFiles(index)
    {
      cancelOldestInstance(of: index, &evaluation)
    }
  }

  /// These files get no run, on purpose: the store remembers that.
  package mutating func filesPassedOver(
    _ files: [WatchedFile], of job: String, beginning: [String] = [], at now: ClockReading,
    into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    guard let index = index(of: job) else { return }
    let nothing = FileVersion(device: 0, inode: 0, size: 0, modified: 0)
    let marks =
      files.map { FileMark(job: job, path: $0.path, version: $0.version, at: now.wall) }
      + beginning.map { FileMark(job: job, path: FileMark.beginning(of: $0), version: nothing, at: now.wall) }
    evaluation.stores[Int(jobs[index.offset].store)].batch.files += marks
  }

  /// These paths name nothing any more: nothing waits for them, and the store may forget them.
  package mutating func filesGone(
    _ paths: [String], of job: String, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    guard let index = index(of: job) else { return }
    watched.backlogs[index]?.remove(paths)
    evaluation.stores[Int(jobs[index.offset].store)].batch.files += paths.map {
      FileMark(job: job, path: $0, version: nil, at: now.wall)
    }
  }

  private func mayTakeFiles(_ index: JobIndex) -> Bool {
    let job = jobs[index.offset]
    return !job.isOrphaned && !isPaused(index.offset) && job.definition.enabled
  }

  /// Makes runs of what waits, for every job that has an instance free. Called once an evaluation, so that neither the
  /// end of a run nor `resume` nor a reload has to remember it. O(jobs with waiting files).
  mutating func startFileRuns(_ evaluation: inout Evaluation) {
    for index in watched.waiting {
      guard let watch = jobs[index.offset].entry.definition.watch else {
        if !jobs[index.offset].isOrphaned { watched.backlogs[index]?.removeAllWaiting() }
        continue
      }
      guard mayTakeFiles(index) else { continue }
      while jobs[index.offset].active < jobs[index.offset].entry.definition.maxInstances,
        jobs[index.offset].queue.isEmpty
      {
        guard let files = watched.backlogs[index]?.take(watch.batch, bytes: FileWatch.batchBytes), !files.isEmpty else {
          break
        }
        startRun(of: index, with: files, &evaluation)
      }
    }
    watched.forgetIdle()
  }

  private mutating func startRun(
    of index: JobIndex, with files: [WatchedFile], _ evaluation: inout Evaluation
  ) {
    let run = accept(index, cause: .watch, at: evaluation.now.wall, event: Self.event(files), &evaluation)
    precondition(run != nil, "a run for files is accepted only while an instance is free")
    // The newest of those accepted. It needs no waiting row: what is not claimed is on the disk.
    guard let token = runs.unflushed.popLast(), let slot = runs.slot(token) else { return }
    watched.backlogs[index]?.give(files, to: slot)
  }

  private static func event(_ files: some Sequence<WatchedFile>, more: Int = 0) -> JSONText {
    let paths = files.map { quoted($0.path) }.joined(separator: ",")
    return JSONText("{\"name\":\"watch\",\"paths\":[\(paths)]\(more > 0 ? ",\"more\":\(more)" : "")}")
  }

  /// The event of a run that has ended, as the history keeps it: a thousand runs of a thousand paths each would fill a
  /// disk. Which run had which file is in the marks.
  func recordedEvent(of slot: Int) -> JSONText? {
    let run = runs.slots[slot]
    guard let files = watched.backlogs[run.job]?.files(of: slot), files.count > Self.recordedPaths else {
      return run.record.event
    }
    return Self.event(files.prefix(Self.recordedPaths), more: files.count - Self.recordedPaths)
  }

  private static let recordedPaths = 20

  /// A run for files is over: they are marked with its outcome, or wait again, or wait for the next host.
  mutating func endFiles(of slot: Int, _ outcome: Outcome, _ evaluation: inout Evaluation) {
    let run = runs.slots[slot]
    guard outcome != .interrupted else { return }
    guard outcome == .succeeded || !isDraining && run.cancellation != .replaced else { return returnFiles(of: slot) }
    let files = watched.backlogs[run.job]?.end(slot) ?? []
    evaluation.stores[Int(run.store)].batch.files += files.map {
      FileMark(
        job: run.record.job, path: $0.path, version: $0.version, run: run.record.id, outcome: outcome,
        at: evaluation.now.wall)
    }
  }

  /// The files of a run that came to nothing wait again.
  mutating func returnFiles(of slot: Int) {
    let index = runs.slots[slot].job
    guard let files = watched.backlogs[index]?.end(slot) else { return }
    watched.backlogs[index]?.putBack(files)
    watched.noteWaiting(index)
  }
}

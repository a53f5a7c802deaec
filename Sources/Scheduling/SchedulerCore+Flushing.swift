import JobModel

/// What the end of an evaluation tells the stores.
extension SchedulerCore {
  /// Ends an evaluation: says where each schedule that moved stands now.
  ///
  /// The invariant that crash recovery rests on: a store is never told that a schedule moved past an instant unless the
  /// same batch, or an earlier one, holds that instant's claim, waiting row or decision.
  mutating func flush(_ evaluation: inout Evaluation) {
    persistUnclaimedFires(&evaluation)
    for token in runs.unflushed {
      guard let slot = runs.slot(token), runs.slots[slot].row == .none else { continue }
      persistIfWaiting(slot, &evaluation)
    }
    runs.unflushed.removeAll(keepingCapacity: true)
    defer { jobs.flushed() }
    guard !jobs.dirty.isEmpty else { return }
    for index in jobs.dirty {
      let offset = index.offset
      let isWhole = jobs[offset].dirt == .record
      jobs[offset].dirt = .none
      if jobs[offset].dynamic != nil, clearAway(index, &evaluation) { continue }
      let store = Int(jobs[offset].store)
      if isWhole {
        // It may have taken the id of one that went in the same evaluation.
        if let id = jobs[offset].dynamic?.id {
          evaluation.stores[store].batch.unscheduled.removeAll { $0 == id }
        }
        noteOrphan(index)
        evaluation.stores[store].batch.schedules.append(scheduleRecord(of: index))
      } else if let last = jobs[offset].lastFire {
        let entry = jobs[offset].entry
        evaluation.stores[store].batch.fires.append(
          FireUpdate(
            job: entry.definition.name, schedule: jobs[offset].dynamic?.id, nextFire: jobs[offset].nextFire,
            lastFire: last,
            fireCount: jobs[offset].fireCount, index: jobs[offset].dynamic == nil ? index : nil))
      }
    }
  }

  /// Writes waiting rows for accepted fires of dirty jobs that are neither claimed nor stored.
  ///
  /// Those that wait in their job's queue are found there. Others are rare (a full window): one scan of the runs is
  /// cheaper than a list per job that nearly always is empty.
  private mutating func persistUnclaimedFires(_ evaluation: inout Evaluation) {
    var areOthersLeft = false
    for index in jobs.dirty where jobs[index.offset].unstored > 0 {
      // From the newest: what came in an earlier evaluation got its row then.
      var position = jobs[index.offset].queue.count - 1
      while position >= 0, runs.slots[Int(jobs[index.offset].queue[position])].row == .none {
        persistIfWaiting(Int(jobs[index.offset].queue[position]), &evaluation)
        position -= 1
      }
      areOthersLeft = areOthersLeft || jobs[index.offset].unstored > 0
    }
    guard areOthersLeft else { return }
    for slot in runs.slots.indices where runs.slots[slot].state != .free && jobs[runs.slots[slot].job.offset].isDirty {
      persistIfWaiting(slot, &evaluation)
    }
  }

  private mutating func persistIfWaiting(_ slot: Int, _ evaluation: inout Evaluation) {
    switch runs.slots[slot].state {
    case .ready, .waiting, .debouncing:
      guard runs.slots[slot].row == .none else { return }
      runs.slots[slot].row = .waiting
      jobs[runs.slots[slot].job.offset].unstored -= 1
      evaluation.stores[Int(runs.slots[slot].store)].batch.waiting.append(runs.slots[slot].record)
    default: return
    }
  }
}

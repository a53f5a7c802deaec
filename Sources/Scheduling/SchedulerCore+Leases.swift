import Chronology
package import JobModel

/// What a host does whose lease on a store is in doubt: nothing of that store begins, and what runs ends before another
/// host may begin with it. Jobs of other stores go on.
extension SchedulerCore {
  /// The lease could not be renewed. Claimed runs of the store are asked to end; those that do end as interrupted.
  package mutating func leaseIsDoubtful(
    in store: Int, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    if !stores.failed[store] {
      stores.failed[store] = true
      stallChoices()
    }
    for slot in runs.activeSlots where Int(runs.slots[slot].store) == store {
      switch runs.slots[slot].state {
      case .dispatched, .running, .stuck: requestCancel(slot, as: .leaseEnded, &evaluation)
      case .free, .debouncing, .waiting, .ready, .claiming, .retrying, .finishing, .parked: continue
      }
    }
  }

  /// It was renewed after all.
  package mutating func leaseIsRegained(
    in store: Int, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    storeRecovered(store, into: &evaluation)
  }
}

internal import JobModel
internal import SchedulerService
internal import Scheduling

/// Stores that several hosts may name.
extension SchedulerAssembly {
  /// Has the scheduler end what it may not run any more when a lease is in doubt.
  static func followLeases(
    of stores: [(name: String, store: any JobStore)], _ engine: any SchedulerEngine, log: any HostLog,
    onLost: @escaping @Sendable (String) -> Void
  ) {
    for (index, entry) in stores.enumerated() {
      guard let store = entry.store as? any LeasedStore else { continue }
      store.watchLease { [weak engine] change in
        switch change {
        case .doubtful(let why):
          log.write(.error, "store \(why)")
          engine?.post(whenDurable: nil) { core, now, evaluation in
            core.leaseIsDoubtful(in: index, at: now, into: &evaluation)
          }
        case .regained:
          log.write(.info, "store \(entry.store.name): its lease is renewed again")
          engine?.post(whenDurable: nil) { core, now, evaluation in
            core.leaseIsRegained(in: index, at: now, into: &evaluation)
          }
        case .lost(let why):
          log.write(.error, "store \(why)")
          engine?.post(whenDurable: nil) { core, now, evaluation in
            core.leaseIsDoubtful(in: index, at: now, into: &evaluation)
          }
          onLost(why)
        }
      }
    }
  }
}

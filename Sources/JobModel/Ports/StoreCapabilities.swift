package import Chronology

// What only some stores can do, a protocol each. Whoever needs one asks for it (`store as? any DiagnosableStore`), and
// says in one sentence what to do instead where the store cannot.

/// A store whose history has limits that a running host may change.
package protocol RetainingStore: JobStore {
  /// How much is kept from now on; a smaller limit takes effect in the background, or with the next batch.
  func setRetention(_ retention: Retention)
}

/// A store that others than its host may look into: commands, while a host has it open or when none does.
///
/// Every question blocks on the disk or the network, changes nothing, and disturbs no host.
package protocol InspectableStore: JobStore {
  /// Where it lies, as an operator knows it: a path, or an address without its password.
  var location: String { get }

  /// What copies it, where it cannot do so itself (``BackupStore``): the end of a sentence.
  var copyAdvice: String { get }

  /// When the host came up that schedules from it now, or did so last. nil: none ever did.
  func hostSince() throws(StoreError) -> Instant?

  /// Whether a host schedules from it at this moment.
  var isHosted: Bool { get }

  /// Why everything is paused, as a host that starts would find it. nil: it is not.
  func hostPause() throws(StoreError) -> PauseNote?

  /// The names of all jobs that it has, or had, anything of; sorted.
  func jobNames() throws(StoreError) -> [String]

  /// Runs that have not ended, oldest first: waiting and claimed ones.
  func openRuns() throws(StoreError) -> [RunRecord]

  /// Those of `runs`, claimed and not ended, that somebody alive runs: a host, or a process alongside one.
  func living(among runs: [RunRecord]) -> Set<RunID>
}

extension InspectableStore {
  package var copyAdvice: String { "use the tools of its server" }
}

/// A store that can examine itself (`moondial doctor`).
package protocol DiagnosableStore: JobStore {
  /// Looks all of it over. Takes as long as reading all of it does.
  func doctor() throws(StoreError) -> StoreReport
}

/// A store that can be copied into one file while a host uses it (`moondial backup`).
package protocol BackupStore: JobStore {
  /// Writes a complete, consistent copy, which is on disk when this returns and appears under its name at once or not
  /// at all. A file that is there already is an error.
  func backup(to path: String) throws(StoreError)
}

/// A store that can drop what it keeps of an orphan in case it returns (`moondial forget`).
package protocol ForgettingStore: JobStore {
  /// Removes where its schedule stands, dynamic schedules, runs that wait, marks of its files. Its history stays for as
  /// long as its retention says. A host that is up goes on knowing the job until it ends.
  func forget(_ job: String) throws(StoreError) -> Forgetting
}

/// What became of a wish to forget a job.
package enum Forgetting: Sendable, Equatable {
  case forgotten
  /// The store has nothing of it.
  case unknown
  /// It is no orphan: a script declares it, or did when a host was last up.
  case declared
  /// A run of it has begun, and a host that is up will go on with it.
  case underWay(RunID)
}

/// A store in which a process may record a run of its own alongside a host (`moondial exec`).
package protocol ExternalRunStore: JobStore {
  /// A run id that belongs to the caller alone, whatever hosts and other processes do meanwhile. Until the store is
  /// closed, or the process ends, a run of that id counts as alive: no host that starts takes it for a dead one's.
  func externalRunID() throws(StoreError) -> RunID
}

/// A store that several hosts may name, of which one at a time schedules from it: the one that has its lease.
package protocol LeasedStore: JobStore {
  /// Calls `listener` with each change of this host's lease, on a thread of the store's, in order. It must be quick.
  /// Once per store; a change that came before the call is told at once.
  func watchLease(_ listener: @escaping @Sendable (LeaseChange) -> Void)
}

/// What became of a host's lease on a store.
package enum LeaseChange: Sendable, Equatable {
  /// It could not be renewed, and will end soon or has ended: what runs from this store must end before another host
  /// may begin with it.
  case doubtful(String)
  /// It was renewed after all, and nobody else had it meanwhile.
  case regained
  /// Another host has the store now.
  case lost(String)
}

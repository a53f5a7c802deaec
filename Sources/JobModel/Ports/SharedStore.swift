package import Basics
package import Chronology

// A store that several hosts may name. One of them leads: it has the store's lease, and schedules from it
// (`LeasedStore`). Every host that names the store is one of its members, also while it stands by.

/// Who a host is to those that share a store with it. It stays the same for as long as its process lives.
package struct MemberIdentity: Sendable, Equatable {
  /// As the operator calls it; no two live members of a store have the same.
  package var name: String
  /// Another one after each start of a host.
  package var life: String
  /// The name of its machine.
  package var machine: String
  package var place: ProcessPlace
  package var version: String
  /// What jobs may ask for.
  package var labels: [String]
  package var executors: [Executor]

  package struct Executor: Sendable, Equatable {
    package var name: String
    package var workers: Int
    package init(name: String, workers: Int) {
      self.name = name
      self.workers = workers
    }
  }

  package init(
    name: String, life: String, version: String, labels: [String] = [], executors: [Executor] = [],
    machine: String = ProcessPlace.machine, place: ProcessPlace = .current
  ) {
    self.name = name
    self.life = life
    self.machine = machine
    self.place = place
    self.version = version
    self.labels = labels
    self.executors = executors
  }
}

/// What changes of a member while it lives; each of its beats brings it.
package struct MemberReport: Sendable, Equatable {
  /// The set of scripts in force; 0: it runs none.
  package var generation = 0
  /// Names what is in its script files: the same on hosts with the same scripts. Empty: it has none.
  package var scripts = ""
  /// Runs that it has on its executors.
  package var runs = 0

  package init() {}
}

/// A member as its store knows it.
package struct StoreMember: Sendable, Equatable {
  package var identity: MemberIdentity
  package var report = MemberReport()
  /// When it became a member, by the server's clock.
  package var since: Instant
  /// Nanoseconds that it counts as alive without another word of it, by the server's clock; 0 or less: it has gone.
  package var left: Int64
  /// Nanoseconds that its clock is ahead of the server's at least; negative: behind. 0: it is right, as far as can be
  /// told.
  package var clockAhead: Int64 = 0
  /// It is to be given nothing more.
  package var isDraining = false
  package var drainedBy: String?
  /// Set while it leads.
  package var lead: Lead?
  /// Whether it runs what the leader gives it.
  package var takesRuns = false

  package struct Lead: Sendable, Equatable {
    /// When it took the store, by the server's clock.
    package var since: Instant
    /// Nanoseconds that its lease lasts without being renewed.
    package var left: Int64
    package init(since: Instant, left: Int64) {
      self.since = since
      self.left = left
    }
  }

  package init(identity: MemberIdentity, since: Instant, left: Int64) {
    self.identity = identity
    self.since = since
    self.left = left
  }

  package var name: String { identity.name }
  package var isAlive: Bool { left > 0 }
}

/// What a store that several hosts share tells any of them, and takes from any.
package protocol SharedStore: InspectableStore {
  /// Its members, and those that have gone without a word within a day; by name. Blocks on the server.
  func members() throws(StoreError) -> [StoreMember]

  /// Has a member give up what it leads and be given nothing more, or takes that back. It is told at once. Blocks on
  /// the server.
  ///
  /// - Parameter caller: who wants it.
  /// - Returns: whether there is such a member.
  func setDraining(_ isDraining: Bool, of member: String, by caller: String) throws(StoreError) -> Bool
}

/// A kind of store that several hosts may name.
package protocol SharedStoreDriver: StoreDriver {
  /// Makes a host one of the store's members, before it tries to lead. Blocks on the server; and for the length of a
  /// lease where a host of that name was there a moment ago, and nobody can tell whether it still is.
  ///
  /// - Throws: `.locked` when another live host has the name, with who that is; and as `open` does.
  func join(
    _ address: StoreAddress, _ request: StoreRequest, as identity: MemberIdentity, _ callbacks: MembershipCallbacks
  ) throws(StoreError) -> any StoreMembership
}

/// What a membership asks its host, and tells it: on a thread of its own, one call at a time.
package struct MembershipCallbacks: Sendable {
  /// Asked before each beat. It should be quick: a member that does not say a word for the length of a lease has gone.
  package var report: @Sendable () -> MemberReport
  package var heard: @Sendable (MembershipNews) -> Void

  package init(report: @escaping @Sendable () -> MemberReport, heard: @escaping @Sendable (MembershipNews) -> Void) {
    self.report = report
    self.heard = heard
  }
}

/// What a member hears.
package enum MembershipNews: Sendable, Equatable {
  /// It is to give up what it leads and is given nothing more; or not any more.
  case draining(Bool, by: String)
  /// The members, itself among them, as they were at its last beat.
  case members([StoreMember])
  /// Nanoseconds that this machine's clock is ahead of the server's at least; told when it is more than a second, and
  /// (0) when it is right again.
  case clockAhead(Int64)
  /// The others have not heard of it for the length of a lease.
  case unheard(String)
  /// They hear of it again.
  case heardAgain
  /// Another host has taken its name meanwhile.
  case nameTaken(String)
}

/// That a host is a member of a store. It beats, by itself, for as long as it is one.
package protocol StoreMembership: AnyObject, Sendable {
  /// Has the member take runs of the store's leader; nil: members of this kind of store run nothing of it. Blocks on
  /// the server. It takes none before it is told to.
  func openStation(_ request: StoreRequest, _ callbacks: StationCallbacks) throws(StoreError) -> (any RunStation)?

  /// Beats now, instead of when it is due: what the host reports has changed. Never blocks.
  func beat()

  /// The host is no member any more: the others see that at once. One that is drained stays so until its process ends.
  /// Blocks for a moment; twice is fine.
  func leave()
}

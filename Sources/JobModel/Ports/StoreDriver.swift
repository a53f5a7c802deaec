package import Chronology

/// Where a store lies, as a configuration writes it: `sqlite:moondial.db`, `memory`, `postgres://host/db`.
package struct StoreAddress: Sendable, Hashable {
  /// What was written, with a colon. It may hold a password: not for messages.
  package let text: String

  /// A scheme alone, such as `memory`, stands for the scheme with nothing behind its colon.
  package init(_ text: String) { self.text = text.contains(":") ? text : text + ":" }

  /// What stands before the first colon.
  package var scheme: String { String(text.prefix { $0 != ":" }) }

  /// What stands behind the first colon.
  package var rest: String { String(text.dropFirst(scheme.count + 1)) }
}

/// What has happened when a commit returns. `full`: the disk has confirmed it. `normal`: the kernel has it.
package enum CommitDurability: String, Sendable, CaseIterable { case full, normal }

/// What the opener of a store wants to do.
package enum StoreAccess: Sendable {
  /// Schedule from it: one host at a time, others are refused with who it is.
  case scheduler
  /// Record a run of one's own and use `kv`, whether a host is up or not.
  case alongside
  /// Only read, and change nothing.
  case reader
  /// Move everything out of it, or into it: hosts are kept out meanwhile, as by a host, and nothing is pruned.
  case transfer
}

/// How a store is to be opened.
package struct StoreRequest: Sendable {
  package var access: StoreAccess
  /// Where relative paths begin; nil is the working directory.
  package var directory: String?
  package var durability = CommitDurability.full
  package var retention = Retention()
  /// Told when the system refuses a thread that the store makes when it is first needed, and (nil) when it gives it.
  package var threadRefused: (@Sendable (StoreError?) -> Void)?
  /// Judges the age of history.
  package var clock: any WallClock = SystemWallClock()
  /// Of a store that several hosts may name: how long its lease lasts, in nanoseconds; nil: the store's default.
  package var lease: Int64?
  /// Nothing is made where there is no store: it is `.absent`.
  package var mustExist = false
  /// Of a store that several hosts may name: as what this host is a member of it; nil: it is none, and its machine's
  /// name stands for it.
  package var node: String?
  /// Whoever opens a store that another host schedules from waits for it, and says so here, once; nil: it is refused.
  package var standsBy: (@Sendable (String) -> Void)?

  package init(_ access: StoreAccess, in directory: String? = nil) {
    self.access = access
    self.directory = directory
  }
}

/// Where a store lies that others than the process that opened it may look into.
package struct StoreLocation: Sendable, Equatable {
  /// A path, or an address without its password.
  package var text: String
  /// Whether there is anything of it.
  package var exists: Bool

  package init(_ text: String, exists: Bool) {
    self.text = text
    self.exists = exists
  }
}

/// One kind of store: which addresses are its own, and how one is opened. A value without state.
package protocol StoreDriver: Sendable {
  /// What its addresses begin with, before the colon. The first is the kind's name.
  var schemes: [String] { get }

  /// How an address looks, for messages: `sqlite:FILE`.
  var example: String { get }

  /// Whether its commits can be less durable than the disk (`synchronous = "normal"`).
  var hasDurability: Bool { get }

  /// Whether several hosts may name one store, of which one has its lease (`lease = "15s"`).
  var hasLease: Bool { get }

  /// Whether an address with one of its schemes can be meant.
  func accepts(_ address: StoreAddress) -> Bool

  /// Where the store is; nil when nobody but the process that opens it could look into it. May look at the disk, and
  /// asks no server.
  func location(of address: StoreAddress, in directory: String?) -> StoreLocation?

  /// Opens the store. One opened for ``StoreAccess/reader`` is an ``InspectableStore`` whenever it has a location.
  ///
  /// - Throws: one sentence that names the store; `.unsupported` when this version cannot open such a store at all.
  func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore
}

extension StoreDriver {
  /// The kind's name.
  package var kind: String { schemes[0] }
  package var hasDurability: Bool { false }
  package var hasLease: Bool { false }
  package func accepts(_ address: StoreAddress) -> Bool { true }
}

/// The kinds of stores that a program can open.
package struct StoreKinds: Sendable {
  package let drivers: [any StoreDriver]

  package init(_ drivers: [any StoreDriver]) { self.drivers = drivers }

  /// The kind that an address is of by its scheme; nil: none.
  package func driver(of address: StoreAddress) -> (any StoreDriver)? {
    drivers.first { $0.schemes.contains(address.scheme) }
  }
}

import ArgumentParser
import Chronology
import FileWatching
import Hosting
import JobModel
import ScriptLoading
import ScriptRuntime

/// Where the commands that read stores find them: those of the configuration, or one.
struct StoreOptions: ParsableArguments {
  @Option(name: .customLong("dir"), help: "The scripts directory; moondial.lua is looked for in its parent.")
  var directory = "scripts"

  @Option(
    help: "Only this store: a file (a plain name is in the state directory), or an address. Default: all configured.")
  var store: String?

  @OptionGroup var settings: SettingOptions

  func validate() throws { try refuseEmpty(["--dir": directory, "--store": store]) }

  /// The stores for reading. Throws when there is none.
  func open() throws -> ReadStores { try ReadStores(self) }
}

/// The stores of a state directory, opened for reading: whether a host is up or not, and without disturbing it.
///
/// Scripts are loaded only when somebody asks for them.
final class ReadStores {
  struct Member {
    /// As the configuration calls it.
    let name: String
    let address: StoreAddress
    /// Where a relative path of the address begins; nil: the working directory.
    let directory: String?
    let store: any InspectableStore
  }

  /// The default store first. Stores that nobody but their host can look into (`memory:`), or that nothing was written
  /// to yet, are not among them.
  let members: [Member]
  let zones: TimeZoneDatabase
  /// The zone of everything that is shown: the configured one, or the machine's.
  let zone: TimeZoneRules
  let configuration: HostConfiguration
  /// Where scripts are, for messages.
  let directory: String
  private let kinds: StoreKinds
  private let session: ScriptSession?
  private var loaded: LoadedGeneration?

  /// For commands that read stores and need no scripts. Throws when there is no store.
  convenience init(_ options: StoreOptions, kinds: StoreKinds = .standard) throws {
    var session: ScriptSession?
    if case .directory = FileKind(options.directory) {
      let made = try ScriptSession(
        options.directory, options.settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog(),
        kinds: kinds)
      do throws(HostError) {
        try made.configure(made.directory.scan().snapshot)
        session = made
      } catch {
        // History is there to find out what is wrong.
        for line in error.message.split(separator: "\n") { Terminal.error("moondial: " + line) }
        Terminal.error("moondial: the configuration is left aside: only the default store is looked into")
      }
    } else if options.settings.config != nil {
      throw CommandFailure(
        .usage, "there is no directory \(options.directory): name the one that --config is for with --dir DIR")
    }
    try self.init(
      session, generation: nil, directory: options.directory, state: options.settings.stateDirectory,
      only: options.store, kinds: kinds)
    guard members.isEmpty else { return }
    let known = try Self.addresses(
      configuration, state: options.settings.stateDirectory, only: options.store, kinds)
    guard let missing = known.lazy.compactMap({ kinds.location(of: $0.address, in: $0.directory) }).first else {
      throw CommandFailure(
        "no store of the configuration can be looked into: they keep nothing that could be read from outside")
    }
    throw CommandFailure(
      "there is no store \(missing.text): name the state directory with --state DIR, or start a host first")
  }

  /// For commands that have loaded scripts: no store need be there.
  init(
    _ session: ScriptSession?, generation: LoadedGeneration?, directory: String, state: String, only: String? = nil,
    kinds: StoreKinds = .standard
  ) throws {
    self.kinds = kinds
    self.session = session
    self.directory = directory
    loaded = generation
    configuration = session?.configuration ?? HostConfiguration()
    zones = session?.zones ?? Environment.zones
    let machine = session?.systemZone ?? zones.machineZone(tz: Environment["TZ"])
    zone = (try? zones.zone(named: configuration.timeZone ?? machine.name)) ?? .utc
    var members: [Member] = []
    for (name, address, directory) in try Self.addresses(configuration, state: state, only: only, kinds) {
      guard kinds.location(of: address, in: directory)?.exists == true else { continue }
      do {
        let store = try kinds.open(address, StoreRequest(.reader, in: directory))
        if let store = store as? any InspectableStore {
          members.append(Member(name: name, address: address, directory: directory, store: store))
        } else {
          store.close()
        }
      } catch {
        // A server whose database nothing was written to yet.
        guard error.code == .absent else { throw CommandFailure("\(error)") }
      }
    }
    self.members = members
  }

  deinit { for member in members { member.store.close() } }

  /// The addresses of the stores, the default's first.
  private static func addresses(
    _ configuration: HostConfiguration, state: String, only: String?, _ kinds: StoreKinds
  ) throws -> [(name: String, address: StoreAddress, directory: String?)] {
    if let only {
      guard !only.isEmpty else { throw CommandFailure(.usage, "--store is empty: name a store file") }
      // A plain name is in the state directory, and a path is what it says.
      return [("", kinds.address(ofFile: only), only.contains("/") ? nil : state)]
    }
    return defaultFirst(configuration.stores.keys).map { ($0, configuration.stores[$0]!.address, state) }
  }

  /// Opens the store of a member once more, to change something alongside whatever host uses it.
  func openAlongside(_ member: Member) throws(StoreError) -> any JobStore {
    try kinds.open(member.address, StoreRequest(.alongside, in: member.directory))
  }

  /// The name of the store of a job that a script declares.
  func storeName(of job: JobDefinition) -> String {
    // As the scheduler does: a store that is not configured (any more) is the default.
    configuration.stores[job.store] == nil ? "default" : job.store
  }

  /// The store of a job that a script declares; nil when it cannot be looked into.
  func store(of job: JobDefinition) -> (any InspectableStore)? {
    let name = storeName(of: job)
    return members.first { $0.name == name || $0.name.isEmpty }?.store
  }

  /// The scripts, loaded at the first call; nil when there are none.
  var generation: LoadedGeneration? {
    if let loaded { return loaded }
    guard let session else { return nil }
    let generation = session.load(session.directory.scan().snapshot)
    loaded = generation
    return generation
  }

  /// Runs `body` with what a store throws as a sentence.
  static func orFail<R>(_ body: () throws -> R) throws -> R {
    do { return try body() } catch let error as StoreError { throw CommandFailure("\(error)") }
  }
}

import ArgumentParser
import Basics
import Hosting
import JobModel

struct MigrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Copy everything that a store holds into another one, and compare the two.",
    discussion: """
      Schedules, dynamic ones, pauses, runs that have ended or not, their log, decisions, kv, marks of watched files and \
      the audit. No host may use either store meanwhile. The source stays as it is. A migration that was cut off goes on \
      where it stopped when it is started again; until it is whole, no host schedules from the target.

      Examples:
        moondial migrate --from .moondial/moondial.db --to /srv/moondial.db --dry-run
        moondial migrate --from moondial.db --to mongodb://db1/moondial
      """)

  @Option(help: "The store to read: an address, or a file.") var from: String
  @Option(help: "The store to fill: an address, or a file. It must be empty.") var to: String
  @Flag(help: "Only say what would be moved, and whether it could be.") var dryRun = false
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    let (source, target) = (try address(from, "--from"), try address(to, "--to"))
    guard source != target, location(source)?.text != location(target)?.text || location(source) == nil else {
      throw CommandFailure(.usage, "--from and --to name the same store: name another one to move it to")
    }
    guard location(source)?.exists != false else {
      throw CommandFailure("there is no store \(location(source)?.text ?? from): name the store of a host with --from")
    }
    dryRun ? try plan(source, target) : try move(source, target)
  }

  private func address(_ text: String, _ option: String) throws -> StoreAddress {
    guard !text.isEmpty else { throw CommandFailure(.usage, "\(option) is empty: name a store") }
    let address = StoreKinds.standard.address(ofFile: text)
    guard let driver = StoreKinds.standard.driver(of: address), driver.accepts(address) else {
      throw CommandFailure(.usage, "\(option): there are no such stores: name one as sqlite:FILE")
    }
    return address
  }

  private func location(_ address: StoreAddress) -> StoreLocation? {
    StoreKinds.standard.location(of: address, in: nil)
  }

  /// - Parameter isThere: nothing is made where there is none, as there is none where an address was misspelt.
  private func open(
    _ address: StoreAddress, _ access: StoreAccess, isThere: Bool = false
  ) throws -> any TransferableStore {
    guard let store = try openIfThere(address, access, isThere: isThere) else {
      throw CommandFailure("\(location(address)?.text ?? ""): there is no store yet: name the store of a host")
    }
    return store
  }

  /// nil: there is nothing of a store, and nothing was made.
  private func openIfThere(
    _ address: StoreAddress, _ access: StoreAccess, isThere: Bool = false
  ) throws -> (any TransferableStore)? {
    var request = StoreRequest(access)
    request.mustExist = isThere
    // What a cut leaves out is moved again.
    request.durability = .normal
    let store: any JobStore
    do { store = try StoreKinds.standard.open(address, request) } catch {
      if error.code == .absent { return nil }
      throw CommandFailure(error.code == .unsupported ? .usage : .failed, "\(error)")
    }
    guard let transferable = store as? any TransferableStore else {
      store.close()
      throw CommandFailure(.usage, "\(store.name): such a store keeps nothing that could be moved")
    }
    return transferable
  }

  // MARK: Moving

  private func move(_ from: StoreAddress, _ to: StoreAddress) throws {
    let source = try open(from, .transfer, isThere: true)
    defer { source.close() }
    let target = try open(to, .transfer)
    defer { target.close() }
    let began = monotonicNow()
    var bar = MigrationProgress()
    let result = try ReadStores.orFail {
      try StoreMigration(from: source, to: target).run { bar.show($0) }
    }
    bar.end()
    let seconds = Double(monotonicNow() - began) / 1e9
    guard !json else { return Terminal.json(document(result, source, target, seconds)) }
    let rows = result.digests.values.reduce(0) { $0 + $1.count }
    if result.wasDone {
      Terminal.line("\(target.location) holds the same as \(source.location) already: \(rows) rows")
    } else {
      let resumed = result.isResumed ? ", \(result.moved) of them now" : ""
      Terminal.line("\(source.location) is moved to \(target.location): \(rows) rows\(resumed), compared")
    }
    for section in StoreSection.allCases {
      guard let digest = result.digests[section], digest.count > 0 else { continue }
      Terminal.line("  \(VisibleText.padded(section.rawValue, to: 10)) \(digest.count) \(digest.hex)")
    }
  }

  private func document(
    _ result: StoreMigration.Result, _ source: any TransferableStore, _ target: any TransferableStore, _ seconds: Double
  ) -> String {
    var document = JSONObject()
    document.set("from", source.location)
    document.set("to", target.location)
    document.set("moved", result.moved)
    document.set("resumed", result.isResumed)
    document.set("was_done", result.wasDone)
    document.set("seconds", seconds)
    var sections = JSONObject()
    for section in StoreSection.allCases {
      guard let digest = result.digests[section] else { continue }
      var part = JSONObject()
      part.set("rows", digest.count)
      part.set("checksum", digest.hex)
      sections.set(section.rawValue, json: part.json)
    }
    document.set("sections", json: sections.json)
    return document.json
  }

  // MARK: Only saying

  private func plan(_ from: StoreAddress, _ to: StoreAddress) throws {
    let source = try open(from, .reader, isThere: true)
    defer { source.close() }
    var obstacles: [String] = []
    if source.isHosted { obstacles.append("a host schedules from \(source.location): stop it first") }
    if location(to)?.exists != false, let target = try openIfThere(to, .reader) {
      defer { target.close() }
      if target.isHosted { obstacles.append("a host schedules from \(target.location): stop it first") }
      let isMarked = try ReadStores.orFail { try target.transferMark() } != nil
      if try !isMarked && !ReadStores.orFail({ try StoreMigration.isEmpty(target) }) {
        obstacles.append("\(target.location) is not empty: name an empty store")
      }
    }
    let counts = try ReadStores.orFail { try StoreSection.allCases.map { ($0, try source.count(of: $0)) } }
    if json {
      var document = JSONObject()
      document.set("from", source.location)
      document.set("possible", obstacles.isEmpty)
      document.set("obstacles", json: JSONObject.array(obstacles.map(JSONObject.quote)))
      var sections = JSONObject()
      for (section, count) in counts { sections.set(section.rawValue, count) }
      document.set("rows", json: sections.json)
      Terminal.json(document.json)
    } else {
      for (section, count) in counts { Terminal.line("\(VisibleText.padded(section.rawValue, to: 10)) \(count)") }
      for obstacle in obstacles { Terminal.error("moondial: " + obstacle) }
    }
    if !obstacles.isEmpty { throw CommandFailure.silent }
  }
}

/// How far a migration is: one line that is written over itself on a terminal, elsewhere a line for each section.
private struct MigrationProgress {
  private var lastShown: Int64 = 0
  private var section: (StoreMigration.Progress.Phase, StoreSection)?
  private var isDrawn = false

  mutating func show(_ progress: StoreMigration.Progress) {
    let isNew = section.map { $0 != (progress.phase, progress.section) } ?? true
    section = (progress.phase, progress.section)
    guard StandardError.isTerminal else {
      guard isNew, progress.phase == .moving, progress.total > 0 else { return }
      return Terminal.error("moving \(progress.total) rows of \(progress.section.rawValue)")
    }
    // Ten times a second is as often as anybody looks.
    let now = monotonicNow()
    guard isNew || now - lastShown >= 100_000_000 else { return }
    lastShown = now
    isDrawn = true
    let share = progress.total == 0 ? 1 : min(1, Double(progress.done) / Double(progress.total))
    let filled = Int(share * 30)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    let verb = progress.phase == .moving ? "moving" : "comparing"
    let what = VisibleText.padded("\(verb) \(progress.section.rawValue)", to: 20)
    StandardError.drawing("\r\(what) [\(bar)] \(Int(share * 100))% of \(progress.total)\u{1B}[K")
  }

  /// Leaves the line.
  func end() { if isDrawn { StandardError.drawing("\r\u{1B}[K") } }
}

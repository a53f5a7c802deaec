import ArgumentParser
import Basics
import Chronology
import HostAPI
import HostClient
import Hosting
import JobModel

struct NodesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodes",
    abstract: "The hosts that share a store: who leads, since when, what they run, and which scripts they have.",
    discussion: """
      Examples:
        moondial nodes
        moondial nodes drain web1      it gives up what it leads
        moondial nodes resume web1
      The host of the state directory tells if one is up; else the stores do, as on a machine whose host stands by.
      """,
    subcommands: [ShowNodesCommand.self, DrainNodeCommand.self, ResumeNodeCommand.self],
    defaultSubcommand: ShowNodesCommand.self)
}

/// `moondial nodes`
struct ShowNodesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "All of them (the default).", discussion: "Example:\n  moondial nodes --json")

  @OptionGroup var options: StoreOptions
  @OptionGroup var source: SourceOptions
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    let answer: NodesAnswer
    let zone: TimeZoneRules
    if let host = try source.host(options.directory, options.settings, store: options.store) {
      answer = try host.nodes()
      zone = host.zone
    } else {
      let stores = try options.open()
      answer = try NodeStores(stores).answer()
      zone = stores.zone
    }
    if json { return Terminal.json(try AnswerEncoder.json(answer)) }
    if answer.nodes.isEmpty { return Terminal.line("no host has been up for a day") }
    for line in answer.lines(in: zone) { Terminal.line(line) }
  }
}

/// `moondial nodes drain NAME`
struct DrainNodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain",
    abstract: "Have a host give up what it leads when its runs have ended, and lead nothing more.",
    discussion: """
      Example:
        moondial nodes drain web1
      Another host takes over at once. The drain lasts until `moondial nodes resume web1`, or until the host is started \
      again.
      """)

  @Argument(help: "What the host is called.") var node: String
  @Flag(help: "Also when no other host is there to take over.") var force = false
  @OptionGroup var order: NodeOrder

  func run() throws { try order.run(node, isDraining: true, force: force) }
}

/// `moondial nodes resume NAME`
struct ResumeNodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Let a host that was drained lead again.",
    discussion: "Example:\n  moondial nodes resume web1")

  @Argument(help: "What the host is called.") var node: String
  @OptionGroup var order: NodeOrder

  func run() throws { try order.run(node, isDraining: false, force: true) }
}

/// What draining and resuming have in common.
struct NodeOrder: ParsableArguments {
  @OptionGroup var options: StoreOptions
  @OptionGroup var source: SourceOptions
  @Flag(help: "One JSON document.") var json = false

  func run(_ node: String, isDraining: Bool, force: Bool) throws {
    let answer: DrainAnswer
    if let host = try source.host(options.directory, options.settings, store: options.store) {
      answer = try host.drain(node, isDraining: isDraining, force: force)
    } else {
      answer = try NodeStores(try options.open()).drain(node, isDraining: isDraining, force: force)
    }
    if json { return Terminal.json(try AnswerEncoder.json(answer)) }
    Terminal.line(
      answer.draining
        ? "\(answer.node) is drained: it gives up what it leads when its runs have ended, and leads nothing more"
        : "\(answer.node) is not drained any more")
  }
}

/// The stores of a configuration that several hosts may name.
struct NodeStores {
  private let stores: ReadStores
  private let shared: [(member: ReadStores.Member, store: any SharedStore)]

  init(_ stores: ReadStores) throws {
    self.stores = stores
    shared = stores.members.compactMap { member in (member.store as? any SharedStore).map { (member, $0) } }
    guard !shared.isEmpty else {
      throw CommandFailure(
        .noHost,
        "no host is up here, and \(stores.members[0].store.location) does not tell of hosts: a PostgreSQL store does")
    }
  }

  func answer() throws -> NodesAnswer {
    var answer = NodesAnswer(nodes: [])
    for (member, store) in shared {
      let members = try ReadStores.orFail { try store.members() }
      answer.nodes += NodesAnswer(members, of: member.name, in: stores.zone).nodes
    }
    return answer
  }

  func drain(_ node: String, isDraining: Bool, force: Bool) throws -> DrainAnswer {
    var done: [String] = []
    var refusal: ControlError?
    for (member, store) in shared {
      let members = try ReadStores.orFail { try store.members() }
      if let why = NodeDrain.refusal(node, isDraining: isDraining, among: members, force: force) {
        if refusal == nil || why.code != .notFound { refusal = why }
        continue
      }
      try ReadStores.orFail {
        let open = try stores.openAlongside(member)
        defer { open.close() }
        let isThere = try (open as? any SharedStore)?.setDraining(isDraining, of: node, by: Self.caller)
        if isThere == true { done.append(member.name) }
      }
    }
    guard !done.isEmpty else { throw CommandFailure(refusal?.message ?? "\(node) has just gone") }
    return DrainAnswer(node: node, draining: isDraining, stores: done)
  }

  /// Who gives an order that no host takes.
  private static var caller: String { "moondial on \(ProcessPlace.machine)" }
}

extension NodesAnswer {
  /// A table for people, and what is amiss.
  func lines(in zone: TimeZoneRules) -> [String] {
    let hasStores = Set(nodes.compactMap(\.store)).count > 1
    var table = TextTable((hasStores ? ["STORE"] : []) + ["NODE", "STATE", "SINCE", "RUNS", "SCRIPTS", "LABELS", "ON"])
    for node in nodes {
      let since = TimeFormat.time((node.leadsSince ?? node.startedAt).instant, in: zone)
      let workers = node.executors.reduce(0) { $0 + $1.workers }
      let scripts = (node.generation > 0 ? "generation \(node.generation), " : "") + node.scripts.prefix(8)
      table.add(
        (hasStores ? [node.store ?? "-"] : []) + [
          node.name, node.stateWords, since, node.state == .gone ? "-" : "\(node.runs) of \(workers)",
          node.scripts.isEmpty ? "-" : String(scripts), node.labels.isEmpty ? "-" : node.labels.joined(separator: ", "),
          "\(node.machine), process \(node.pid), \(node.version)",
        ])
    }
    return table.lines + nodes.compactMap(\.scriptsSentence) + nodes.compactMap(\.clockSentence)
  }
}

extension NodeAnswer {
  fileprivate var stateWords: String {
    switch state {
    case .leads: leaseLeft.map { "leads, lease \(Self.rounded($0)) s" } ?? "runs alone"
    case .draining: "leads, is being drained"
    case .standsBy: "stands by"
    case .drained: "stands by, drained"
    case .gone: "gone for \(Self.rounded(goneFor ?? 0)) s"
    }
  }

  fileprivate var scriptsSentence: String? {
    guard hasLeadersScripts == false, state != .gone else { return nil }
    return "\(name) has other scripts than the host that leads: bring the same files to both"
  }

  fileprivate var clockSentence: String? {
    guard abs(clockAhead) > 1, state != .gone else { return nil }
    return "the clock of \(name) is \(Self.rounded(abs(clockAhead))) s \(clockAhead > 0 ? "ahead of" : "behind") the "
      + "database's: set both by NTP"
  }

  private static func rounded(_ seconds: Double) -> Int { Int(max(0, min(seconds, 1e12)).rounded()) }
}

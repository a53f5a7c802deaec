internal import Basics
package import Chronology
package import JobModel

/// The hosts that share a host's stores, and that host itself.
package struct NodesAnswer: Sendable, Codable, Equatable {
  /// By store, then by name. A host whose stores nobody shares is alone.
  package var nodes: [NodeAnswer]

  package init(nodes: [NodeAnswer]) { self.nodes = nodes }
}

/// One host, as a store that it shares with others knows it.
package struct NodeAnswer: Sendable, Codable, Equatable {
  package enum State: String, Sendable, Codable, CaseIterable {
    /// It has the store's lease, and runs its jobs.
    case leads
    /// It leads, and gives that up as soon as its runs have ended.
    case draining
    /// It would take over.
    case standsBy = "stands_by"
    /// It stands by, and takes nothing over.
    case drained
    /// Nothing was heard of it for the length of a lease.
    case gone
  }

  package struct Executor: Sendable, Codable, Equatable {
    package var name: String
    package var workers: Int
    package init(name: String, workers: Int) {
      self.name = name
      self.workers = workers
    }
  }

  package var name: String
  /// Which store, as this host's configuration calls it; nil: this host shares none.
  package var store: String?
  /// Another one after each start.
  package var host: HostIdentity
  package var state: State
  package var leader: Bool
  package var version: String
  package var machine: String
  package var pid: Int
  package var labels: [String]
  package var executors: [Executor]
  /// Runs that it has on its executors.
  package var runs: Int
  /// The set of scripts in force; 0: it has loaded none.
  package var generation: Int
  /// Names what is in its script files; empty: it has none.
  package var scripts: String
  /// Whether they are those of the host that leads; nil: nobody does.
  package var hasLeadersScripts: Bool?
  /// When it became a member, by the server's clock.
  package var startedAt: HostTime
  /// Since when it leads.
  package var leadsSince: HostTime?
  /// Seconds that its lease lasts, if it is not renewed.
  package var leaseLeft: Double?
  /// Seconds since it should have said something, of one that has gone.
  package var goneFor: Double?
  /// Seconds that its clock is ahead of the server's at least; negative: behind; 0: it is right.
  package var clockAhead: Double
  /// Who drained it.
  package var drainedBy: String?

  private enum CodingKeys: String, CodingKey {
    case name, store, host, state, leader, version, machine, pid, labels, executors, runs, generation, scripts
    case hasLeadersScripts = "same_scripts"
    case startedAt = "started_at"
    case leadsSince = "leads_since"
    case leaseLeft = "lease_left_seconds"
    case goneFor = "gone_for_seconds"
    case clockAhead = "clock_ahead_seconds"
    case drainedBy = "drained_by"
  }
}

extension NodeAnswer.State {
  package init(_ member: StoreMember) {
    self =
      if member.lead != nil { member.isDraining ? .draining : .leads } else if !member.isAlive { .gone } else {
        member.isDraining ? .drained : .standsBy
      }
  }
}

extension NodeAnswer {
  /// - Parameter leader: who leads the store.
  package init(_ member: StoreMember, of store: String, leader: StoreMember?, in zone: TimeZoneRules) {
    let identity = member.identity
    name = identity.name
    self.store = store
    host = HostIdentity(identity.life)
    state = State(member)
    self.leader = member.lead != nil
    version = identity.version
    machine = identity.machine
    pid = Int(identity.place.process)
    labels = identity.labels
    executors = identity.executors.map { Executor(name: $0.name, workers: $0.workers) }
    runs = member.report.runs
    generation = member.report.generation
    scripts = member.report.scripts
    hasLeadersScripts = leader.map { $0.report.scripts == member.report.scripts }
    startedAt = HostTime(member.since, in: zone)
    leadsSince = member.lead.map { HostTime($0.since, in: zone) }
    leaseLeft = member.lead.map { Self.seconds($0.left) }
    goneFor = state == .gone ? Self.seconds(-member.left) : nil
    clockAhead = Self.seconds(member.clockAhead)
    drainedBy = member.isDraining ? member.drainedBy : nil
  }

  /// To the millisecond.
  private static func seconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds / 1_000_000) / 1_000 }

  /// A host that shares no store.
  package init(alone status: HostStatus, name: String, labels: [String], machine: String, scripts: String) {
    self.name = name
    host = status.host
    state = .leads
    leader = true
    version = status.version
    self.machine = machine
    pid = status.pid
    self.labels = labels
    executors = status.executors.map { Executor(name: $0.name, workers: $0.workers) }
    runs = status.runs.claimed + status.runs.running + status.runs.stuck
    generation = status.generation
    self.scripts = scripts
    startedAt = status.startedAt
    clockAhead = 0
  }
}

extension NodesAnswer {
  /// The members of one store.
  package init(_ members: [StoreMember], of store: String, in zone: TimeZoneRules) {
    let leader = members.first { $0.lead != nil }
    nodes = members.map { NodeAnswer($0, of: store, leader: leader, in: zone) }
  }
}

/// Whether a member may be drained, and why not: pure.
package enum NodeDrain {
  /// What keeps `name` from being drained, or from being drained no more; nil: nothing does.
  ///
  /// - Parameter force: also when nobody is there to take over.
  package static func refusal(
    _ name: String, isDraining: Bool, among members: [StoreMember], force: Bool
  ) -> ControlError? {
    guard let member = members.first(where: { $0.name == name }) else {
      let known = members.map(\.name).joined(separator: ", ")
      return ControlError(
        .notFound, "no host is called \"\(name)\"\(known.isEmpty ? "" : ": there are \(known)")")
    }
    guard isDraining else {
      return member.isDraining ? nil : ControlError(.conflict, "\(name) is not drained")
    }
    if member.isDraining { return ControlError(.conflict, "\(name) is drained already") }
    guard member.isAlive || member.lead != nil else {
      return ControlError(.conflict, "\(name) has gone: there is nothing to drain")
    }
    let others = members.contains { $0.name != name && $0.isAlive && !$0.isDraining }
    guard others || force else {
      return ControlError(
        .conflict,
        "nobody could take over from \(name), and the store's jobs would not run: start another host first, or say that "
          + "you mean it (--force)")
    }
    return nil
  }
}

/// What `drain` is told.
package struct DrainRequest: Sendable, Codable, Equatable {
  /// Also when nobody is there to take over.
  package var force: Bool?

  package init(force: Bool? = nil) { self.force = force }
}

package struct DrainAnswer: Sendable, Codable, Equatable {
  package var node: String
  package var draining: Bool
  /// The stores in which that was changed.
  package var stores: [String]

  package init(node: String, draining: Bool, stores: [String]) {
    self.node = node
    self.draining = draining
    self.stores = stores
  }
}

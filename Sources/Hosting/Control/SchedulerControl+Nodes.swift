internal import Basics
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading

/// The hosts that share this one's stores.
extension SchedulerControl {
  package func nodes() async throws(ControlError) -> NodesAnswer {
    try await away { () throws(ControlError) in try self.nodesNow() }
  }

  private var shared: [(name: String, store: any SharedStore)] {
    let joined = Set(parts.memberships.stores.map(\.store))
    return parts.stores.compactMap { entry in
      guard joined.contains(entry.name), let store = entry.store as? any SharedStore else { return nil }
      return (entry.name, store)
    }
  }

  private func nodesNow() throws(ControlError) -> NodesAnswer {
    let shared = shared
    guard !shared.isEmpty else { return NodesAnswer(nodes: [alone()]) }
    var answer = NodesAnswer(nodes: [])
    for (name, store) in shared {
      let members = try reading { () throws(StoreError) in try store.members() }
      answer.nodes += NodesAnswer(members, of: name, in: parts.zone).nodes
    }
    return answer
  }

  private func alone() -> NodeAnswer {
    NodeAnswer(
      alone: statusNow(), name: parts.memberships.name, labels: parts.memberships.labels,
      machine: ProcessPlace.machine, scripts: parts.scripts.current?.snapshot.fingerprint ?? "")
  }

  package func drain(_ node: String, _ request: DrainRequest, by caller: Caller) async throws(ControlError)
    -> DrainAnswer
  {
    try await setDraining(true, node, force: request.force ?? false, by: caller)
  }

  package func undrain(_ node: String, by caller: Caller) async throws(ControlError) -> DrainAnswer {
    try await setDraining(false, node, force: true, by: caller)
  }

  /// Writes who asked before it is done: the host that is drained may be this one, which then stops.
  private func setDraining(
    _ isDraining: Bool, _ node: String, force: Bool, by caller: Caller
  ) async throws(ControlError) -> DrainAnswer {
    let stores = try await away { () throws(ControlError) in
      try self.stores(where: node, canBeDrained: isDraining, force: force)
    }
    let line = AuditLine(caller, isDraining ? "drain_node" : "resume_node", node, details: [:])
    // A store that cannot be written has the line later. What is asked for is done all the same.
    do throws(ControlError) {
      try await perform { core, now, evaluation in core.audit(line, of: nil, at: now, into: &evaluation) }
    } catch {}
    return try await away { () throws(ControlError) in
      try self.setDrainingNow(isDraining, node, in: stores, by: caller)
    }
  }

  /// The names of the shared stores of which the host is a member that may be drained, or resumed.
  private func stores(
    where node: String, canBeDrained isDraining: Bool, force: Bool
  ) throws(ControlError) -> Set<String> {
    let shared = shared
    guard !shared.isEmpty else {
      throw ControlError(
        .conflict, "this host shares no store with others by which it could be drained, as a PostgreSQL store is")
    }
    var found: Set<String> = []
    var refusal: ControlError?
    for (name, store) in shared {
      let members = try reading { () throws(StoreError) in try store.members() }
      guard let why = NodeDrain.refusal(node, isDraining: isDraining, among: members, force: force) else {
        found.insert(name)
        continue
      }
      // It may be a member of another store.
      if refusal == nil || why.code != .notFound { refusal = why }
    }
    if found.isEmpty { throw refusal ?? ControlError(.conflict, "\(node) has just gone") }
    return found
  }

  private func setDrainingNow(
    _ isDraining: Bool, _ node: String, in stores: Set<String>, by caller: Caller
  ) throws(ControlError) -> DrainAnswer {
    var done: [String] = []
    for (name, store) in shared where stores.contains(name) {
      let isThere = try reading { () throws(StoreError) in
        try store.setDraining(isDraining, of: node, by: caller.name)
      }
      if isThere { done.append(name) }
    }
    guard !done.isEmpty else { throw ControlError(.conflict, "\(node) has just gone") }
    return DrainAnswer(node: node, draining: isDraining, stores: done)
  }
}

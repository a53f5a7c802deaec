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

  private func setDraining(
    _ isDraining: Bool, _ node: String, force: Bool, by caller: Caller
  ) async throws(ControlError) -> DrainAnswer {
    let answer = try await away { () throws(ControlError) in
      try self.setDrainingNow(isDraining, node, force: force, by: caller)
    }
    let line = AuditLine(caller, isDraining ? "drain_node" : "resume_node", node, details: [:])
    // Best effort: it is done, and a host that is drained itself may be about to stop.
    engine.post(whenDurable: nil) { core, now, evaluation in
      core.audit(line, of: nil, at: now, into: &evaluation)
    }
    return answer
  }

  private func setDrainingNow(
    _ isDraining: Bool, _ node: String, force: Bool, by caller: Caller
  ) throws(ControlError) -> DrainAnswer {
    let shared = shared
    guard !shared.isEmpty else {
      throw ControlError(
        .conflict, "this host shares no store with others by which it could be drained, as a PostgreSQL store is")
    }
    var done: [String] = []
    var refusal: ControlError?
    for (name, store) in shared {
      let members = try reading { () throws(StoreError) in try store.members() }
      if let why = NodeDrain.refusal(node, isDraining: isDraining, among: members, force: force) {
        // It may be a member of another store.
        if refusal == nil || why.code != .notFound { refusal = why }
        continue
      }
      let isThere = try reading { () throws(StoreError) in
        try store.setDraining(isDraining, of: node, by: caller.name)
      }
      if isThere { done.append(name) }
    }
    guard !done.isEmpty else { throw refusal ?? ControlError(.conflict, "\(node) has just gone") }
    return DrainAnswer(node: node, draining: isDraining, stores: done)
  }
}

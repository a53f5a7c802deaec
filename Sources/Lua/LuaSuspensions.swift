internal import CLuaShim
internal import Synchronization

/// Names one suspension of one state. Never used twice by the same state, so a late completion finds nothing.
package struct LuaTicket: Sendable, Hashable {
  package let number: UInt32

  package init(number: UInt32) { self.number = number }
}

/// A request that a step brought, and the ticket to complete when it is done.
package struct LuaSuspension: Sendable {
  package let ticket: LuaTicket
  package let request: any LuaRequest
}

/// The suspensions of one state: what its coroutines wait for, what has come, and whether the run as a whole is asleep.
///
/// A run usually waits for one ticket. With `host.branch` and `host.wait` (see docs/lua-runtime.md) it can have several
/// out, and waits for a *group*: a ticket without a request that is complete when one of its members is. Groups nest.
///
/// The step's thread opens and delivers; any thread completes.
final class LuaSuspensions: Sendable {
  enum Answer: Sendable {
    case results([LuaValue])
    case failure(String)
    /// Pushes the results when the run takes them, on its worker.
    case build(@Sendable (inout LuaCall) -> LuaReturn)
    /// The host function is called again.
    case again(any AnyObject & Sendable)
  }

  private struct Entry {
    var request: (any LuaRequest)?
    /// The host function to call again, if that is the answer.
    var function: Int32?
    var answer: Answer?
    /// A group that waits for this one, and further ones; those that were answered among them count no more.
    var group: UInt32?
    var more: [UInt32] = []

    mutating func add(_ number: UInt32, open: Set<UInt32>) {
      guard let group, open.contains(group) else { return group = number }
      // Without the others, or a ticket that waits long would remember every wait.
      more.removeAll { !open.contains($0) }
      more.append(number)
    }
  }

  private struct State {
    var next: UInt32 = 1
    var entries: [UInt32: Entry] = [:]
    /// Groups without an answer.
    var openGroups: Set<UInt32> = []
    /// Requests that the host has not been told of.
    var fresh: [LuaSuspension] = []
    /// The ticket that the run as a whole waits for; nil while it runs or is ready to.
    var asleepOn: UInt32?
  }

  private let state = Mutex(State())

  /// A ticket for a request. The step will hand both to the host.
  func open(_ request: any LuaRequest, repeating function: Int32?) -> LuaTicket {
    state.withLock { state in
      let number = state.next
      state.next += 1
      state.entries[number] = Entry(request: request, function: function)
      state.fresh.append(LuaSuspension(ticket: LuaTicket(number: number), request: request))
      return LuaTicket(number: number)
    }
  }

  /// A ticket that is complete when one of the members is; complete already if one of them is. Nil: a member is
  /// unknown.
  func openGroup(_ members: [UInt32]) -> LuaTicket? {
    state.withLock { state in
      if members.isEmpty || !members.allSatisfy({ state.entries[$0] != nil }) { return nil }
      let number = state.next
      state.next += 1
      var group = Entry()
      if let ready = members.first(where: { state.entries[$0]?.answer != nil }) {
        group.answer = .results([.integer(Int64(ready))])
      } else {
        state.openGroups.insert(number)
        for member in members { state.entries[member]?.add(number, open: state.openGroups) }
      }
      state.entries[number] = group
      return LuaTicket(number: number)
    }
  }

  /// Gives up tickets whose answers nobody wants any more.
  func forget(_ tickets: [UInt32]) {
    // Let go outside the lock: what an answer holds may tell others, who complete tickets.
    let removed = state.withLock { state in
      tickets.compactMap { number -> Entry? in
        let entry = state.entries.removeValue(forKey: number)
        state.openGroups.remove(number)
        state.fresh.removeAll { $0.ticket.number == number }
        return entry
      }
    }
    for entry in removed where entry.answer == nil { entry.request?.abandon() }
  }

  /// The end of a run: forgets everything that is open.
  func forgetAll() {
    let removed = state.withLock { state -> State? in
      state.asleepOn = nil
      if state.entries.isEmpty, state.fresh.isEmpty { return nil }  // most runs wait for nothing
      let removed = state
      state.entries = [:]
      state.openGroups = []
      state.fresh = []
      return removed
    }
    guard let removed else { return }
    for entry in removed.entries.values where entry.answer == nil { entry.request?.abandon() }
  }

  /// Records an answer. True: the run was asleep and has become ready; this is told once.
  func complete(_ ticket: LuaTicket, _ answer: Answer) -> Bool {
    state.withLock { state in
      guard state.entries[ticket.number] != nil, state.entries[ticket.number]?.answer == nil else { return false }
      state.entries[ticket.number]?.answer = answer
      // Groups of groups: each is answered with the member that completed it.
      var done = [ticket.number]
      while let member = done.popLast() {
        guard let entry = state.entries[member], let first = entry.group else { continue }
        for group in [first] + entry.more where state.openGroups.remove(group) != nil {
          state.entries[group]?.answer = .results([.integer(Int64(member))])
          done.append(group)
        }
      }
      guard let asleep = state.asleepOn, state.entries[asleep]?.answer != nil else { return false }
      state.asleepOn = nil
      return true
    }
  }

  /// The run has suspended. The new requests, and whether it can go on at once because its answer is already there.
  func sleep(on number: UInt32) -> (fresh: [LuaSuspension], ready: Bool) {
    state.withLock { state in
      let fresh = state.fresh
      state.fresh.removeAll()
      let ready = state.entries[number]?.answer != nil || state.entries[number] == nil
      state.asleepOn = ready ? nil : number
      return (fresh, ready)
    }
  }

  /// New requests of a step that did not suspend (branches of a run that goes on).
  func takeFresh() -> [LuaSuspension] {
    state.withLock { state in
      if state.fresh.isEmpty { return [] }
      defer { state.fresh.removeAll() }
      return state.fresh
    }
  }

  /// Wakes a sleeping run without an answer, to be stopped. True: it was asleep.
  func wake() -> Bool {
    state.withLock { state in
      defer { state.asleepOn = nil }
      return state.asleepOn != nil
    }
  }

  /// Pushes what a ticket brought; the coroutine that waited for it goes on with that.
  func deliver(_ ticket: LuaTicket, to call: inout LuaCall) -> LuaReturn {
    let entry = state.withLock { $0.entries.removeValue(forKey: ticket.number) }
    switch entry?.answer {
    case .results(let values):
      for value in values { call.push(value) }
      return .results(values.count)
    case .failure(let message): return .raise(message)
    case .build(let build): return build(&call)
    case .again(let carried):
      guard let function = entry?.function else { return .raise("the suspended call cannot be repeated") }
      call.carried = carried
      return call.instance.runtime.functions[Int(function)].body(&call)
    case nil: return .raise("the answer to a suspended call is not there")
    }
  }

  /// The host functions that preludes build `all` and `any` from.
  static let module = LuaModule(
    "@host",
    functions: [
      LuaFunction("wait", in: .run) { call in
        guard let state = call.instance as? LuaState, call.canSuspend else { return LuaCall.refusal }
        guard let group = state.suspensions.openGroup(tickets(call)) else {
          return .raise("host.wait: not an open ticket")
        }
        unsafe moon_state_set_ticket(state.state, group.number)
        return .suspend
      },
      LuaFunction("forget", in: .run) { call in
        (call.instance as? LuaState)?.suspensions.forget(tickets(call))
        return .none
      },
    ])

  private static func tickets(_ call: borrowing LuaCall) -> [UInt32] {
    var tickets: [UInt32] = []
    for index in stride(from: 1, through: call.count, by: 1) {
      if let number = call.integer(index) { tickets.append(UInt32(truncatingIfNeeded: number)) }
    }
    return tickets
  }
}

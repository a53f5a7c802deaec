package import Lua

/// A request whose answer takes memory: it is counted against the run's before it is made, until the script has it.
///
/// `work` is called with the bytes that it may use, as often as it says that it needs more (`needs`). It keeps nothing
/// from one call to the next, so a request that waits for room holds nothing.
package final class AnswerRequest: HostRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let room: AnswerReservation
  private let first: Int
  private let work: @Sendable (AnswerRequest, Int) -> Void

  /// - Parameter first: bytes to begin with; most answers should fit.
  package init(_ room: AnswerReservation, first: Int, _ work: @escaping @Sendable (AnswerRequest, Int) -> Void) {
    self.room = room
    self.first = first
    self.work = work
  }

  package override func begin() { ask(first) }
  package override func release() { room.release() }

  /// The answer has that many bytes: `work` is called again when there is room for them.
  package func needs(_ bytes: Int) {
    // Given back first: who holds nothing cannot keep others waiting.
    room.release()
    ask(bytes)
  }

  private func ask(_ bytes: Int) {
    admit(bytes, to: room) { [self] in work(self, bytes) }
  }

  /// Hands the answer over: `push` pushes it when the script takes it. It is counted until then.
  package func complete(_ push: @escaping @Sendable (inout LuaCall) -> LuaReturn) {
    complete(building: room.handingOver(push))
  }
}

extension AnswerReservation {
  /// `push`, after which the state counts what the room counted before.
  package func handingOver(
    _ push: @escaping @Sendable (inout LuaCall) -> LuaReturn
  ) -> @Sendable (inout LuaCall) -> LuaReturn {
    { [self] call in
      release()
      call.setAside(account.reserved)
      return push(&call)
    }
  }
}

/// Waits for room for what a call takes along, and then lets the call begin again.
package final class RoomRequest: HostRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let room: AnswerReservation
  private let bytes: Int

  package init(_ room: AnswerReservation, bytes: Int) {
    self.room = room
    self.bytes = bytes
  }

  package override func begin() { admit(bytes, to: room) { [self] in repeatCall(with: room) } }
  package override func release() { room.release() }
}

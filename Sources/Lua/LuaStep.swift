/// How a step of a run ended.
package enum LuaStep: Sendable {
  /// The entry returned; `LuaState.result` has its first result.
  case finished
  /// It raised an error.
  case failed(LuaError)
  /// It waits. The requests are those that are new since the last step; there may be none (it waits for an earlier
  /// one). Step the run again when `complete` or `cancel` says so.
  case suspended([LuaSuspension])
  /// Its time slice is over, or its answer was there before it fell asleep: step it again when others had their turn.
  /// The requests are new ones to start, usually none.
  case sliced([LuaSuspension])
  /// It was stopped. The state is garbage: reset or drop it.
  case stopped(LuaStop)
}

/// Why a run was stopped, and where it was.
package struct LuaStop: Sendable, Equatable {
  package enum Reason: Sendable, Equatable {
    case deadline
    case cancelled
    case outOfMemory
  }

  package var reason: Reason
  /// The script's line that was running, if it is known.
  package var location: LuaLocation?
  /// Whether it was torn out of a long C call.
  package var forced: Bool
  /// Out of memory: its calls were nested deeper than this, or 0 when they were not deep.
  package var depth: Int

  package init(reason: Reason, location: LuaLocation? = nil, forced: Bool = false, depth: Int = 0) {
    self.reason = reason
    self.location = location
    self.forced = forced
    self.depth = depth
  }
}

/// What a run's entry is called with.
package enum LuaArgument: Sendable {
  /// A fresh table with the metatable that a prelude registered by `host.context`.
  case context
  case value(LuaValue)
  case none
}

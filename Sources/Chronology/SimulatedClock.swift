internal import Synchronization

/// Both clocks of a machine, moved by hand.
///
///     let clock = SimulatedClock(at: Instant(seconds: 1_767_225_600))
///     clock.advance(by: 5_000_000_000)     // both go on
///     clock.set(to: earlier)               // somebody sets the wall clock; the monotonic one goes on
///
/// Threading: any thread.
package final class SimulatedClock: WallClock, Sendable {
  private struct State {
    var wall: Instant
    var monotonic: Int64 = 0
  }
  private let state: Mutex<State>

  package init(at wall: Instant) { state = Mutex(State(wall: wall)) }

  package var now: Instant { state.withLock { $0.wall } }
  package var monotonic: any MonotonicClock { Monotonic(clock: self) }

  /// Time passes: nanoseconds on both clocks.
  package func advance(by nanoseconds: Int64) {
    state.withLock { state in
      state.wall = state.wall.advanced(byNanoseconds: nanoseconds)
      state.monotonic += nanoseconds
    }
  }

  package func set(to wall: Instant) { state.withLock { $0.wall = wall } }

  private struct Monotonic: MonotonicClock {
    let clock: SimulatedClock
    var now: MonotonicInstant { MonotonicInstant(nanoseconds: clock.state.withLock { $0.monotonic }) }
  }
}

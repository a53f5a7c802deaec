internal import Basics
internal import Glibc
package import JobModel

/// Until when a host can be sure to have a store that several hosts may name.
///
/// Only the server's clock says when a lease ends. Here a host reckons, by its own clock since boot and on the safe
/// side: from the moment at which it *sent* its last renewal.
///
/// Threading: any thread.
package final class HeldLease: Sendable {
  /// Nanoseconds.
  package let length: Int64
  private let state: Monitor<State>

  private struct State {
    /// By ``now``.
    var surelyUntil: Int64
    /// Why it is over: somebody else has taken over.
    var loss: String?
    /// It is given back, or the store is closed.
    var isClosed = false
    /// Whether the watchman waits for a renewal: each commit is one, and wakes nobody otherwise.
    var isDoubtful = false
  }

  /// - Parameter sentAt: when it was asked for, by ``now``.
  package init(length: Int64, sentAt: Int64) {
    self.length = length
    state = Monitor(State(surelyUntil: sentAt + length))
  }

  /// Nanoseconds of CLOCK_BOOTTIME: a machine that was suspended has not renewed anything meanwhile.
  package static var now: Int64 {
    var time = timespec()
    // Safe: the call writes the one struct it is given.
    unsafe clock_gettime(CLOCK_BOOTTIME, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// A renewal that was sent then has been confirmed.
  package func renewed(sentAt: Int64) {
    let isAwaited = state.withLock { state in
      state.surelyUntil = max(state.surelyUntil, sentAt + length)
      return state.isDoubtful
    }
    if isAwaited { state.broadcast() }
  }

  /// Another host has the store.
  package func lose(_ why: String) { state.change { $0.loss = $0.loss ?? why } }
  package func close() { state.change { $0.isClosed = true } }

  package var isOver: Bool { state.withLock { $0.loss != nil || $0.isClosed } }
  /// Whether nobody else can have the store at this moment.
  package var isSure: Bool { state.withLock { $0.loss == nil && $0.surelyUntil > Self.now } }

  /// Nanoseconds until the next renewal is due: a third of its length after the last one.
  package var untilRenewal: Int64 { length / 3 - age }

  /// Nanoseconds since the last renewal was sent.
  package var age: Int64 { Self.now - state.withLock { $0.surelyUntil } + length }

  // MARK: Watching it

  /// How long before its end, by this host's reckoning, what runs is told to end.
  private var margin: Int64 { length / 3 }
  private var untilDoubt: Int64 { state.withLock { $0.surelyUntil } - margin - Self.now }

  /// How long its watchman sleeps, unless it is renewed, lost or closed meanwhile: until the doubt begins, and at most
  /// a sixth of its length, because a machine may have been suspended. In doubt there is nothing that time could bring.
  package static func nap(length: Int64, untilDoubt: Int64, isDoubtful: Bool) -> Int64 {
    max(1_000_000, isDoubtful ? length / 6 : min(length / 6, untilDoubt))
  }

  /// Tells each change until it is lost or closed. The life of a thread.
  package func watch(_ location: String, _ listener: (LeaseChange) -> Void) {
    var isDoubtful = false
    while true {
      state.withLock { $0.isDoubtful = isDoubtful }
      let nap = Self.nap(length: length, untilDoubt: untilDoubt, isDoubtful: isDoubtful)
      let change = state.wait(until: monotonicNow() + nap) { state -> State? in
        state.isClosed || state.loss != nil || isDoubtful && state.surelyUntil - self.margin > Self.now ? state : nil
      }
      if let loss = change?.loss { return listener(.lost(loss)) }
      if change?.isClosed == true { return }
      let isLate = untilDoubt <= 0
      if isLate, !isDoubtful {
        listener(
          .doubtful(
            "\(location): the lease could not be renewed, and another host may take over soon: what runs is ended, and "
              + "nothing is started until it is"
          ))
      } else if !isLate, isDoubtful {
        listener(.regained)
      }
      isDoubtful = isLate
    }
  }
}

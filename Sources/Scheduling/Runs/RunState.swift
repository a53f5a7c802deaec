/// Where an active run stands. `free` is a slot without a run.
package enum RunState: UInt8, Sendable, CaseIterable {
  case free
  /// Events are still coming in (`debounce`).
  case debouncing
  /// In the job's overlap queue.
  case waiting
  /// In the claim order.
  case ready
  /// The store is writing its claim.
  case claiming
  /// Claimed, with the executor, its first instruction not reported.
  case dispatched
  case running
  /// Beyond its deadline and not to be stopped.
  case stuck
  /// Claimed, an attempt has ended, the next one's time has not come.
  case retrying
  /// It has succeeded, and that is being committed together with its outbox.
  case finishing
  /// Begun, and without a claim until its time or its event comes.
  case parked

  /// The legal transitions, as a table.
  ///
  /// A run is accepted as `debouncing`, `waiting` or `ready`; `claiming` falls back to `ready` when the store failed; a
  /// `retrying` run becomes `ready` again, and then `dispatched` without another claim; with one when it is under a
  /// rate, so that its row tells of its attempts. A `parked` run becomes `ready` and is claimed again; one that a store
  /// knows as parked is accepted as such. Every state may end (`free`).
  package func canBecome(_ next: RunState) -> Bool {
    switch (self, next) {
    case (.free, .debouncing), (.free, .waiting), (.free, .ready), (.free, .parked): true
    case (.debouncing, .waiting), (.debouncing, .ready): true
    case (.waiting, .ready): true
    case (.ready, .claiming), (.ready, .dispatched): true
    case (.claiming, .dispatched), (.claiming, .ready): true
    case (.dispatched, .running), (.dispatched, .retrying): true
    case (.running, .stuck), (.running, .retrying), (.running, .parked), (.running, .finishing): true
    case (.finishing, .retrying): true
    case (.retrying, .ready), (.parked, .ready): true
    case (let state, .free): state != .free
    default: false
    }
  }

  /// Whether the run counts against `max` of its job's group: claimed, and neither over nor waiting for its next
  /// attempt.
  var holdsGroupSlot: Bool {
    switch self {
    case .claiming, .dispatched, .running, .stuck, .finishing: true
    case .free, .debouncing, .waiting, .ready, .retrying, .parked: false
    }
  }

  /// Whether the run counts against its job's `max_instances`.
  var isCounted: Bool { self != .waiting && self != .debouncing && self != .free }

  /// Whether the run counts against the claim window: claimed, and not started.
  var isInWindow: Bool { self == .claiming || self == .dispatched }
}

package import Chronology
internal import Synchronization

/// Until when the work on one script may go on, whoever does it: Lua, the builders of triggers, the readers of
/// calendars. The code of a script is stopped by its runtime; what Swift does on its behalf looks here.
///
/// Any thread may ask, bring the end forward, and cancel.
package final class WorkDeadline: Sendable {
  /// Nanoseconds that were allowed; for the message.
  package let allowed: Int64
  /// What the message says of them beside that: the setting that allows them.
  package let note: String
  private let clock: any MonotonicClock
  private let end: MonotonicInstant
  private let cancelled = Atomic(false)

  /// - Parameters:
  ///   - allowed: nanoseconds from now.
  ///   - note: what ends the message, with a space before it.
  package init(allowed: Int64, note: String = "", clock: any MonotonicClock = SystemMonotonicClock()) {
    self.allowed = allowed
    self.note = note
    self.clock = clock
    end = clock.now.advanced(byNanoseconds: allowed)
  }

  /// Whether nothing more may be done. Costs one look at a clock.
  package var isOver: Bool { isCancelled || clock.now >= end }

  /// Whether somebody does not want the result any more.
  package var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

  /// Nobody wants the result any more.
  package func cancel() { cancelled.store(true, ordering: .relaxed) }

  /// Throws when nothing more may be done.
  package func check() throws(TriggerError) {
    guard isOver else { return }
    throw TriggerError(isCancelled ? "loading was cancelled" : overrun)
  }

  /// Why the work was ended.
  package var overrun: String { "the script was still loading after \(allowed / 1_000_000) ms\(note)" }
}

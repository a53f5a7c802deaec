package import Chronology
internal import Synchronization

/// A wall clock that stands where a test puts it.
package final class StandingClock: WallClock {
  private let instant: Mutex<Instant>

  package init(_ instant: Instant) { self.instant = Mutex(instant) }

  package var now: Instant {
    get { instant.withLock { $0 } }
    set { instant.withLock { $0 = newValue } }
  }
}

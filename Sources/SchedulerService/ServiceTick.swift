import Chronology
package import JobModel
package import Scheduling

/// The scheduler's inbox and one tick of its loop: take what came, decide, act. Nothing here sleeps or starts a thread,
/// so that the simulator drives the same code under a clock of its own.
///
/// Threading: `post`, `report` and store completions from any thread; `tick` on one thread at a time.
package final class ServiceTick: RunReportSink, SchedulerInbox, @unchecked Sendable {
  // `@unchecked`: `state` is touched by `tick` (and before the first tick) only, which the owner calls on one thread at
  // a time; everything that other threads touch is in `inbox`, behind its lock.
  package typealias Command = @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void

  private let configuration: ServiceConfiguration
  private let inbox: TickInbox
  private var state: TickState

  /// - Parameter wake: ends the owner's sleep; called at most once between two ticks.
  package init(_ configuration: ServiceConfiguration, wake: @escaping @Sendable () -> Void) {
    self.configuration = configuration
    inbox = TickInbox(wake: wake)
    state = TickState(configuration, inbox)
  }

  /// Reads what the stores know, as far as these jobs under these groups need it. Once, before the first tick.
  package func restore(_ definitions: [JobDefinition], groups: [String: GroupLimit]) throws(StoreError) {
    try state.restore(definitions, groups: groups)
  }

  // MARK: From any thread

  /// Hands in something to do on the scheduler's state at the next tick; `whenDurable` is called when what it decided
  /// is on disk.
  package func post(whenDurable: (@Sendable (StoreError?) -> Void)? = nil, _ command: @escaping Command) {
    inbox.enter { $0.commands.append((command, whenDurable)) }
  }

  package func report(_ reports: [RunReport]) { inbox.enter { $0.reports += reports } }

  // MARK: The tick

  package var now: ClockReading {
    ClockReading(wall: configuration.wallClock.now, monotonic: configuration.monotonicClock.now.nanoseconds)
  }

  /// What the owner needs to know after a tick.
  package struct Rest: Sendable {
    /// When the next tick is due at the latest.
    package var wake: SchedulerCore.Wake
    /// Claimed runs that are not over; only counted while draining, nil otherwise.
    package var claimedRuns: Int?
    /// Whether the stores have everything that they will ever take.
    package var isWritten: Bool
    /// What they have not; only told while draining. Sentences.
    package var unwritten: [String] = []
  }

  /// Takes in what came, decides what is due at `now`, acts. Goes round until nothing more can be done at that moment,
  /// or until it is time for another moment: then the wake that it returns is at once.
  package func tick(at now: ClockReading) -> Rest { state.tick(at: now) }
}

internal import Chronology
public import FoundationEssentials
internal import MoondialScheduler

/// A clock that stands still until a test says that time passes.
///
///     let clock = ManualClock()
///     let scheduler = Scheduler(configuration, clock: clock)
///     try await scheduler.add("tick", .every(.seconds(90))) { _ in … }
///     try await scheduler.start()
///     await clock.advance(by: .seconds(3600))      // 40 ticks have run, each to its end
///
/// Threading: any thread; `advance` by one task at a time, and not from a job.
public final class ManualClock: Sendable {
  /// Both clocks of the machine that it stands for.
  let machine: SimulatedClock
  /// What follows this clock, and who sleeps by it.
  let followers = ClockFollowers()

  /// A clock that shows `date`, to the microsecond; without one, 2026-01-01T00:00:00Z.
  public init(at date: Date = Date(timeIntervalSince1970: 1_767_225_600)) {
    machine = SimulatedClock(at: Instant(date))
  }

  /// What the wall clock shows.
  public var date: Date { Date(machine.now) }

  /// Somebody sets the wall clock; timeouts and delays do not feel it. What that makes due runs in the next
  /// ``advance(by:)``.
  public func set(to date: Date) { machine.set(to: Instant(date)) }

  /// Time passes, stopping wherever something is due. Returns when every run that became due has ended, or waits in
  /// ``sleep(for:)``, and every `onEvent` listener has heard of it: so it gives the same result every time.
  ///
  /// An async job that waits for something else than this clock keeps `advance` waiting until that has come. Zero runs
  /// what is due already: what `runNow` and `emit` have asked for.
  public func advance(by duration: Duration) async {
    precondition(duration >= .zero, "a clock advances; set(to:) sets the wall clock back")
    let end = now + duration.wholeNanoseconds
    await letTasksRun()
    while let next = nextWake, next <= end {
      machine.advance(by: max(0, next - now))
      await letTasksRun()
    }
    machine.advance(by: max(0, end - now))
    await letTasksRun()
  }

  /// Waits until the clock has been advanced by `duration`: for async jobs that would wait for real otherwise.
  ///
  /// - Throws: `CancellationError` when the task is cancelled.
  public func sleep(for duration: Duration) async throws {
    let deadline = now + duration.wholeNanoseconds
    guard await followers.sleep(until: deadline, now: { self.now }) else { throw CancellationError() }
  }

  /// Nanoseconds of the monotonic clock.
  private var now: Int64 { machine.monotonic.now.nanoseconds }

  private var nextWake: Int64? {
    (followers.engines.map(\.nextWake) + [followers.nextDeadline]).compactMap { $0 }.min()
  }

  /// Lets everything happen that can at this instant.
  private func letTasksRun() async {
    followers.wakeSleepers(at: now)
    for engine in followers.engines { engine.expireTimeouts() }
    while true {
      let version = followers.version
      for engine in followers.engines { engine.pump() }
      let engines = followers.engines
      guard engines.allSatisfy(\.isQuiet), engines.reduce(0, { $0 + $1.outstanding }) <= followers.sleepingRuns else {
        await followers.change(after: version)
        continue
      }
      for listeners in followers.listeners { await listeners() }
      if followers.version == version { return }
    }
  }
}

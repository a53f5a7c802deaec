internal import Chronology
public import MoondialScheduler

extension Scheduler {
  /// A scheduler that follows a clock moved by hand: for tests.
  ///
  /// Its jobs run inside `clock.advance(by:)` and nowhere else: blocking closures one after the other on the task that
  /// advances, async ones as tasks. It hosts no scripts (`moondial simulate` does that): a configuration with some is
  /// refused by `start`, and so is a job that watches for files, by `add`: disks have a time of their own. Its `stop`
  /// cancels what has not ended, whatever the grace.
  public convenience init(_ configuration: Configuration = Configuration(), clock: ManualClock) {
    let machine = clock.machine
    var driver = SchedulerDriver()
    driver.wallClock = machine
    driver.monotonicClock = machine.monotonic
    driver.executor = { _ in ManualExecutor(machine, followers: clock.followers) }
    driver.engine = { ManualEngine($0, clock: machine, followers: clock.followers) }
    driver.refusesScripts = "a scheduler with a manual clock runs Swift jobs only: leave configuration.scripts out"
    driver.refusesFiles = "a scheduler with a manual clock watches for no files: give the job an event (on) instead"
    self.init(configuration, driver: driver)
    clock.followers.add(listeners: { [weak self] in await self?.awaitListeners() })
  }
}

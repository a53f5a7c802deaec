package import Chronology
package import Basics
package import JobModel
package import SchedulerService
package import ScriptLoading

extension SchedulerAssembly {
  /// What to build. Plain values.
  package struct Blueprint {
    /// Used when there are no scripts; otherwise the configuration is what their location says.
    package var configuration = HostConfiguration()
    package var scripts: ScriptLocation?
    /// Where relative paths of stores begin; made when it is missing. nil: the working directory.
    package var stateDirectory: String?
    /// The kinds of stores that the configuration may name.
    package var kinds = StoreKinds.standard
    package var log: any HostLog
    /// Whether each run's claim, start and success are events; failures always are.
    package var publishesRuns = true
    /// Whether a program declares jobs, in addition to the scripts' own: a script may then name one before it is there.
    package var isEmbedded = false
    /// Whether this process has been such a host before, and stepped down: jobs that its stores know do not run because
    /// it starts.
    package var continues = false
    /// Called with each attempt on its worker's thread, before anything of it happens; nil costs nothing. (The event of
    /// a start comes from the scheduler's thread, and later than the first lines of a run.)
    package var willBegin: (@Sendable (RunOrder) -> Void)?
    /// Called with each configuration that a reload brings, before its jobs are in force, on the thread that loads.
    package var onConfiguration: @Sendable (HostConfiguration) -> Void = { _ in }
    /// Called on the scheduler's thread with each evaluation's events, in order. Must be quick and ask the scheduler
    /// nothing.
    package var onEvents: @Sendable ([Event]) -> Void = { _ in }
    /// Told when a store that another host schedules from is waited for, once each; nil: such a store is refused.
    package var standsBy: (@Sendable (String) -> Void)?
    /// Told, after `standsBy`, of a host that runs what it is given while it waits.
    package var onStandby: @Sendable (StandbyHost) -> Void = { _ in }
    /// Told, on a thread of the store's, when another host has taken a store over. Must be quick.
    package var onStoreLost: @Sendable (String) -> Void = { _ in }
    /// Told, on a thread of a store's, when this host is drained: it should end what it runs, give its stores back and
    /// begin anew; and when it is drained no more. Must be quick.
    package var onDrain: @Sendable (Bool) -> Void = { _ in }
    /// Told, before it waits for any store, how a host that is given up before it is up ends being a member of its
    /// stores. What is handed over blocks on their servers.
    package var onMembership: @Sendable (@escaping @Sendable () -> Void) -> Void = { _ in }
    package var wallClock: any WallClock = SystemWallClock()
    package var monotonicClock: any MonotonicClock = SystemMonotonicClock()
    /// Makes the executors when they are not pools of threads: by configured name.
    package var executor: (@Sendable (String) -> any JobExecutor)?
    /// Makes the threads of pools; nil: the system.
    package var makeThread: ThreadMaker?
    package var engine: @Sendable (ServiceConfiguration) -> any SchedulerEngine = { SchedulerService($0) }

    package init(log: any HostLog) { self.log = log }
  }
}

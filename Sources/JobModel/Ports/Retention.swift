/// How much history a store keeps. The newest runs of a job always stay; older ones go in the background, a little at a
/// time, so for a while a store may hold more than this says.
///
///     var retention = Retention()
///     retention.jobs["billing"] = .init(runs: nil, age: nil)      // everything, for ever
public struct Retention: Sendable, Equatable {
  /// What is kept of one job.
  public struct Limit: Sendable, Equatable {
    /// Finished runs; nil keeps all.
    public var runs: Int?
    /// Nanoseconds since a run finished; nil keeps all.
    public var age: Int64?

    public init(runs: Int?, age: Int64?) {
      self.runs = runs
      self.age = age
    }
  }

  /// For jobs without a limit of their own. 1,000 runs, and none older than 90 days.
  public var standard = Limit(runs: 1_000, age: 90 * 86_400 * 1_000_000_000)
  /// Limits of single jobs, by name.
  public var jobs: [String: Limit] = [:]
  /// Decision ranges of each job.
  public var ranges = 1_000
  /// Bytes of log lines of each job; older ones make room for newer ones, a run at a time.
  public var logBytesPerJob = 16 << 20
  /// Bytes of log lines of all jobs.
  public var logBytes = 256 << 20

  /// Lines of the audit: who changed what.
  public var auditLines = 10_000

  public init() {}
}

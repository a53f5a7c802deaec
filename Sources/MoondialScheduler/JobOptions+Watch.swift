internal import Lua

extension JobOptions {
  /// The files that a job waits for. Its runs are given complete ones, in batches, as `RunContext.files`.
  ///
  ///     JobOptions(watch: .init("in/*.csv", settle: .seconds(5)))
  ///
  /// What was given to a run is remembered in the job's store: with an SQLite store a file that no run was given is
  /// given after a restart, and one that was is not. The invariant is that of scripts' `watch`.
  public struct Watch: Sendable, Hashable {
    /// What a file must have done to be given to the job.
    public enum Event: String, Sendable, Hashable, CaseIterable {
      /// It is there and was not when it was looked at last.
      case created
      /// A known path has other content.
      case changed
    }
    /// Patterns: `*`, `?`, `[a-z]`, `{a,b}` in a name, `**` for directories. Relative ones begin at the working
    /// directory that the program has when the job is added.
    public var paths: [String]
    /// A file is complete when its size and time have stayed the same for so long.
    public var settle: Duration
    /// Whether directories below are searched too: `in/*.csv` means `in/**/*.csv`.
    public var recursive: Bool
    /// Which files are given.
    public var events: Set<Event>
    /// Whether files that are there when the job first watches are given to it.
    public var existing: Bool
    /// Files of one run, at most.
    public var batch: Int

    /// Every file that settles, where nothing else is said.
    public init(
      _ paths: String..., settle: Duration = .seconds(2), recursive: Bool = false,
      events: Set<Event> = Set(Event.allCases), existing: Bool = true, batch: Int = 1_000
    ) {
      self.paths = paths
      self.settle = settle
      self.recursive = recursive
      self.events = events
      self.existing = existing
      self.batch = batch
    }

    /// As the field of a Lua job.
    var value: LuaValue {
      .table(
        LuaTable(fields: [
          ("path", .texts(paths)), ("settle", .text(settle.text)), ("recursive", .bool(recursive)),
          ("events", .texts(events.map(\.rawValue).sorted())), ("existing", .bool(existing)),
          ("batch", .integer(Int64(batch))),
        ]))
    }
  }
}

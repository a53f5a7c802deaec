/// How a `LuaRuntime` treats the scripts of its host.
///
///     var configuration = LuaConfiguration()
///     configuration.memoryLimit = 16 << 20
///     let runtime = try LuaRuntime(configuration, modules: [log])
package struct LuaConfiguration: Sendable {
  /// CPU time in nanoseconds that a run may hold a worker while others wait. The default is 5 ms. The kernel's tick
  /// bounds it from below (4 ms at 250 Hz), so smaller values buy little.
  package var slice: Int64 = 5_000_000

  /// Nanoseconds from the soft stop of a run (its next VM instruction ends it) to the hard one, which tears it out of a
  /// C loop. The default is 25 ms.
  package var grace: Int64 = 25_000_000

  /// Nanoseconds from the hard stop to the report that the worker is stuck. The default is 50 ms.
  package var stuckAfter: Int64 = 50_000_000

  /// The same for a run that is in a function of the host. Those look whether they are to end, or end soon by
  /// themselves, and the run then ends for the reason that it was stopped for. The default is 10 s.
  package var hostPatience: Int64 = 10_000_000_000

  /// Bytes that the state of a job may use. The default is 64 MB.
  package var memoryLimit: Int = 64 << 20

  /// Bytes that a script may use while it is loading. The default is 1 GB.
  package var declareMemoryLimit: Int = 1 << 30

  /// Nanoseconds that a script may take to load. The default is 30 s.
  package var declareTimeout: Int64 = 30_000_000_000

  /// Bytes of address space reserved for states; memory is only taken as it is used. 64 KB per state and more for
  /// larger ones: the default, 64 GB, holds a million of them.
  package var regionSize: Int = 64 << 30

  /// Bytes of source text in one chunk. The default is 1 MB.
  package var sourceLimit: Int = 1 << 20

  /// Whether states of jobs have the libraries of the `lua` program, native code among them: only in a process of their
  /// own. The default is no.
  package var hasAllLibraries = false

  /// Tests: the n-th allocation of each of the two template states fails, as if memory were over. 0: none does.
  package var failingTemplateAllocation = 0

  package init() {}
}

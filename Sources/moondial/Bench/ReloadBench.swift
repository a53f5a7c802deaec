import Basics
import Chronology
import Hosting
import JobModel
internal import SchedulerService
internal import Scheduling
import ScriptLoading
import Synchronization
import Triggers

/// `reload`: a host is up with `n` jobs in `scripts` scripts and `native` jobs of a program; a further script of one
/// job is saved `edits` times, each time with another interval.
///
/// `live_ms` is from the save until its job is in force (the quiet time that the watcher waits for included), and
/// `examined` the jobs that the scheduler looked at for all edits. `probe_us` is the longest time that another thread
/// waited for an answer of the scheduler meanwhile, and `rest_us` the same without edits: what the scheduler's thread
/// was busy with is in between, and so is what the machine did otherwise.
enum ReloadBench {
  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let n = try parameters.integer("n")
    let scripts = try parameters.integer("scripts")
    let edits = try parameters.integer("edits")
    let natives = try parameters.integer("native", atLeast: 0)
    let files = try BenchDirectory()
    for script in 0..<scripts {
      try files.write(text(jobs: n / scripts, of: script), as: "s\(script).lua")
    }
    try files.write(edited(0), as: "edited.lua")
    let log = ReloadLog()
    let assembly = try assembly(files.scripts, log, isEmbedded: natives > 0)
    defer { assembly.stop(grace: 0) }
    try assembly.start((0..<natives).map(native))
    let rest = try probe(assembly.engine) { BenchClock.sleep(until: BenchClock.wall + 500_000_000) }
    let before = assembly.engine.ask { core, _, _ in core.jobs.examined }
    var times: [Int64] = []
    let busy = try probe(assembly.engine) {
      for edit in 1...edits {
        let known = log.reloads
        let begun = monotonicNow()
        try files.write(edited(edit), as: "edited.lua")
        log.awaitReload(after: known)
        times.append(monotonicNow() - begun)
      }
    }
    let examined = assembly.engine.ask { core, _, _ in core.jobs.examined } - before
    times.sort()
    var result = JSONObject()
    result.set("n", n)
    result.set("scripts", scripts)
    result.set("native", natives)
    result.set("edits", edits)
    result.set("live_ms", Double(times[times.count / 2]) / 1e6)
    result.set("live_max_ms", Double(times[times.count - 1]) / 1e6)
    result.set("examined", examined)
    result.set("probe_us", Double(busy) / 1e3)
    result.set("rest_us", Double(rest) / 1e3)
    return result
  }

  private static func text(jobs: Int, of script: Int) -> String {
    """
    for i = 1, \(jobs) do job("s\(script)-" .. i) { every = "5h", run = function() end } end

    """
  }

  private static func edited(_ edit: Int) -> String {
    "job 'edited' { every = '\(edit + 60)m', run = function() end }\n"
  }

  private static func assembly(
    _ directory: String, _ log: ReloadLog, isEmbedded: Bool
  ) throws -> SchedulerAssembly {
    var blueprint = SchedulerAssembly.Blueprint(log: log)
    blueprint.isEmbedded = isEmbedded
    var configuration = HostConfiguration()
    configuration.stores = ["default": StoreConfiguration(StoreAddress("memory"))]
    blueprint.scripts = ScriptLocation(
      directory, source: .value(configuration), systemZone: TimeZoneDatabase().machineZone(tz: "UTC"),
      environment: { _ in nil }, variables: { [:] })
    do { return try SchedulerAssembly(blueprint) } catch { throw CommandFailure("\(error)") }
  }

  private static func native(_ number: Int) -> JobDefinition {
    var job = JobDefinition(
      name: "native\(number)", source: SourceLocation(file: "bench", line: 1), payload: NoCode())
    job.trigger = .every(nanoseconds: 5 * 3_600_000_000_000)
    return job
  }

  private final class NoCode: JobPayload {
    func difference(from other: any JobPayload) -> PayloadDifference { other is NoCode ? .none : .code }
  }

  /// The longest time that a question took while `body` ran, in nanoseconds.
  private static func probe(_ engine: any SchedulerEngine, _ body: () throws -> Void) throws -> Int64 {
    let longest = Mutex<Int64>(0)
    let isOver = Atomic(false)
    let thread = try NamedThread("bench-probe") {
      while !isOver.load(ordering: .acquiring) {
        let begun = monotonicNow()
        engine.ask { _, _, _ in }
        let taken = monotonicNow() - begun
        longest.withLock { $0 = max($0, taken) }
      }
    }
    defer {
      isOver.store(true, ordering: .releasing)
      thread.join()
    }
    try body()
    return longest.withLock { $0 }
  }
}

/// Counts the reloads, and drops everything else.
private final class ReloadLog: HostLog {
  private let count = Monitor(0)
  var now: Instant { SystemWallClock().now }
  var threshold: LogLevel { .info }
  func write(_ line: LogLine) {
    guard line.message.hasPrefix("reloaded (") else { return }
    count.withLock { $0 += 1 }
    count.broadcast()
  }
  var reloads: Int { count.withLock { $0 } }
  func awaitReload(after known: Int) { _ = count.wait { $0 > known ? true : nil } }
}

import Basics
import Chronology
import Executors
import FileWatching
import HostModules
import JobModel
import Lua
import ProcessExecutor
import ScriptLoading
import ScriptRuntime

/// `processes`: a job that does nothing, on an executor of processes and on a pool of threads. One at a time for the
/// latency from submission to report, then all at once for runs a second; the start of a process; its memory.
enum ProcessBench {
  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let n = try parameters.integer("n")
    let workers = try parameters.integer("workers")
    let files = try BenchDirectory()
    try files.write(script: "job 'noop' { run = function(ctx) return ctx.process end }")
    let luaHost: LuaHost
    let generation: LoadedGeneration
    do {
      luaHost = try LuaHost(services: .unwired, declareModules: DeclareModules.modules)
      let loader = try ScriptLoader(runtime: luaHost.runtime, zones: TimeZoneDatabase())
      generation = loader.load(ScriptDirectory(files.scripts).scan().snapshot)
    } catch { throw CommandFailure("\(error)") }
    defer { luaHost.stop() }
    guard let definition = generation.jobs.first else { throw CommandFailure("the generated script is refused") }
    let job = JobEntry(definition)
    var result = JSONObject()
    result.set("n", n)
    result.set("workers", workers)
    var starts: [Int64] = []
    for _ in 0..<10 {
      var settings = ProcessConfiguration()
      settings.workers = 1
      let bench = ExecutorBench(ProcessExecutor(settings, luaHost: luaHost), job)
      starts.append(try bench.one().span)
      bench.stop()
    }
    result.set("start_ms_p50", milliseconds(starts, 50))
    var settings = ProcessConfiguration()
    settings.workers = workers
    settings.recycleAfter = nil
    let processes = ExecutorBench(ProcessExecutor(settings, luaHost: luaHost), job)
    try measure(processes, n, "processes", &result)
    if let process = try processes.one().result.flatMap({ Int32($0) }) {
      result.set("child_kb", kilobytes(of: process, "Rss:"))
      result.set("child_private_kb", kilobytes(of: process, "Private_Dirty:"))
    }
    processes.stop()
    var pool = StepPool.Configuration()
    pool.workers = workers
    let threads = ExecutorBench(StepPool(LuaRunner(luaHost), configuration: pool), job)
    try measure(threads, n, "threads", &result)
    threads.stop()
    return result
  }

  private static func measure(_ bench: ExecutorBench, _ n: Int, _ name: String, _ result: inout JSONObject) throws {
    for _ in 0..<20 { _ = try bench.one() }
    var spans: [Int64] = []
    for _ in 0..<min(n, 2_000) { spans.append(try bench.one().span) }
    result.set("\(name)_us_p50", milliseconds(spans, 50) * 1_000)
    result.set("\(name)_us_p99", milliseconds(spans, 99) * 1_000)
    let begun = monotonicNow()
    try bench.all(n)
    result.set("\(name)_per_s", Double(n) / (Double(monotonicNow() - begun) / 1e9))
  }

  private static func milliseconds(_ spans: [Int64], _ percent: Int) -> Double {
    let sorted = spans.sorted()
    return Double(sorted[min(sorted.count - 1, sorted.count * percent / 100)]) / 1e6
  }

  private static func kilobytes(of process: Int32, _ field: String) -> Int {
    let text = SmallFile.read("/proc/\(process)/smaps_rollup") ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix(field) {
      return line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }
    return 0
  }
}

/// An executor with its reports, without a scheduler.
private final class ExecutorBench: RunReportSink {
  private struct State: Sendable {
    var ended = 0
    var last: RunReport?
  }
  private let executor: any JobExecutor
  private let job: JobEntry
  private let state = Monitor(State())
  private let slots = Monitor(0)

  init(_ executor: any JobExecutor, _ job: JobEntry) {
    self.executor = executor
    self.job = job
    executor.start(reportingTo: self)
  }

  func report(_ reports: [RunReport]) {
    let ends = reports.filter { $0.kind == .ended }
    guard let last = ends.last else { return }
    state.change { state in
      state.ended += ends.count
      state.last = last
    }
  }

  private func order() -> RunOrder {
    let slot = slots.withLock { slot in
      slot += 1
      return slot
    }
    return RunOrder(
      token: RunToken(slot: slot, use: 1), id: RunID(Int64(slot)), job: job, attempt: 1, scheduledAt: .epoch)
  }

  /// Runs once. Nanoseconds from submission to report, and the result.
  func one() throws -> (span: Int64, result: String?) {
    let begun = monotonicNow()
    try all(1)
    let span = monotonicNow() - begun
    return (span, state.withLock { $0.last?.details?.result?.text })
  }

  /// Runs `n` times, as many at once as it does.
  func all(_ n: Int) throws {
    let goal = state.withLock { $0.ended } + n
    executor.submit((0..<n).map { _ in order() })
    let outcome = state.wait { $0.ended >= goal ? $0.last?.outcome : nil }
    guard outcome == .succeeded else {
      let error = state.withLock { $0.last?.details?.error?.message }
      throw CommandFailure("a run ended as \(outcome?.rawValue ?? "nothing"): \(error ?? "")")
    }
  }

  func stop() { executor.stop() }
}

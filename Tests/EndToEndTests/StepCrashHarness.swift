import Chronology
import Foundation
import JobModel
import TestSupport

/// The real binary with runs of five steps, a park and a transaction, killed again and again.
///
/// Its jobs are on an executor of threads, or of processes, which are killed too. Each run leaves lines in a file:
/// before and after each step. Values, events and runs that its transaction asks for are counted against the runs at
/// the end, when all of them have come through.
struct StepCrashHarness {
  let place: Place
  private var random: SeededGenerator
  private(set) var violations: [String] = []
  /// Keys of runs whose five steps are done.
  private(set) var completed = 0
  private(set) var interrupted = 0
  private(set) var executed = 0

  private static let script = """
    local function line(text) assert(fs.append("lines", text .. "\\n")) end
    local function step(ctx, key, name)
      ctx:step(name, function() line("do " .. key .. " " .. name) return name end)
      line("did " .. key .. " " .. name)
    end
    job "work" { every = "250ms", recover = true, max_instances = 3, overlap = "queue", run = function(ctx)
      local key = ctx:step("key", function() return ctx.id end)
      step(ctx, key, "one")
      step(ctx, key, "two")
      ctx:transaction(function(tx)
        tx.kv.update("sum", function(sum) return (sum or 0) + key end)
        tx.kv.update("count", function(count) return (count or 0) + 1 end)
        tx.emit("paid", { key = key })
        tx.run("child", { key = key })
      end)
      line("did " .. key .. " transaction")
      ctx:sleep("100ms")
      step(ctx, key, "three")
      step(ctx, key, "four")
      ctx.outbox.kv.set("done/" .. key, true)
      ctx.outbox.emit("finished", { key = key })
      return key
    end }
    local options = { recover = true, max_instances = 50, overlap = "queue" }
    job "listener" { on = "paid", recover = true, max_instances = 50, overlap = "queue",
      run = function(ctx) return ctx.event.data.key end }
    job "last" { on = "finished", recover = true, max_instances = 50, overlap = "queue",
      run = function(ctx) return ctx.event.data.key end }
    job "child" { recover = true, max_instances = 50, overlap = "queue", run = function(ctx) return ctx.params.key end }
    job "report" { run = function()
      return { sum = kv.get("sum"), count = kv.get("count"), done = #kv.keys("done/", { limit = 100000 }) }
    end }
    """

  private let executor: CrashExecutor
  private(set) var children = ChildKills()

  init(seed: UInt64, on executor: CrashExecutor) throws {
    random = SeededGenerator(seed)
    self.executor = executor
    place = try Place()
    try Data("return { grants = { ['*'] = { fs = { '.:rw' } } }, \(executor.table) }".utf8).write(
      to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    // A run whose process is killed has crashed, which is an attempt; one whose host is killed is recovered.
    let retry = executor == .process ? "retry = { max = 100, base = '10ms', jitter = false }," : ""
    try place.save("work.lua", CrashExecutor.choice(retry) + Self.script)
  }

  /// One life that ends at a random moment.
  mutating func liveAndDie() throws {
    let host = try place.host("--grace", "20s")
    if random.next() % 5 > 0 { try host.awaitLine(containing: "5 jobs") }
    let time = Double(random.next() % 1_500) / 1_000
    let status = executor == .process ? children.live(host, for: time, &random) : host.endWithin(time)
    if let status { violations.append("the host ended by itself with \(status): \(host.text.suffix(2_000))") }
    violations += try children.endHost(host)
    checkLines()
  }

  /// A last life, in which nothing new begins and everything comes through; then the account.
  mutating func finish() throws {
    let host = try place.host("--grace", "20s")
    try host.awaitLine(containing: "5 jobs")
    let paused = try place.run("pause", "work")
    if paused.status != 0 { violations.append("work cannot be paused: \(paused)") }
    var isQuiet = false
    for _ in 0..<240 where !isQuiet {
      isQuiet = try openRuns() == 0
      if !isQuiet, host.endWithin(0.25) != nil { break }
    }
    if !isQuiet { violations.append("runs did not come through: \(try openRuns()) are open") }
    let report = try place.run("trigger", "report", "--wait", "--json")
    host.signal(SIGTERM)
    if try host.awaitExit() != 0 { violations.append("the drain failed: \(host.text.suffix(2_000))") }
    checkLines()
    try account(report)
  }

  private func openRuns() throws -> Int {
    let store = try openStore(place.store, .reader)
    defer { store.close() }
    return try store.runs(RunQuery(limit: 100_000)).count { $0.outcome == nil }
  }

  /// What was done, and known to be done, is not done again.
  private mutating func checkLines() {
    var done: Set<Substring> = []
    executed = 0
    for line in place.text("lines").split(separator: "\n") {
      if line.hasPrefix("did ") {
        done.insert(line.dropFirst(4))
      } else if line.hasPrefix("do ") {
        executed += 1
        if done.contains(line.dropFirst(3)) { violations.append("done again after it was stored: \(line)") }
      }
    }
  }

  private mutating func account(_ report: HostProcess.Ended) throws {
    let store = try openStore(place.store, .reader)
    defer { store.close() }
    let runs = try store.runs(RunQuery(limit: 1_000_000))
    let works = runs.filter { $0.job == "work" }
    interrupted = works.count { $0.outcome == .interrupted }
    let recovered = Set(works.compactMap(\.recovers))
    for run in works where run.outcome != .succeeded && !(run.outcome == .interrupted && recovered.contains(run.id)) {
      violations.append("run \(run.id) \(run.outcome?.rawValue ?? "is open"): \(run.error?.message ?? "")")
    }
    let keys = works.filter { $0.outcome == .succeeded }.compactMap { $0.result.flatMap { Int64($0.text) } }
    completed = keys.count
    if Set(keys).count != keys.count { violations.append("two runs came to one end: \(keys.sorted())") }
    let chains = works.count { $0.recovers == nil }
    if chains != keys.count { violations.append("\(chains) runs began, and \(keys.count) came through") }
    for job in ["listener", "child", "last"] {
      let results = runs.filter { $0.job == job && $0.outcome == .succeeded }.compactMap { $0.result?.text }
      if results.sorted() != keys.map({ "\($0)" }).sorted() {
        let (found, wanted) = (Set(results), Set(keys.map { "\($0)" }))
        violations.append(
          "\(job): lost \(wanted.subtracting(found).sorted()), made up \(found.subtracting(wanted).sorted()), "
            + "\(results.count) runs for \(keys.count)")
      }
    }
    let text = report.output.joined()
    let sum = keys.reduce(0, +)
    for part in ["\"sum\":\(sum)", "\"count\":\(keys.count)", "\"done\":\(keys.count)"]
    where !text.replacing(" ", with: "").contains(part) {
      violations.append("the ledger does not say \(part): \(text)")
    }
    let leftOver = try store.load().intents
    if !leftOver.isEmpty { violations.append("\(leftOver.count) intents are left over") }
  }
}

import Foundation
import Glibc
import JobModel
import TestSupport

/// The real binary on jobs that watch for files, killed again and again while files come in, and after each kill an
/// account of every file.
///
/// Two records are compared. One is the store. The other is independent of it: each run appends a line `run_id path`
/// for each path that it was given. Every file is moved in complete, so it has one version for ever.
struct FileCrashHarness {
  /// The directories that are dropped into, each watched by a job of the same name.
  static let jobs = ["keep", "remove", "retry"]

  let place: Place
  private var random: SeededGenerator
  private var dropped: [String] = []
  /// By path: the runs that were given it, in order.
  private var lines: [String: [RunID]] = [:]
  private var bytesRead = 0
  private var rows: [RunID: RunRecord] = [:]
  private(set) var violations: [String] = []

  init(seed: UInt64, on executor: CrashExecutor) throws {
    random = SeededGenerator(seed)
    place = try Place()
    try Data("return { \(executor.table) }".utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    for name in ["staging"] + Self.jobs.map({ "in/" + $0 }) {
      try FileManager.default.createDirectory(atPath: place.path + "/" + name, withIntermediateDirectories: true)
    }
    try place.save(
      "a.lua",
      CrashExecutor.choice + """
        local function note(ctx)
          for _, path in ipairs(ctx.event.paths) do
            assert(fs.append("\(place.path)/lines", string.format("%d %s\\n", ctx.id, path)))
          end
        end
        job "keep" { watch = { path = "in/keep/**/*", settle = "20ms", batch = 5 }, run = note }
        job "remove" {
          watch = { path = "in/remove/*", settle = "20ms" }, max_instances = 2, recover = true,
          run = function(ctx)
            note(ctx)
            sleep("20ms")
            for _, path in ipairs(ctx.event.paths) do fs.remove(path) end
          end,
        }
        job "retry" {
          watch = { path = "in/retry/*", settle = "20ms" }, retry = { max = 1, base = "10ms" },
          run = function(ctx)
            note(ctx)
            if ctx.attempt == 1 then error("once more") end
          end,
        }
        job "end" { watch = { path = "in/end", settle = "20ms" }, run = function() print("the end is noted") end }
        """)
  }

  var files: Int { dropped.count }
  var runs: Int { rows.values.count { $0.cause == .watch } }
  var interrupted: Int { rows.values.count { $0.outcome == .interrupted } }

  private func start() throws -> HostProcess { try place.host("--allow-all", "--grace", "10s") }

  /// Moves a new file in, sometimes with a new directory around it.
  private mutating func drop() throws {
    let job = Self.jobs[Int(random.next() % 3)]
    let name = "f\(dropped.count)"
    let staged = "\(place.path)/staging/\(name)"
    let target = "\(place.path)/in/\(job)/\(name)"
    let isDirectory = job == "keep" && random.next() % 3 == 0
    if isDirectory { try FileManager.default.createDirectory(atPath: staged, withIntermediateDirectories: false) }
    let file = isDirectory ? "/a" : ""
    try Data(name.utf8).write(to: URL(fileURLWithPath: staged + file))
    try FileManager.default.moveItem(atPath: staged, toPath: target)
    dropped.append(target + file)
  }

  /// One life with files coming in that ends at a random moment; a few more come before the next.
  mutating func liveAndDie() throws {
    let host = try start()
    if random.next() % 4 > 0 { try host.awaitLine(containing: "4 jobs") }
    for _ in 0..<(random.next() % 30) {
      try drop()
      if let status = host.endWithin(Double(random.next() % 40) / 1_000) {
        violations.append("the host ended by itself with \(status): \(host.text.suffix(2_000))")
      }
    }
    violations += try ChildKills().endHost(host)
    for _ in 0..<(random.next() % 4) { try drop() }
  }

  /// One life that goes on until every file was handled, then ends as it should.
  mutating func liveAndStop() throws {
    let host = try start()
    try host.awaitLine(containing: "4 jobs")
    // Every file has been there for longer than this one, but a run may still have it. Each outcome makes the next
    // look.
    var beat = 0
    repeat {
      try Data("\(beat)".utf8).write(to: URL(fileURLWithPath: place.path + "/in/end"), options: .atomic)
      try host.awaitLine(containing: "the end is noted")
      beat += 1
      try read()
    } while !isEverythingHandled && beat < 200
    host.signal(SIGTERM)
    let status = try host.awaitExit()
    if status != 0 { violations.append("a drain ended with \(status): \(host.text.suffix(2_000))") }
  }

  // MARK: The account

  private var isEverythingHandled: Bool { dropped.allSatisfy(isHandled) }

  /// Whether a file was given to a run that has succeeded, or to one that removed it and was interrupted then.
  private func isHandled(_ path: String) -> Bool {
    let runs = lines[path] ?? []
    if runs.contains(where: { rows[$0]?.outcome == .succeeded }) { return true }
    return path.contains("/in/remove/") && !runs.isEmpty && !FileManager.default.fileExists(atPath: path)
  }

  /// Reads both records: the store first, so that a line that it does not know is not taken for a violation.
  private mutating func read() throws {
    guard FileManager.default.fileExists(atPath: place.store) else { return }
    let store = try openStore(place.store, .reader)
    defer { store.close() }
    for row in try store.runs(RunQuery(limit: 10_000)) { rows[row.id] = row }
    let text = place.text("lines")
    let fresh = text.utf8.dropFirst(bytesRead)
    // The last line may be half of one.
    let whole = fresh.lastIndex(of: UInt8(ascii: "\n")).map { fresh[...$0] } ?? fresh.prefix(0)
    bytesRead += whole.count
    for line in (String(whole) ?? "").split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, let id = Int64(parts[0]) else {
        violations.append("a torn line: \(line)")
        continue
      }
      let path = String(parts[1])
      // The second attempt of a run has its paths again.
      if lines[path]?.last != RunID(id) { lines[path, default: []].append(RunID(id)) }
    }
  }

  /// Adds what contradicts a promise to `violations`. No host is up.
  mutating func account(isComplete: Bool = false) throws {
    do { try read() } catch {
      // Killed before the file was a store.
      guard rows.isEmpty, lines.isEmpty else { throw error }
      return
    }
    for (path, runs) in lines {
      if !dropped.contains(path), !path.hasSuffix("/end") {
        violations.append("\(path) was given, and nobody dropped it")
      }
      for (index, run) in runs.enumerated() {
        guard let row = rows[run], row.claimedAt != nil, row.cause == .watch else {
          violations.append("\(path): run \(run) had it without a claim on disk")
          continue
        }
        if row.recovers != nil {
          violations.append("run \(run) makes good for another, though its files come by themselves")
        }
        if row.outcome == .succeeded, index < runs.count - 1 {
          violations.append("\(path): given to \(runs[index + 1]) after run \(run) had succeeded with it")
        }
      }
    }
    guard FileManager.default.fileExists(atPath: place.store) else { return }
    let store = try openStore(place.store, .reader)
    defer { store.close() }
    for mark in try Self.jobs.flatMap({ try store.files(of: $0) }) {
      guard let run = mark.run, let row = rows[run], row.outcome == mark.outcome else {
        violations.append("\(mark.path) is marked without the outcome that its mark names")
        continue
      }
      if lines[mark.path]?.contains(run) != true {
        violations.append("\(mark.path) is marked for run \(run), which did not have it")
      }
    }
    if isComplete {
      for path in dropped where !isHandled(path) {
        violations.append("\(path) is lost: runs \((lines[path] ?? []).map(\.description))")
      }
      for row in rows.values where row.outcome == nil {
        violations.append("run \(row.id) of \(row.job) has no outcome")
      }
    }
    let report = try examination(of: store)
    for damage in report.damages { violations.append("integrity: \(damage)") }
  }
}

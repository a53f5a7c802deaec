import Chronology
import JobModel

/// Dynamic schedules under `kill -9`: one job plants one-offs, another is run by them.
///
/// The planter notes an id after `jobs.schedule` has returned, that is when Moondial has promised to keep it. From then
/// on each id is to come, or has had its one run: nothing in between, whenever the host died.
struct OneOffAccount {
  private let place: Place
  private var bytesRead = (planted: 0, run: 0)
  /// Ids whose making was promised.
  private(set) var planted: Set<String> = []
  /// The runs of each id that wrote a line.
  private var lines: [String: [RunID]] = [:]

  /// Jobs that it adds.
  static let jobs = 2

  init(_ place: Place) throws {
    self.place = place
    // A run's number is never another's, so the ids are never made twice, whatever is replayed. First in path order,
    // and at each start: a life may end before the catch-up of hundreds of jobs has come to the last.
    try place.save(
      "a-oneoffs.lua",
      CrashExecutor.choice + """
        job "planter" { every = "100ms", run_at_start = true, run = function(ctx)
          for n = 1, 8 do
            local id = string.format("p%d-%d", ctx.id, n)
            local at = time.now() + (ctx.id * n % 7) / 5 - 0.2
            assert(jobs.schedule("once", { at = at, id = id, params = { id = id } }))
            assert(fs.append("\(place.path)/lines/planted", id .. "\\n"))
          end
        end }
        job "once" { state = "run", run = function(ctx)
          assert(ctx.schedule == ctx.params.id)
          assert(fs.append("\(place.path)/lines/once", string.format("%s %d\\n", ctx.schedule, ctx.id)))
        end }
        """)
  }

  var ran: Int { lines.count }

  /// - Parameter rows: every run row that was ever seen.
  /// - Returns: what contradicts the promise, in sentences.
  mutating func check(_ rows: some Sequence<RunRecord>, _ schedules: [ScheduleRecord]) -> [String] {
    var violations: [String] = []
    for line in fresh("planted", &bytesRead.planted) { planted.insert(String(line)) }
    for line in fresh("once", &bytesRead.run) {
      let parts = line.split(separator: " ")
      guard parts.count == 2, let number = Int64(parts[1]) else {
        violations.append("once: a torn line: \(line)")
        continue
      }
      lines[String(parts[0]), default: []].append(RunID(number))
    }
    var runs: [String: [RunRecord]] = [:]
    for row in rows { if let id = row.schedule { runs[id, default: []].append(row) } }
    let toCome = Set(schedules.filter { $0.nextFire != nil }.compactMap(\.id))
    for id in planted {
      switch (runs[id]?.count ?? 0, toCome.contains(id)) {
      case (0, true), (1, false): break
      case (0, false): violations.append("schedule \(id) was promised and is lost")
      case (1, true): violations.append("schedule \(id) has run \(runs[id]![0].id) and is still to come")
      case (let count, _): violations.append("schedule \(id) has \(count) runs")
      }
    }
    for (id, ids) in lines {
      if ids.count > 1 { violations.append("schedule \(id) ran as \(ids.map(\.description))") }
      if !(runs[id] ?? []).contains(where: { $0.id == ids[0] && $0.claimedAt != nil }) {
        violations.append("schedule \(id) ran as \(ids[0]) without a claim on disk")
      }
    }
    return violations
  }

  private func fresh(_ file: String, _ bytesRead: inout Int) -> [Substring] {
    let text = place.text("lines/\(file)")
    defer { bytesRead = text.utf8.count }
    return (String(text.utf8.dropFirst(bytesRead)) ?? "").split(separator: "\n")
  }
}

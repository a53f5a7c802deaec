import Basics
import Chronology
import HostClient
import Hosting
import JobModel

/// What `moondial top` shows.
struct TopScreen {
  private let client: HostClient
  private var status: HostStatus?
  private var runs: [RunAnswer] = []
  private var chosen = 0
  /// What the last key did.
  private var note = ""
  /// Runs that ended between the last two looks, and how long that was.
  private var rate: Double?
  private var lastEnded: (count: Int, at: Instant)?

  init(_ client: HostClient) { self.client = client }

  /// Asks the host again.
  mutating func look() throws {
    let status = try client.get(HostStatus.self, HostClient.path("status"))
    runs = try client.get(
      Page<RunAnswer>.self, HostClient.path("runs"), query: [("open", "true"), ("limit", "200")]
    ).items.sorted {
      ($0.startedAt?.instant ?? .distantFuture, $0.id) < ($1.startedAt?.instant ?? .distantFuture, $1.id)
    }
    let now = status.now.instant
    if let last = lastEnded, now > last.at {
      rate = (Double(status.runs.ended) - Double(last.count)) / (Double(now.nanoseconds(since: last.at)) / 1e9)
    }
    lastEnded = (status.runs.ended, now)
    self.status = status
    chosen = min(chosen, max(0, runs.count - 1))
  }

  mutating func move(_ by: Int) { chosen = min(max(0, chosen + by), max(0, runs.count - 1)) }

  mutating func cancel() {
    act { [client] run in
      let answer = try client.post(CancelAnswer.self, HostClient.path("runs", "\(run.id)", "cancel"))
      return "run \(run.id) is \(answer.state == .cancelled ? "cancelled" : "told to end")"
    }
  }

  mutating func pause() {
    act { [client] run in
      let job = try client.get(JobAnswer.self, HostClient.path("jobs", run.job))
      let request = PauseRequest(jobs: [run.job])
      _ = try client.post(PauseAnswer.self, HostClient.path(job.isPaused ? "resume" : "pause"), request)
      return "\(run.job) is \(job.isPaused ? "resumed" : "paused")"
    }
  }

  private mutating func act(_ body: (RunAnswer) throws -> String) {
    guard runs.indices.contains(chosen) else { return note = "no run is chosen" }
    do {
      note = try body(runs[chosen])
      try look()
    } catch { note = (error as? CommandFailure)?.message ?? "\(error)" }
  }

  /// At most so many lines, none wider than the terminal.
  func lines(rows: Int, columns: Int) -> [String] {
    guard let status else { return [] }
    let rates = rate.flatMap { Int(exactly: $0.rounded()) }.map { " · \($0) ended/s" } ?? ""
    let runs = status.runs
    var states = ["\(runs.running &+ runs.claimed) running", "\(runs.waiting) waiting", "\(runs.retrying) retrying"]
    for (count, word) in [(runs.parked, "parked"), (runs.stuck, "stuck")] where count > 0 {
      states.append("\(count) \(word)")
    }
    var lines = [
      "moondial \(status.version) · \(status.state.rawValue) · \(states.joined(separator: ", "))\(rates) "
        + "· \(counted(status.jobs.total, "job")) · next \(status.loop.nextDue.map(\.short) ?? "-")"
    ]
    if let pause = status.pause { lines.append("everything is paused \(pause.words)") }
    for problem in status.problems.prefix(3) { lines.append("problem: \(problem)") }
    if !note.isEmpty { lines.append(note) }
    var table = TextTable(["", "RUN", "JOB", "STATE", "SINCE", "LATE", "PROGRESS"])
    let room = rows == .max ? self.runs.count : max(1, rows - lines.count - 2)
    let first = max(0, min(chosen - room / 2, self.runs.count - room))
    for (index, run) in self.runs.enumerated().dropFirst(first).prefix(room) {
      let late = run.startedAt.map { $0.instant.nanoseconds(since: run.scheduledAt.instant) }
      let since = run.startedAt ?? run.claimedAt
      table.add([
        index == chosen ? ">" : "", "\(run.id)", run.job, run.state ?? "",
        since.map { TimeFormat.span(max(0, status.now.instant.nanoseconds(since: $0.instant))) } ?? "-",
        late.map { TimeFormat.span(max(0, $0)) } ?? "-", run.progress?.text ?? run.waiting,
      ])
    }
    lines += table.lines
    return lines.prefix(rows).map { columns == .max ? $0 : String($0.prefix(columns)) }
  }
}

extension RunAnswer {
  /// What it waits for, where that comes by itself.
  fileprivate var waiting: String {
    if state == "retrying" { return nextAttemptAt.map { "next attempt \($0.short)" } ?? "" }
    let parts = [waitsFor.map { "for \($0)" }, parkedUntil.map { "until \($0.short)" }]
    return parts.compactMap { $0 }.joined(separator: " ")
  }
}

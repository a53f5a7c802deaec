import JobModel
import Scheduling

extension StorePipeline {
  /// The most runs that are named.
  private static let named = 5

  /// What the store has not been told, and why, as one sentence; nil when it has everything. For the end of a host.
  var unwritten: String? {
    var batch = inFlight.batch
    batch.append(collecting.batch)
    var parts: [String] = []
    if !batch.finished.isEmpty {
      let runs = batch.finished.prefix(Self.named).map { run in
        "\(run.job) #\(run.id)\(run.outcome.map { " \($0.rawValue)" } ?? "")"
      }
      let more = batch.finished.count > runs.count ? " and \(batch.finished.count - runs.count) more" : ""
      parts.append(
        "how \(Self.counted(batch.finished.count, "run")) ended (\(runs.joined(separator: ", "))\(more); the next host takes them for interrupted)"
      )
    }
    let schedules = batch.schedules.count + batch.fires.count + batch.unscheduled.count
    if schedules > 0 { parts.append("where \(Self.counted(schedules, "schedule")) stand") }
    if !batch.waiting.isEmpty { parts.append("that \(Self.counted(batch.waiting.count, "run")) wait") }
    let others = batch.decisions.count + batch.dropped.count + batch.files.count
    if others > 0 { parts.append("\(Self.counted(others, "other decision"))") }
    guard !parts.isEmpty else { return nil }
    let why = lastError.map { ": \($0.message)" } ?? ": it has not answered"
    return "\(store.name): not written when the host ended: \(parts.joined(separator: ", "))\(why)"
  }

  private static func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

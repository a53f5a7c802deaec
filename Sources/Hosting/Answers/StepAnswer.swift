package import Chronology
package import JobModel

/// A step of a run as `history` and the API show it.
package struct StepAnswer: Sendable, Hashable, Codable {
  package var position: Int
  package var kind: RunStep.Kind
  /// Of a wait the event's name, of a sleep empty.
  package var name: String
  package var attempt: Int
  package var startedAt: HostTime
  /// nil: the run is parked at it.
  package var finishedAt: HostTime?
  package var until: HostTime?
  package var result: JSONDocument?

  private enum CodingKeys: String, CodingKey {
    case position, kind, name, attempt, until, result
    case startedAt = "started_at"
    case finishedAt = "finished_at"
  }

  /// What it is called, without its position.
  package var title: String { RunStep.title(kind, name) }

  package init(_ step: RunStep, in zone: TimeZoneRules) {
    position = Int(step.position)
    kind = step.kind
    name = step.name
    attempt = Int(step.attempt)
    startedAt = HostTime(step.startedAt, in: zone)
    finishedAt = step.finishedAt.map { HostTime($0, in: zone) }
    until = step.until.map { HostTime($0, in: zone) }
    result = step.result.map { JSONDocument($0) }
  }
}

internal import Basics
internal import Chronology

/// A process that schedules from a store: which, where, since when.
struct Holder: Sendable, Equatable {
  var place: ProcessPlace
  var host: String
  var since: String

  var description: String { "process \(place.process) on \(host), since \(since)" }

  /// This process.
  init(now: Instant) {
    place = .current
    host = ProcessPlace.machine
    since = "\(now)"
  }

  init(_ document: BSONDocument) {
    place = ProcessPlace(
      process: Int32(clamping: document["process"]?.int ?? 0), space: document["place"]?.text ?? "",
      started: document["started"]?.int ?? -1)
    host = document["host"]?.text ?? "an unknown host"
    since = document["since"]?.text ?? "just now"
  }

  var fields: [(String, BSON)] {
    [
      ("process", .int(Int64(place.process))), ("host", .text(host)), ("since", .text(since)),
      ("place", .text(place.space)), ("started", .int(place.started)),
    ]
  }

  /// Whether it is known to live, or to be dead; nil: it is on another machine, or nobody may look at it here.
  var isAlive: Bool? { place.isAlive }
}

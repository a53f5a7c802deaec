package import Chronology

/// One step of a run, as its store keeps it: what a run that comes by again does not do again.
///
/// A step belongs to a run, whichever attempt did it, and has a position in it, from 1. A run that makes good for an
/// interrupted one inherits its steps (``StepInheritance``).
package struct RunStep: Sendable, Equatable {
  package enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
    /// `ctx:step`: done, with its result.
    case step
    /// `ctx:sleep` and `ctx:sleep_until`.
    case sleep
    /// `ctx:wait_for`.
    case wait
    /// `ctx:transaction`: stored in its own commit.
    case transaction
  }

  package var run: RunID
  /// The first step of a run is 1.
  package var position: Int32
  package var kind: Kind
  /// What the script calls it; of a wait the event's name, of a sleep or transaction empty.
  package var name: String
  /// The attempt that did it, or began to wait.
  package var attempt: Int32
  package var startedAt: Instant
  /// nil: the run is parked at it.
  package var finishedAt: Instant?
  /// Of what parks: when it goes on at the latest; nil: only an event ends it.
  package var until: Instant?
  /// Of a step its result, of a wait the event's data; nil: none, or the time was over.
  package var result: JSONText?

  package init(run: RunID, position: Int32, kind: Kind, name: String, attempt: Int32, startedAt: Instant) {
    self.run = run
    self.position = position
    self.kind = kind
    self.name = name
    self.attempt = attempt
    self.startedAt = startedAt
  }

  /// About how many bytes its texts have.
  package var textBytes: Int { name.utf8.count + (result?.text.utf8.count ?? 0) }

  /// What it is called, without its position.
  package var title: String { Self.title(kind, name) }

  package static func title(_ kind: Kind, _ name: String) -> String {
    switch kind {
    case .step: name
    case .sleep: "sleep"
    case .wait: "wait for \(name)"
    case .transaction: "transaction"
    }
  }

  /// As messages name it: `step 2, "pay"`, `step 3, a sleep`.
  package var words: String { Self.words(position, kind, name) }

  package static func words(_ position: Int32, _ kind: Kind, _ name: String) -> String {
    switch kind {
    case .step: "step \(position), \"\(name)\""
    case .sleep: "step \(position), a sleep"
    case .wait: "step \(position), a wait for \"\(name)\""
    case .transaction: "step \(position), a transaction"
    }
  }
}

/// The step at which a run is parked is over: its time has come, or its event.
package struct StepEnd: Sendable, Equatable {
  package var run: RunID
  package var position: Int32
  package var finishedAt: Instant
  /// The event's data.
  package var result: JSONText?

  package init(run: RunID, position: Int32, finishedAt: Instant, result: JSONText? = nil) {
    self.run = run
    self.position = position
    self.finishedAt = finishedAt
    self.result = result
  }
}

/// A run goes on where another one was interrupted: it gets a copy of the steps of that one.
package struct StepInheritance: Sendable, Equatable {
  package var from: RunID
  package var to: RunID

  package init(from: RunID, to: RunID) {
    self.from = from
    self.to = to
  }
}

/// What a batch changes about steps, and about what transactions have asked for. Each may be handed over again.
package enum StepChange: Sendable, Equatable {
  /// An upsert by run and position.
  case put(RunStep)
  /// A step that is over already, or is not there, stays as it is.
  case end(StepEnd)
  /// All steps of one run are copied for another; a position that it has already stays as it is.
  case inherit(StepInheritance)
  /// The intent of that id is carried out by this batch: it is removed.
  case performed(Int64)

  /// About how many bytes its texts have.
  package var textBytes: Int {
    switch self {
    case .put(let step): step.textBytes
    case .end(let end): end.result?.text.utf8.count ?? 0
    case .inherit, .performed: 0
    }
  }
}

/// Why a run that has begun has no thread and no Lua state: it waits for a time or an event, as its store knows.
package struct RunPark: Sendable, Equatable {
  /// The step that it is parked at.
  package var position: Int32
  /// When it goes on at the latest; nil: when its event comes.
  package var until: Instant?
  /// The event that it waits for; nil: only for its time.
  package var event: String?

  package init(position: Int32, until: Instant?, event: String?) {
    self.position = position
    self.until = until
    self.event = event
  }

  /// What it waits for: `until 2027-01-31 09:00`, `for the event "paid", until …`.
  ///
  /// - Parameter time: how an instant is written.
  package func words(_ time: (Instant) -> String) -> String {
    let end = until.map { "until \(time($0))" }
    guard let event else { return end ?? "" }
    return "for the event \"\(event)\"" + (end.map { ", \($0) at the latest" } ?? "")
  }
}

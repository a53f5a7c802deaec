package import Chronology

/// Why, by whom and since when a job, or everything, is paused. Kept in the store as long as the pause.
///
/// A class: most jobs are not paused, and pay for a pointer.
package final class PauseNote: Sendable, Equatable {
  package let reason: String?
  /// A person's or token's name, a script's path.
  package let by: String
  package let at: Instant

  package init(reason: String?, by: String, at: Instant) {
    self.reason = reason
    self.by = by
    self.at = at
  }

  package static func == (a: PauseNote, b: PauseNote) -> Bool {
    a === b || a.reason == b.reason && a.by == b.by && a.at == b.at
  }
}

/// A pause of everything, as a batch changes it.
package enum HostPauseChange: Sendable, Equatable {
  case paused(PauseNote)
  case resumed
}

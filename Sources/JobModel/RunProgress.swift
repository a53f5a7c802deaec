package import Chronology

/// How far a run says it is (`ctx:progress`).
package enum RunProgress: Sendable, Equatable {
  /// From 0 to 1.
  case fraction(Double)
  /// A few words.
  case text(String)

  /// In a word: `40 %`, or the text.
  package var words: String {
    switch self {
    // Not rounded up: what is not ready is not at 100 %.
    case .fraction(let fraction): "\(Int(fraction * 100)) %"
    case .text(let text): text
    }
  }

  package var fraction: Double? { if case .fraction(let fraction) = self { fraction } else { nil } }
}

/// What a run said last of how far it is, and when.
package struct ProgressNote: Sendable, Equatable {
  package var run: RunID
  package var job: String
  /// Name of the store that has the run.
  package var store: String
  package var at: Instant
  package var progress: RunProgress

  package init(run: RunID, job: String, store: String, at: Instant, progress: RunProgress) {
    self.run = run
    self.job = job
    self.store = store
    self.at = at
    self.progress = progress
  }
}

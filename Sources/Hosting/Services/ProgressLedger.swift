internal import JobModel
internal import Synchronization

/// How far runs say they are, as far as they have not ended.
///
/// Threading: any thread.
final class ProgressLedger: Sendable {
  /// Runs that are remembered at most; of others the store tells.
  private static let most = 20_000
  private let notes = Mutex<[RunID: ProgressNote]>([:])

  func note(_ note: ProgressNote) {
    notes.withLock { notes in
      if notes.count < Self.most || notes[note.run] != nil { notes[note.run] = note }
    }
  }

  func ended(_ run: RunID) { notes.withLock { _ = $0.removeValue(forKey: run) } }

  subscript(run: RunID) -> ProgressNote? { notes.withLock { $0[run] } }
}

internal import Basics
internal import JobModel
internal import Synchronization

/// Tells who reads the lines of runs, as they come, those that runs on other hosts write: while somebody reads, it asks
/// their stores each second. Nobody else tells this host of them.
///
/// Threading: any thread. Started once; stopping twice, or without a start, is fine.
final class PlacedLines: Sendable {
  private struct State: Sendable {
    var isWanted = false
    var isClosing = false
  }

  /// A store, and who places its runs.
  struct Source: Sendable {
    var placer: StorePlacer
    var store: any PlacingStore
  }

  private let state = Monitor(State())
  private let thread = Mutex<NamedThread?>(nil)

  /// Nanoseconds between two questions.
  static let pace: Int64 = 1_000_000_000
  /// Lines of one question, and questions of one look.
  static let lines = 1_000
  static let questions = 10

  /// Somebody reads. Does not block; before the start it is remembered.
  func wanted() { state.change { $0.isWanted = true } }

  func start(_ sources: [Source], _ journal: LineJournal, log: any HostLog) {
    guard !sources.isEmpty else { return }
    do {
      let made = try NamedThread("moondial-lines") { [self] in
        while waitForReader() { follow(sources, journal) }
      }
      thread.withLock { $0 = made }
    } catch { log.write(.error, "lines of runs on other hosts are told to nobody as they come: \(error)") }
  }

  func stop() {
    state.change { $0.isClosing = true }
    thread.withLock { $0.take() }?.join()
  }

  private func waitForReader() -> Bool {
    state.wait { state -> Bool? in
      if state.isClosing { return false }
      guard state.isWanted else { return nil }
      state.isWanted = false
      return true
    } ?? false
  }

  /// While somebody reads.
  private func follow(_ sources: [Source], _ journal: LineJournal) {
    var readings = sources.map { Reading($0) }
    defer { for source in sources { source.placer.forgetFresh() } }
    while true {
      for index in readings.indices { readings[index].look(journal) }
      if journal.isIdle(at: monotonicNow()), journal.leaveOut() { return }
      if !journal.isRecording { return }
      let isOver = state.wait(until: monotonicNow() + Self.pace) { $0.isClosing ? true : nil }
      guard isOver == nil else { return }
    }
  }

  /// How far one store was read.
  private struct Reading {
    let source: Source
    /// Numbers of the last lines that were told, of runs that other hosts have.
    var known: [RunID: Int64?] = [:]

    init(_ source: Source) { self.source = source }

    mutating func look(_ journal: LineJournal) {
      // One that is known goes on where it was read to, also in another attempt.
      for (run, number) in source.placer.takeFresh() where known[run] == nil { known.updateValue(number, forKey: run) }
      guard !known.isEmpty else { return }
      // What a run has written is there when its end is known.
      let ended = known.keys.filter { source.placer.whereabouts(of: $0)?.node == nil }
      var isRead = false
      for _ in 0..<PlacedLines.questions where !isRead {
        // What cannot be read now is read next time.
        guard let found = try? source.store.lines(of: known, limit: PlacedLines.lines) else { return }
        for line in found { known[line.run] = line.number }
        let lines = found.compactMap(\.line)
        if !lines.isEmpty { journal.append(lines) }
        isRead = lines.count < PlacedLines.lines
      }
      if isRead { for run in ended { known[run] = nil } }
    }
  }
}

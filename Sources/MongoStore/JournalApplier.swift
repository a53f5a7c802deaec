internal import Basics
internal import JobModel

/// Brings what a host has committed to its documents, on a server without transactions: after the commit, what several
/// commits have changed of a document at once. A run that has begun and ended meanwhile is one document that is
/// inserted, which costs the server a tenth of what changing it does.
///
/// Invariant: whatever waits here is in a journal on the server's disk that `store` names. So it may be lost, and
/// applied by somebody else as well.
///
/// Threading: any thread; one of its own does the work.
final class JournalApplier: Sendable {
  /// What may wait: a host that takes over applies that much first. Rows, and bytes of documents.
  private static let mostRows = 40_000
  private static let mostBytes = 16 << 20
  /// Commits: `store` names each.
  private static let mostCommits = 200
  /// For so long changes are gathered, in nanoseconds, unless somebody waits for them or there are many.
  private static let gathering: Int64 = 20_000_000
  private static let manyRows = 20_000
  /// How often the server is told how far it is, at least. Nanoseconds.
  private static let markPeriod: Int64 = 100_000_000

  private struct State {
    var waiting = PendingChanges()
    /// The commit of the last change of each collection that was handed over.
    var newest: [String: Int64] = [:]
    var last: Int64 = 0
    /// All changes of this commit, and of those before it, are in their documents.
    var applied: Int64 = 0
    /// Rows that are being sent; nil: none are.
    var underWay: Int?
    /// Who waits for something to be applied.
    var asked = 0
    var failures = 0
    var failure: ServerError?
    /// The writer does it itself.
    var isPaused = false
    var isClosing = false

    var rows: Int { waiting.count + (underWay ?? 0) }

    /// What could not be applied is tried again, with what has come since.
    mutating func giveBack(_ changes: PendingChanges) {
      let since = waiting.all
      waiting = changes
      for change in since { waiting.add(change) }
    }
  }

  private let state = Monitor(State())
  private let thread: NamedThread
  private let hasJoined = Monitor(false)

  /// - Throws: when the system has no thread to give.
  init(_ server: MongoServer) throws(StoreError) {
    do {
      thread = try NamedThread("mongo-applier") { [state] in Self.run(state, server) }
    } catch {
      throw StoreError(.io, "\(error)")
    }
  }

  /// All changes of this commit, and of those before it, are in their documents.
  var applied: Int64 { state.withLock { $0.applied } }

  /// Takes over what was committed.
  func add(_ changes: [Change], sequence: Int64) {
    state.change { state in
      for change in changes {
        state.waiting.add(change)
        state.newest[change.collection] = sequence
      }
      state.last = sequence
      if state.waiting.isEmpty, state.underWay == nil { state.applied = sequence }
    }
  }

  /// Waits until no more is there than may be.
  ///
  /// - Throws: what the server says when it takes nothing.
  func awaitRoom() throws(ServerError) {
    try hold(until: { state in
      state.rows < Self.mostRows && state.waiting.bytes < Self.mostBytes
        && state.last - state.applied < Self.mostCommits
    })
  }

  /// Waits until what has been handed over of these collections is in its documents.
  ///
  /// - Throws: what the server says to an attempt that begins from now on.
  func awaitChanges(of collections: [String]) throws(ServerError) {
    let last = state.withLock { state in collections.reduce(0) { max($0, state.newest[$1] ?? 0) } }
    try hold(until: { $0.applied >= last })
  }

  private func hold(until isDone: @Sendable (State) -> Bool) throws(ServerError) {
    if state.withLock({ isDone($0) || $0.isClosing }) { return }
    let failures = state.change { state in
      state.asked += 1
      return state.failures
    }
    let failure = state.wait { state -> ServerError?? in
      if isDone(state) || state.isClosing { return .some(nil) }
      return state.failures > failures ? .some(state.failure) : nil
    }
    state.change { $0.asked -= 1 }
    if let failure, let failure { throw failure }
  }

  /// Waits for what is being sent, and sends no more: the caller brings the journals to their documents.
  func pause() {
    state.change { $0.isPaused = true }
    _ = state.wait { $0.underWay == nil ? true : nil }
  }

  /// After a pause.
  ///
  /// - Parameter sequence: everything up to this commit is in its documents; nil: what waited still has to be applied.
  func goOn(after sequence: Int64?) {
    state.change { state in
      state.isPaused = false
      guard let sequence else { return }
      state.waiting = PendingChanges()
      state.last = sequence
      state.applied = sequence
      state.newest = [:]
      state.failure = nil
    }
  }

  /// Applies what waits, if the server takes it at once, and ends the thread.
  func close() {
    state.change { $0.isClosing = true }
    hasJoined.withLock { done in
      if !done { thread.join() }
      done = true
    }
  }

  // MARK: The thread

  private struct Round {
    var changes: PendingChanges
    var sequence: Int64
  }

  private static func run(_ state: Monitor<State>, _ server: MongoServer) {
    let sideBySide = SideBySide(server)
    defer { sideBySide.close() }
    var pause: Int64 = 20_000_000
    var markedAt: Int64 = 0
    while let round = next(state) {
      do throws(ServerError) {
        try server.withClient { (client) throws(ServerError) in
          let commands = WriteCommand.all(for: round.changes.all, insertsNew: state.withLock { $0.failure == nil })
          try sideBySide.run(commands, client)
          // Who opens the store to read it waits for this.
          guard state.withLock({ $0.waiting.isEmpty }) || monotonicNow() - markedAt > markPeriod else { return }
          StoreWriter.mark(applied: round.sequence, client)
          markedAt = monotonicNow()
        }
        pause = 20_000_000
        state.change { state in
          state.underWay = nil
          state.applied = round.sequence
          state.failure = nil
        }
      } catch {
        let ends = state.change { state in
          state.underWay = nil
          state.failure = error
          state.failures += 1
          state.giveBack(round.changes)
          return state.isClosing
        }
        if ends { return }
        _ = state.wait(until: monotonicNow() + pause) { $0.isClosing ? true : nil }
        pause = min(pause * 2, 1_000_000_000)
      }
    }
  }

  /// nil: it is closed, and nothing waits.
  private static func next(_ state: Monitor<State>) -> Round? {
    while true {
      let isOver = state.wait { state -> Bool? in
        if state.isPaused { return nil }
        return state.waiting.isEmpty ? state.isClosing ? true : nil : false
      }
      if isOver == true { return nil }
      _ = state.wait(until: monotonicNow() + gathering) { state in
        state.asked > 0 || state.isClosing || state.waiting.count >= manyRows ? true : nil
      }
      let round = state.change { state -> Round? in
        guard !state.waiting.isEmpty, !state.isPaused else { return nil }
        let round = Round(changes: state.waiting, sequence: state.last)
        state.waiting = PendingChanges()
        state.underWay = round.changes.count
        return round
      }
      // The writer may have begun to do it meanwhile.
      if let round { return round }
    }
  }
}

internal import Basics
internal import JobModel

/// Brings what a host has committed to its documents, on a server without transactions: after the commit, what several
/// commits have changed of a document at once. A run that has begun and ended meanwhile is one document that is
/// inserted, which costs the server a tenth of what changing it does.
///
/// Invariant: whatever waits here is in a journal on the server's disk that `store` names. So it may be lost, and
/// applied by somebody else as well.
///
/// Nothing is sent unless nobody else can have the store at that moment, which is asked before each command. When
/// another host has it, what waits is dropped and nobody waits for it: that host has brought the journals to their
/// documents, or does so before its first commit.
///
/// A command may still come late when this process is stopped right after that question, or the network holds up what
/// was sent. Then it holds that
///
/// - a document that a later commit has changed stays as it is, and one that a later commit has removed stays away as
///   long as its mark is there, which is an hour (``Change``), whether the command inserts or updates;
/// - what has gone without a mark comes back as it was: history beyond its limits (runs, their steps, ranges of
///   decisions, lines of the audit), and the schedule of a job that was forgotten;
/// - what a migration has moved into the store meanwhile counts as older than any commit, and is changed.
///
/// Lines that runs log are not brought by journals, and have no number: late ones are added.
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
    /// Another host has the store: nothing is sent any more, and nobody waits for that.
    var isLost = false
    /// Rows that are being sent; nil: none are.
    var underWay: Int?
    /// Who waits for something to be applied.
    var asked = 0
    var failures = 0
    var failure: ServerError?
    /// All changes up to this commit are in their documents, and the server has not been told; nil: it has.
    var untold: Int64?
    /// The writer does it itself.
    var isPaused = false
    var isClosing = false

    var rows: Int { waiting.count + (underWay ?? 0) }

    /// All changes of a round are in their documents.
    mutating func finish(_ round: Round) {
      underWay = nil
      // Of commits without changes nothing ever waits.
      applied = waiting.isEmpty ? last : round.sequence
      failure = nil
      untold = round.sequence
    }

    /// What could not be applied is tried again, with what has come since, unless it is another host's to do.
    mutating func fail(_ round: Round, _ error: ServerError) {
      underWay = nil
      guard error.store?.code != .lost else {
        isLost = true
        waiting = PendingChanges()
        untold = nil
        return
      }
      failure = error
      failures += 1
      let since = waiting.all
      waiting = round.changes
      for change in since { waiting.add(change) }
    }
  }

  private let state = Monitor(State())
  private let thread: NamedThread
  private let hasJoined = Monitor(false)

  /// - Parameter mayWrite: throws `.lost` when another host has the store, something else when nobody knows. Called on
  ///   threads of the applier.
  /// - Throws: when the system has no thread to give.
  init(_ server: MongoServer, mayWrite: @escaping WriteCommand.Permission) throws(StoreError) {
    do {
      thread = try NamedThread("mongo-applier") { [state] in Self.run(state, server, mayWrite) }
    } catch {
      throw StoreError(.io, "\(error)")
    }
  }

  /// All changes of this commit, and of those before it, are in their documents: no commit need name their journals.
  var applied: Int64 { state.withLock { $0.applied } }

  /// Takes over what was committed.
  func add(_ changes: [Change], sequence: Int64) {
    state.change { state in
      for change in changes {
        state.waiting.add(change)
        state.newest[change.collection] = sequence
      }
      state.last = sequence
      if state.waiting.isEmpty, state.underWay == nil, !state.isLost { state.applied = sequence }
    }
  }

  /// Waits until no more is there than may be.
  ///
  /// - Throws: why nothing could be sent, when an attempt fails meanwhile.
  func awaitRoom() throws(ServerError) {
    try hold(until: { state in
      state.rows < Self.mostRows && state.waiting.bytes < Self.mostBytes
        && state.last - state.applied < Self.mostCommits
    })
  }

  /// Waits until what has been handed over of these collections is in its documents.
  ///
  /// - Throws: why nothing could be sent, when an attempt fails meanwhile, also one that had begun before.
  func awaitChanges(of collections: [String]) throws(ServerError) {
    let last = state.withLock { state in collections.reduce(0) { max($0, state.newest[$1] ?? 0) } }
    try hold(until: { $0.applied >= last })
  }

  private func hold(until isDone: @Sendable (State) -> Bool) throws(ServerError) {
    if state.withLock({ isDone($0) || $0.isClosing || $0.isLost }) { return }
    let failures = state.change { state in
      state.asked += 1
      return state.failures
    }
    let failure = state.wait { state -> ServerError?? in
      if isDone(state) || state.isClosing || state.isLost { return .some(nil) }
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
      state.untold = nil
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
    /// Empty: only the server is to be told.
    var changes: PendingChanges
    var sequence: Int64
  }

  private static func run(
    _ state: Monitor<State>, _ server: MongoServer, _ mayWrite: @escaping WriteCommand.Permission
  ) {
    let sideBySide = SideBySide(server)
    defer { sideBySide.close() }
    var pause: Int64 = 20_000_000
    var toldAt: Int64 = 0
    while let round = next(state) {
      do throws(ServerError) {
        try server.withClient { (client) throws(ServerError) in
          if !round.changes.isEmpty {
            let commands = WriteCommand.all(
              for: round.changes.all, insertsNew: state.withLock { $0.failure == nil })
            try sideBySide.run(commands, client, mayWrite)
            state.change { $0.finish(round) }
          }
          // Who opens the store to read it waits for this.
          guard state.withLock({ $0.waiting.isEmpty }) || monotonicNow() - toldAt > markPeriod else { return }
          try StoreWriter.mark(applied: round.sequence, client)
          toldAt = monotonicNow()
          state.withLock { if $0.untold == round.sequence { $0.untold = nil } }
        }
        pause = 20_000_000
      } catch {
        let ends = state.change { state in
          if state.underWay != nil { state.fail(round, error) }
          return state.isClosing
        }
        if ends { return }
        // Nothing waits for the server to be told.
        _ = state.wait(until: monotonicNow() + pause) { state in
          state.isClosing || state.failure == nil && !state.waiting.isEmpty ? true : nil
        }
        pause = min(pause * 2, 1_000_000_000)
      }
    }
  }

  /// nil: it is closed, and nothing waits.
  private static func next(_ state: Monitor<State>) -> Round? {
    while true {
      let isOver = state.wait { state -> Bool? in
        if state.isPaused { return nil }
        return state.waiting.isEmpty && state.untold == nil ? state.isClosing ? true : nil : false
      }
      if isOver == true { return nil }
      _ = state.wait(until: monotonicNow() + gathering) { state in
        state.asked > 0 || state.isClosing || state.waiting.count >= manyRows ? true : nil
      }
      let round = state.change { state -> Round? in
        guard !state.isPaused else { return nil }
        guard !state.waiting.isEmpty else {
          return state.untold.map { Round(changes: PendingChanges(), sequence: $0) }
        }
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

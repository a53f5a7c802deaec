internal import Basics
internal import Chronology
internal import JobModel
internal import StoreSupport

/// Makes commits of what waits. A commit is one change of the document `store` (``StoreState``):
///
/// - On a replica set it is part of a transaction with all other changes.
/// - On a server without transactions it carries all other changes with it, as a journal: with this one document the
///   commit is durable, and its makers are told. The changes come to their documents after that, those of several
///   commits together (``JournalApplier``), and who asks this process waits for that. Whoever cuts in between finds the
///   journals and applies them before the next commit.
///
/// Long texts are written before, and are harmless without their commit. What a command has done that was not answered
/// is found out by looking at the document again: the commit's name is in it, or it is not.
///
/// Threading: the writer's thread.
final class StoreWriter {
  let server: MongoServer
  let hasTransactions: Bool
  /// nil in a process alongside a host.
  let lease: HostLease?
  var epoch: Int64? { lease?.epoch }
  private let options: MongoStore.Options
  let sideBySide: SideBySide
  /// Of a host on a server without transactions; a process alongside it brings its own changes to their documents
  /// before it is told.
  let applier: JournalApplier?
  var state: StoreState
  /// Whether `state` is what the server has, as far as this process knows.
  private var isCurrent = true
  /// Whether documents may lack what another process has committed and not brought there, without a commit of this one
  /// being refused for that: it may find that there is nothing to change.
  private var isBehind: Bool { !hasTransactions && applier == nil }
  private var ledger = DecisionLedger()
  var recent = RecentTexts()
  /// What the last commit has decided and ended, for whom prunes.
  private var news = News()
  /// After a failure, the next one waits for nobody.
  private(set) var isHealthy = true

  struct News {
    var finished: [String: Int] = [:]
    var ranges: [String: Int] = [:]
    var lastAudit: Int64?
  }

  private var failure: MongoFailure { server.failure }

  init(
    _ server: MongoServer, hasTransactions: Bool, lease: HostLease?, state: StoreState, options: MongoStore.Options,
    applier: JournalApplier? = nil
  ) {
    self.server = server
    self.applier = applier
    sideBySide = SideBySide(server)
    self.hasTransactions = hasTransactions
    self.lease = lease
    self.state = state
    self.options = options
    if lease != nil { self.state.decisions = (ledger.opening, 0) }
  }

  var opening: String { ledger.opening }

  /// Ends its threads. Nothing is written after it.
  func close() {
    applier?.close()
    server.set(nil)
    sideBySide.close()
  }

  func takeNews() -> News {
    defer { news = News() }
    return news
  }

  /// Removes values whose time is over, some at a time.
  func expireValues(at now: Instant) {
    let find = Find(
      Collections.keyValues, ["expires_at": ["$gt": .int(.min), "$lte": .int(now.nanoseconds)], "gone": .null],
      limit: 500)
    guard let found = try? server.all(find, { $0 }), !found.isEmpty else { return }
    let deletions = found.compactMap { document -> WriterQueue.Operation? in
      guard let id = document["_id"]?.document, let space = id["space"]?.text, let key = id["key"]?.text else {
        return nil
      }
      // Unless it was set again meanwhile: an expired one has no version.
      return .keyValue(KeyValueChange(space: space, key: key, value: nil, expecting: 0), now) { _ in }
    }
    _ = commit(deletions)
  }

  /// Commits `operations` together; if that fails for another reason than the server's absence, each alone.
  func commit(_ operations: [WriterQueue.Operation]) -> [Result<Int64, StoreError>] {
    do throws(ServerError) {
      return settled(operations, try attempt(operations))
    } catch {
      isHealthy = false
      let why = failure.error(error)
      guard operations.count > 1, !error.isAway, why.code != .lost else { return operations.map { _ in .failure(why) } }
    }
    let answers = operations.map { operation -> Result<Int64, StoreError> in
      do throws(ServerError) { return try attempt([operation])[0] } catch { return .failure(failure.error(error)) }
    }
    return settled(operations, answers)
  }

  /// The answers; but whoever has the store by now may have settled what a batch claims, so nothing may begin by it.
  private func settled(
    _ operations: [WriterQueue.Operation], _ answers: [Result<Int64, StoreError>]
  ) -> [Result<Int64, StoreError>] {
    guard let late = lease?.lateness() else { return answers }
    return zip(operations, answers).map { operation, answer in
      if case .batch = operation, case .success = answer { return .failure(late) }
      return answer
    }
  }

  /// Tries until it is done, or until the server has been away for long enough.
  private func attempt(_ operations: [WriterQueue.Operation]) throws(ServerError) -> [Result<Int64, StoreError>] {
    let name = drawnName()
    let deadline = isHealthy ? monotonicNow() + options.patience : 0
    var pause: Int64 = 20_000_000
    var tries = 0
    var planned: [Result<Int64, StoreError>]?
    while true {
      do throws(ServerError) {
        let answers = try server.withClient { (client) throws(ServerError) in
          try once(operations, name, &planned, client)
        }
        isHealthy = true
        return answers
      } catch {
        isCurrent = false
        ledger.forgetAll()
        let mayTryAgain = error.isTransient || error.isStale ? tries < 100 : error.isAway && monotonicNow() < deadline
        guard error.store == nil, mayTryAgain else { throw error }
        tries += 1
        // Somebody else was first: that is over now, unless it goes on happening.
        if error.isAway || tries > 2 {
          _ = Monitor(false).wait(until: monotonicNow() + pause, for: { $0 ? true : nil })
        }
        pause = min(pause * 2, 1_000_000_000)
      }
    }
  }

  private func once(
    _ operations: [WriterQueue.Operation], _ name: String, _ planned: inout [Result<Int64, StoreError>]?,
    _ client: MongoClient
  ) throws(ServerError) -> [Result<Int64, StoreError>] {
    if !isCurrent || isBehind { try look(client) }
    // An earlier attempt has done it, and nobody was told.
    if state.knows(name), let planned { return planned }
    var plan = CommitPlan(state)
    news = News()
    let answers = try plan.add(operations, ledger: &ledger, news: &news, on: client, MongoReader(server: server))
    planned = answers
    guard plan.changesAnything else { return answers }
    plan.state.name(name, isHosts: lease != nil)
    try write(plan, client)
    ledger.trim()
    return answers
  }

  /// Reads what the server has, and applies the journals that are found there.
  func look(_ client: MongoClient) throws(ServerError) {
    var find = Find(Collections.meta, ["_id": StoreState.id])
    find.isOfMajority = hasTransactions
    guard let document = try client.first(find) else {
      throw ServerError(failure.absent)
    }
    let found: StoreState
    do throws(StoreError) { found = try StoreState(document, failure: failure) } catch { throw ServerError(error) }
    if let epoch, found.epoch != epoch {
      let host = try client.first(Find(Collections.meta, ["_id": HostLease.id]))
      let loss = failure.lost(Holder(host ?? [:]).description)
      lease?.held.lose(loss.message)
      throw ServerError(loss)
    }
    // What is on its way is in the journals.
    applier?.pause()
    do throws(ServerError) { try applyJournals(of: found, client) } catch {
      applier?.goOn(after: nil)
      throw error
    }
    applier?.goOn(after: found.sequence)
    let counted = state.decisions
    state = found
    state.journals = []
    // Only a host decides, and no other one has since.
    if epoch != nil, found.decisions.opening != ledger.opening { state.decisions = counted }
    isCurrent = true
  }
}

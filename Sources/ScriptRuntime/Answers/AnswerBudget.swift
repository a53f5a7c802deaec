internal import Glibc
internal import Synchronization

/// The memory for the answers of all runs of a process: `answers_memory`.
///
/// Threading: any thread. What it calls back is called without a lock, on the thread that made room, and must be quick.
package final class AnswerBudget: Sendable {
  /// The most that one answer may have, whatever a script asks for.
  package static let largestAnswer = 64 << 20

  private let ledger: Mutex<AnswerLedger>
  /// What threads have still to call that are calling already.
  private let pending = Mutex<[pthread_t: [@Sendable () -> Void]]>([:])

  package init(limit: Int) { ledger = Mutex(AnswerLedger(limit: limit)) }

  /// Bytes that all answers may have together. Those that are there stay.
  package var limit: Int {
    get { ledger.withLock { $0.limit } }
    set { run(ledger.withLock { $0.setLimit(newValue) }) }
  }

  /// Bytes that all answers have.
  package var total: Int { ledger.withLock { $0.total } }

  /// The most bytes that they had at one time.
  package var peak: Int { ledger.withLock { $0.peak } }

  /// The account of one run.
  package func account(script: String, limit: Int, used: Int) -> AnswerAccount {
    AnswerAccount(self, ledger.withLock { $0.open(script: script, limit: limit, used: used) }, limit: limit)
  }

  fileprivate func ask(_ body: (inout AnswerLedger) -> (AnswerLedger.Verdict, AnswerLedger.Effects))
    -> AnswerLedger.Verdict
  {
    let (verdict, effects) = ledger.withLock { body(&$0) }
    run(effects)
    return verdict
  }

  fileprivate func change(_ body: (inout AnswerLedger) -> AnswerLedger.Effects) { run(ledger.withLock { body(&$0) }) }
  fileprivate func look<Result: Sendable>(_ body: (inout AnswerLedger) -> Result) -> Result {
    ledger.withLock { body(&$0) }
  }

  /// One after the other: what a call leads to on the same thread comes after it and not inside it, or a thousand that
  /// wait for each other would be a thousand frames on the stack.
  private func run(_ effects: AnswerLedger.Effects) {
    guard !effects.calls.isEmpty else { return }
    let thread = pthread_self()
    let isFirst = pending.withLock { pending in
      guard pending[thread] == nil else {
        pending[thread]?.append(contentsOf: effects.calls)
        return false
      }
      pending[thread] = effects.calls
      return true
    }
    guard isFirst else { return }
    while let calls = pending.withLock({ Self.take(&$0, thread) }) { for call in calls { call() } }
  }

  /// What a thread is to call next; nil, and it is not at it any more, when there is nothing.
  private static func take(
    _ pending: inout [pthread_t: [@Sendable () -> Void]], _ thread: pthread_t
  ) -> [@Sendable () -> Void]? {
    guard let calls = pending[thread], !calls.isEmpty else {
      pending[thread] = nil
      return nil
    }
    pending[thread] = []
    return calls
  }
}

/// What the answers of one run have of its memory. Threading: any thread.
package final class AnswerAccount: Sendable {
  fileprivate let budget: AnswerBudget
  fileprivate let number: UInt64
  /// The run's memory limit.
  let limit: Int

  fileprivate init(_ budget: AnswerBudget, _ number: UInt64, limit: Int) {
    self.budget = budget
    self.number = number
    self.limit = limit
  }

  deinit { close() }

  /// The most that one answer of the run may have.
  package var largestAnswer: Int { min(AnswerBudget.largestAnswer, limit) }

  /// Room for one answer, with nothing in it.
  package func room() -> AnswerReservation { AnswerReservation(self, budget.look { $0.room() }) }

  /// Bytes of answers that are under way.
  var reserved: Int { budget.look { $0.reserved(by: number) } }
  /// How much the run's Lua state uses now.
  package func note(used: Int) { budget.change { $0.note(number, used: used) } }
  /// Something waits that does not fit beside the Lua state as it is, and nothing else is under way that could make
  /// room.
  var isShort: Bool { budget.look { $0.isShort(number) } }
  /// The run is over: nothing of it waits any more.
  func close() { budget.change { $0.close(number) } }
}

/// The memory that one answer has been given: asked for before the bytes are there, given back when they are handed
/// over, or with the last reference.
///
/// Threading: any thread; one request at a time.
package final class AnswerReservation: Sendable {
  package let account: AnswerAccount
  private let number: UInt64

  fileprivate init(_ account: AnswerAccount, _ number: UInt64) {
    self.account = account
    self.number = number
  }

  deinit { release() }

  /// Asks for `bytes` more.
  ///
  /// - Parameters:
  ///   - wake: brings a worker to the run, which ends it when what it asks for can never be had.
  ///   - granted: called later, on any thread, if the verdict is `waiting`.
  package func ask(
    _ bytes: Int, wake: (@Sendable () -> Void)? = nil, granted: @escaping @Sendable () -> Void
  ) -> AnswerLedger.Verdict {
    account.budget.ask { $0.ask(account.number, number, bytes: max(0, bytes), wake: wake, granted: granted) }
  }

  /// Asks for `bytes` more; false when they are not to be had now.
  package func take(_ bytes: Int) -> Bool {
    account.budget.look { $0.take(account.number, number, bytes: max(0, bytes)) }
  }

  /// Gives everything back, and forgets what it waits for.
  package func release() { account.budget.change { $0.release(account.number, number) } }

  /// The run does not wait for the bytes any more, but they are still there.
  package func detach() { account.budget.change { $0.detach(account.number, number) } }
}

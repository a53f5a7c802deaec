internal import Synchronization

/// Threads for work that blocks in the kernel: files, the store, name resolution. So that no worker of a pool ever
/// does.
///
/// It has none while it has nothing to do, makes them as they are needed up to its limit, and lets them end after some
/// seconds without work. Work is begun in the order in which it was given. All asynchronous signals are blocked on
/// these threads, the runtime's real-time signals among them: `poll`, `connect` and `nanosleep` do not return early for
/// somebody else's reason.
package final class BlockingPool: Sendable {
  private struct State: Sendable {
    var queue = Queue<Order>()
    var nextOrder = 0
    var threads: [Int: NamedThread] = [:]
    var nextIndex = 0
    /// Threads that have not ended, those being made included.
    var alive = 0
    var idle = 0
    var isStopped = false

    /// Takes an order back. False: it was begun already.
    mutating func withdraw(_ number: Int) -> Bool {
      var kept = Queue<Order>()
      var isFound = false
      // Others may have come since, each with an answer of its own: it is not simply the last one.
      while let order = queue.popFirst() { if order.number == number { isFound = true } else { kept.append(order) } }
      queue = kept
      return isFound
    }
  }
  /// Work with a number, so that it can be taken back.
  private struct Order: Sendable {
    let number: Int
    let work: @Sendable () -> Void
  }
  /// What a thread was woken for: work, or (nil) the end.
  private struct Call {
    let work: (@Sendable () -> Void)?
  }
  private let state = Monitor(State())
  private let name: String
  private let limit: Int
  private let idleAfter: Int64
  private let makeThread: ThreadMaker
  /// Told when the system refuses a thread, and (nil) when it gives one again. Set before the first `run`.
  /// In a struct, since a closure that a `Mutex` holds by itself is wrapped once more each time it is looked at.
  private struct Watch: Sendable {
    var tell: (@Sendable (ThreadError?) -> Void)?
  }
  private let watch = Mutex(Watch())
  private let isRefused = Atomic(false)

  /// A pool without threads: `run` does the work itself, before it returns. For hosts whose time stands still.
  package static func inline() -> BlockingPool { BlockingPool() }

  private init() {
    name = ""
    limit = 0
    idleAfter = 0
    makeThread = NamedThread.init
  }

  /// - Parameters:
  ///   - name: threads are called `name0`, `name1`, …
  ///   - threads: the most at a time.
  ///   - idleAfter: nanoseconds without work after which a thread ends.
  ///   - makeThread: how the system gives threads; a test may refuse them.
  package init(
    name: String = "moondial-io", threads: Int = 8, idleAfter: Int64 = 10_000_000_000,
    makeThread: @escaping ThreadMaker = NamedThread.init
  ) {
    precondition(threads > 0, "a blocking pool has at least one thread")
    self.name = name
    limit = threads
    self.idleAfter = idleAfter
    self.makeThread = makeThread
  }

  /// Calls `watch` when the system refuses the pool a thread, and with nil when it gives one again, or when nothing has
  /// waited for one until a thread ended.
  package func watch(_ watch: @escaping @Sendable (ThreadError?) -> Void) { self.watch.withLock { $0.tell = watch } }

  /// Why `run` was refused, for whoever asked for the work.
  package var refusal: String {
    state.withLock { $0.isStopped }
      ? "the host is stopping" : "the system gives the host no thread for it; try again later"
  }

  private func noteThread(_ error: ThreadError?) {
    guard isRefused.exchange(error != nil, ordering: .relaxed) != (error != nil) else { return }
    watch.withLock { $0.tell }?(error)
  }

  /// Threads that exist now.
  package var threadCount: Int { state.withLock { $0.alive } }

  /// Does `work` on one of the threads, soon. Any thread; does not block.
  ///
  /// - Returns: false, and the work is not done, after `stop`, or when the system refuses the pool its first thread.
  @discardableResult
  package func run(_ work: @escaping @Sendable () -> Void) -> Bool {
    guard limit > 0 else {
      guard !state.withLock({ $0.isStopped }) else { return false }
      work()
      return true
    }
    let (order, newThread) = state.withLock { state -> (Int?, Int?) in
      guard !state.isStopped else { return (nil, nil) }
      state.nextOrder += 1
      state.queue.append(Order(number: state.nextOrder, work: work))
      guard state.queue.count > state.idle, state.alive < limit else { return (state.nextOrder, nil) }
      state.alive += 1
      state.nextIndex += 1
      return (state.nextOrder, state.nextIndex - 1)
    }
    guard let order else { return false }
    guard let newThread else {
      state.signal()
      return true
    }
    do {
      let thread = try makeThread("\(name)\(newThread)", 1 << 20, .blocked) { [self] in serve(as: newThread) }
      // It may have ended already only after ten idle seconds, or because of `stop`; then nobody needs to join it.
      state.withLock { $0.threads[newThread] = thread }
      noteThread(nil)
      return true
    } catch {
      noteThread(error)
      // With other threads there, the work waits for one of them.
      return state.withLock { state in
        state.alive -= 1
        guard state.alive == 0 else { return true }
        return !state.withdraw(order)
      }
    }
  }

  /// Finishes what was given before, and returns when the threads have ended. Twice is fine; not from a thread of the
  /// pool.
  package func stop() {
    state.withLock { $0.isStopped = true }
    state.broadcast()
    let threads = state.wait { state -> [NamedThread]? in
      guard state.alive == 0 else { return nil }
      defer { state.threads = [:] }
      return Array(state.threads.values)
    }
    for thread in threads ?? [] { thread.join() }
  }

  private func serve(as index: Int) {
    while true {
      var isIdle = false
      let call = state.wait(until: monotonicNow() + idleAfter) { state -> Call? in
        let work = state.queue.popFirst()
        guard work != nil || state.isStopped else {
          if !isIdle { state.idle += 1 }
          isIdle = true
          return nil
        }
        if isIdle { state.idle -= 1 }
        isIdle = false
        return Call(work: work?.work)
      }
      if let work = call?.work {
        work()
        continue
      }
      // Decided under one lock: work that is given now finds either an idle thread or none.
      let ends = state.withLock { state in
        if isIdle { state.idle -= 1 }
        guard state.queue.isEmpty else { return false }
        state.alive -= 1
        if !state.isStopped { state.threads.removeValue(forKey: index)?.abandon() }
        return true
      }
      guard ends else { continue }
      // Nothing has waited for a thread in all that time.
      noteThread(nil)
      state.broadcast()
      return
    }
  }
}

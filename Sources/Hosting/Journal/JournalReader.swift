internal import Basics
internal import Synchronization

/// Somebody who reads a journal, and where. While it lives, nothing is left out of the journal.
///
/// Threading: one task at a time.
package final class JournalReader<Content: Sendable>: Sendable {
  private let journal: Journal<Content>
  private let current: Mutex<JournalPosition>

  init(_ journal: Journal<Content>, after position: JournalPosition) {
    self.journal = journal
    current = Mutex(position)
  }

  deinit { journal.leave() }

  /// After what was read so far.
  package var position: JournalPosition { current.withLock { $0 } }

  /// What comes next, at most `limit` entries: waits until there is something. nil when the task is cancelled or the
  /// host has ended.
  package func next(limit: Int = 1_000) async -> JournalPage<Content>? {
    while true {
      let page = journal.read(after: position, limit: limit)
      current.withLock { $0 = page.next }
      if !page.entries.isEmpty || page.gap != nil { return page }
      guard await journal.wait(after: page.next.number) else { return nil }
    }
  }
}

extension Journal {
  func page(_ state: borrowing State, after position: JournalPosition, limit: Int) -> JournalPage<Content> {
    var from = position.number
    var gap: JournalGap?
    if position.host != identity || from > state.last {
      (from, gap) = (state.gone, .otherHost)
    } else if from < state.gone {
      (from, gap) = (state.gone, .overwritten)
    }
    var entries: [JournalEntry<Content>] = []
    while from < state.last, entries.count < limit {
      if let entry = state.slots[Int(from % Int64(capacity))] {
        entries.append(entry)
      } else if entries.isEmpty {
        gap = gap ?? .unread
      } else {
        // It is told at the head of the next page.
        break
      }
      from += 1
    }
    return JournalPage(entries: entries, next: JournalPosition(host: identity, number: from), gap: gap)
  }

  func leave() {
    state.withLock { state in
      state.readers -= 1
      state.leftAt = monotonicNow()
    }
    // Its thread ends when there is nobody left.
    state.broadcast()
  }

  /// - Returns: false when the task is cancelled, or the journal has stopped.
  func wait(after number: Int64) async -> Bool {
    let key = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (isOver, needsThread) = state.withLock { state -> (Bool, Bool) in
          // A cancellation that came before finds nobody, so it is asked for here, under the lock.
          if state.isStopped || state.last > number || Task.isCancelled { return (true, false) }
          state.waiting[key] = Waiter(after: number, continuation: continuation)
          defer { state.isServed = true }
          return (false, !state.isServed)
        }
        if isOver { return continuation.resume() }
        if needsThread, !blockingPool.run({ [self] in serve() }) {
          // Without a thread to be had it is asked again at once, which costs a core and loses nothing.
          state.withLock { $0.isServed = false }
          wake { _ in true }
        }
      }
    } onCancel: {
      state.withLock { $0.waiting.removeValue(forKey: key) }?.continuation.resume()
    }
    return !Task.isCancelled && !state.withLock { $0.isStopped }
  }

  /// On the journal's thread: wakes who waits, all together and not too often, while there is somebody.
  private func serve() {
    while true {
      let goesOn = state.wait { state -> Bool? in
        if state.isStopped { return false }
        if state.readers == 0, state.waiting.isEmpty {
          state.isServed = false
          return false
        }
        if state.waiting.values.contains(where: { $0.after < state.last }) { return true }
        state.isAsleep = true
        return nil
      }
      guard goesOn == true else { return }
      wake { $0.after < $1 }
      _ = state.wait(until: monotonicNow() + Self.period) { $0.isStopped ? true : nil }
    }
  }

  private func wake(_ isDue: (Waiter, Int64) -> Bool) {
    let due = state.withLock { state in
      let due = state.waiting.filter { isDue($0.value, state.last) }
      for key in due.keys { state.waiting[key] = nil }
      return Array(due.values)
    }
    for waiter in due { waiter.continuation.resume() }
  }

  private func wake(_ isDue: (Waiter) -> Bool) { wake { waiter, _ in isDue(waiter) } }
}

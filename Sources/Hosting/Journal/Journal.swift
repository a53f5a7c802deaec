internal import Basics
internal import Synchronization

/// What has happened, the latest of it, with positions: readers go on where they stopped, or are told what they missed.
///
///     let reader = journal.reader(after: position)
///     while let page = await reader.next() { for entry in page.entries { … } }    // suspends until there is something
///
/// Positions rise by one from entry to entry and never go back within a host's life. It is bounded: the oldest entries
/// go. Nobody who writes waits for a reader: one that is too slow is told so (`JournalGap.overwritten`).
///
/// Who writes may leave out what happens often while nobody reads: `isIdle` says so, from a minute after the last
/// reader left; `leaveOut` notes it, and a reader that comes back is told (`JournalGap.unread`).
///
/// - Complexity: an entry costs its writer a lock and a slot, whatever the number of readers: they are woken together,
///   at most 50 times a second, by a thread of the journal's own that exists while somebody reads. Without readers it
///   has no thread, and with readers it sleeps until there is an entry.
///
/// Threading: any thread or task.
package final class Journal<Content: Sendable>: Sendable {
  package let identity: HostIdentity
  let capacity: Int
  let byteCapacity: Int
  let weigh: @Sendable (Content) -> Int
  let wanted: @Sendable () -> Void
  let state = Monitor(State())
  /// Whether what happens often is recorded, for who asks often.
  let records = Atomic(false)
  let blockingPool = BlockingPool(name: "moondial-journal", threads: 1)

  struct State: Sendable {
    /// Entry n is at (n − 1) modulo the capacity; nil where something was left out, or the entry has gone.
    var slots: ContiguousArray<JournalEntry<Content>?> = []
    /// The number of the latest entry, and of the latest that has gone.
    var last: Int64 = 0
    var gone: Int64 = 0
    /// Of the entries that are kept.
    var bytes = 0
    var readers = 0
    /// Monotonic nanoseconds at which the last reader left.
    var leftAt = Int64.min / 2
    /// What happens often is left out since the latest entry.
    var leavesOut = true
    var waiting: [Int: Waiter] = [:]
    var nextWaiter = 0
    var isServed = false
    /// Its thread waits for an entry.
    var isAsleep = false
    var isStopped = false
  }

  struct Waiter: Sendable {
    var after: Int64
    var continuation: CheckedContinuation<Void, Never>
  }

  /// How long entries are complete after the last reader left, and how often readers are woken. Nanoseconds.
  static var linger: Int64 { 60_000_000_000 }
  static var period: Int64 { 20_000_000 }

  /// - Parameters:
  ///   - capacity: entries that are kept.
  ///   - bytes: what they may weigh together.
  ///   - weigh: about how many bytes the texts of an entry have.
  ///   - wanted: called, on the reader's thread, when somebody reads again what was left out so far.
  package init(
    _ identity: HostIdentity, capacity: Int = 10_000, bytes: Int = 16 << 20,
    weigh: @escaping @Sendable (Content) -> Int, wanted: @escaping @Sendable () -> Void = {}
  ) {
    self.identity = identity
    self.capacity = max(1, capacity)
    byteCapacity = bytes
    self.weigh = weigh
    self.wanted = wanted
  }

  /// After the latest entry.
  package var end: JournalPosition { JournalPosition(host: identity, number: state.withLock { $0.last }) }

  /// Before the oldest entry that is kept.
  package var start: JournalPosition { JournalPosition(host: identity, number: state.withLock { $0.gone }) }

  /// Readers that are there.
  package var readers: Int { state.withLock { $0.readers } }

  /// Somebody who reads from now on. It counts as a reader until it is released.
  ///
  /// - Parameter position: nil: what happens from now on.
  package func reader(after position: JournalPosition? = nil) -> JournalReader<Content> {
    let (end, isNews) = state.withLock { state -> (Int64, Bool) in
      let isNews = state.leavesOut
      if isNews {
        state.leavesOut = false
        records.store(true, ordering: .releasing)
        append(nil, weighing: 0, &state)
      }
      state.readers += 1
      return (state.last, isNews)
    }
    if isNews { wanted() }
    return JournalReader(self, after: position ?? JournalPosition(host: identity, number: end))
  }

  /// What there is after `position`, at most `limit` entries; empty when there is nothing. Does not wait.
  package func read(after position: JournalPosition, limit: Int = 1_000) -> JournalPage<Content> {
    state.withLock { page($0, after: position, limit: limit) }
  }

  /// Nobody waits from now on. Twice is fine.
  package func stop() {
    let waiting = state.withLock { state in
      state.isStopped = true
      defer { state.waiting = [:] }
      return Array(state.waiting.values)
    }
    state.broadcast()
    for waiter in waiting { waiter.continuation.resume() }
    blockingPool.stop()
  }
}

/// One thing that happened. One object for all its readers.
package final class JournalEntry<Content: Sendable>: Sendable {
  package let number: Int64
  package let content: Content
  let weight: Int
  private let rendering = Mutex<String?>(nil)

  init(number: Int64, _ content: Content, weight: Int) {
    self.number = number
    self.content = content
    self.weight = weight
  }

  /// The entry as text: made by the first reader who asks, and shared by all others. All readers must render alike.
  package func rendered(_ render: (JournalEntry<Content>) -> String) -> String {
    if let text = rendering.withLock({ $0 }) { return text }
    let text = render(self)
    rendering.withLock { $0 = text }
    return text
  }
}

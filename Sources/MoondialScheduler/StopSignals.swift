internal import Dispatch
internal import Glibc
internal import Synchronization

/// Signals that stop a scheduler while somebody blocks in `run`: the first drains, the second ends at once.
///
/// They come through signalfd(2), by Dispatch: no handler runs, so what they start may lock and allocate. What the
/// signals meant before is put back when it is over.
final class StopSignals {
  private var sources: [any DispatchSourceSignal] = []
  private let signals: [Int32]
  private var isOver = false

  /// - Parameter receive: told how many have come, this one included; on a thread of Dispatch.
  init(_ signals: [Int32], _ receive: @escaping @Sendable (Int) -> Void) {
    let queue = DispatchQueue(label: "moondial-signals")
    let count = SignalCount()
    self.signals = Set(signals).sorted()
    for number in self.signals {
      IgnoredSignals.shared.add(number)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { receive(count.next()) }
      source.resume()
      sources.append(source)
    }
  }

  /// Puts everything back.
  func end() {
    if isOver { return }
    isOver = true
    for source in sources { source.cancel() }
    for number in signals { IgnoredSignals.shared.remove(number) }
  }
}

/// Signals whose default action is off while anybody takes them in another way. The process has one disposition for
/// each, so the first who comes remembers what it was, and the last who leaves puts it back, in whatever order they
/// leave.
private final class IgnoredSignals: Sendable {
  static let shared = IgnoredSignals()

  private struct Entry {
    var users: Int
    let former: __sighandler_t?
  }
  private let entries = Mutex<[Int32: Entry]>([:])

  func add(_ number: Int32) {
    entries.withLock { entries in
      if entries[number] == nil { entries[number] = Entry(users: 0, former: signal(number, SIG_IGN)) }
      entries[number]?.users += 1
    }
  }

  func remove(_ number: Int32) {
    entries.withLock { entries in
      guard var entry = entries[number] else { return }
      entry.users -= 1
      if entry.users == 0 {
        signal(number, entry.former)
        entries[number] = nil
      } else {
        entries[number] = entry
      }
    }
  }
}

private final class SignalCount: Sendable {
  private let value = Atomic(0)
  func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}

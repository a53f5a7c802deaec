internal import Dispatch
internal import Glibc
internal import Synchronization

/// Signals that stop a scheduler while somebody blocks in `run`: the first drains, the second ends at once.
///
/// They come through signalfd(2), by Dispatch: no handler runs, so what they start may lock and allocate. What the
/// signals meant before is put back when it is over.
final class StopSignals {
  private var sources: [any DispatchSourceSignal] = []
  private var former: [(signal: Int32, handler: __sighandler_t?)] = []

  /// - Parameter receive: told how many have come, this one included; on a thread of Dispatch.
  init(_ signals: [Int32], _ receive: @escaping @Sendable (Int) -> Void) {
    let queue = DispatchQueue(label: "moondial-signals")
    let count = SignalCount()
    for number in Set(signals).sorted() {
      // The default action would end the process all the same.
      former.append((number, signal(number, SIG_IGN)))
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { receive(count.next()) }
      source.resume()
      sources.append(source)
    }
  }

  /// Puts everything back.
  func end() {
    for source in sources { source.cancel() }
    for (number, handler) in former { signal(number, handler) }
    former = []
  }
}

private final class SignalCount: Sendable {
  private let value = Atomic(0)
  func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}

internal import Basics
internal import Synchronization

/// What writers do.
extension Journal {
  /// Adds an entry, and wakes who waits. Does not block.
  package func append(_ content: Content) {
    let weight = weigh(content)
    let mustWake = state.withLock { state in
      append(content, weighing: weight, &state)
      return takeSleep(&state)
    }
    if mustWake { state.broadcast() }
  }

  /// Adds entries in order. Does not block.
  package func append(_ contents: some Sequence<Content>) {
    let mustWake = state.withLock { state in
      for content in contents { append(content, weighing: weigh(content), &state) }
      return takeSleep(&state)
    }
    if mustWake { state.broadcast() }
  }

  /// Adds an entry of a kind that is left out while nobody reads; then it costs a nanosecond or two.
  package func appendIfRead(_ content: @autoclosure () -> Content) {
    guard records.load(ordering: .relaxed) else { return }
    append(content())
    if isIdle(at: monotonicNow()) { _ = leaveOut() }
  }

  /// Whether nobody has read for a while, so that what happens often may be left out.
  package func isIdle(at monotonic: Int64) -> Bool {
    state.withLock { $0.readers == 0 && monotonic - $0.leftAt > Self.linger }
  }

  /// Whether what happens often is recorded.
  package var isRecording: Bool { records.load(ordering: .acquiring) }

  /// From now on what happens often is left out, until there is a reader again.
  ///
  /// - Returns: false, when there is one.
  package func leaveOut() -> Bool {
    state.withLock { state in
      guard state.readers == 0 else { return false }
      state.leavesOut = true
      records.store(false, ordering: .releasing)
      return true
    }
  }

  private func takeSleep(_ state: inout State) -> Bool {
    guard state.isAsleep, !state.waiting.isEmpty else { return false }
    state.isAsleep = false
    return true
  }

  /// - Parameter content: nil: something was left out here.
  func append(_ content: Content?, weighing weight: Int, _ state: inout State) {
    if state.last - state.gone == Int64(capacity) { forgetOldest(&state) }
    state.last += 1
    let entry = content.map { JournalEntry(number: state.last, $0, weight: weight) }
    let slot = Int((state.last - 1) % Int64(capacity))
    if slot == state.slots.count { state.slots.append(entry) } else { state.slots[slot] = entry }
    state.bytes += weight
    while state.bytes > byteCapacity, state.gone + 1 < state.last { forgetOldest(&state) }
  }

  private func forgetOldest(_ state: inout State) {
    let slot = Int(state.gone % Int64(capacity))
    state.bytes -= state.slots[slot]?.weight ?? 0
    state.slots[slot] = nil
    state.gone += 1
  }
}

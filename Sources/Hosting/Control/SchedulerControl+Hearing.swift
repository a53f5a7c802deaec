internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Synchronization

/// What the scheduler and runs tell: on their threads, so it must be quick.
extension SchedulerControl {
  /// Events of one tick, in order. On the scheduler's thread.
  func hear(_ news: [Event]) {
    for event in news { note(event) }
    let at = now
    events.append(news.lazy.map { HostEvent($0, at: at) })
    // Nobody has read for a while: runs are told of no more, and cost nothing.
    if events.isRecording, events.isIdle(at: parts.monotonicClock.now.nanoseconds), events.leaveOut() { watch(false) }
  }

  /// Whether runs are to be told of for readers of the journal.
  func watch(_ isWatched: Bool) {
    engine.post(whenDurable: nil) { [events] core, _, _ in
      // A reader may have come since it was asked.
      core.configuration.isWatched = isWatched || events.isRecording
    }
  }

  private func note(_ event: Event) {
    switch event {
    case .hostStarted, .jobAdded, .jobChanged, .jobOrphaned, .jobResumedFromOrphan:
      directory.changed()
      declared.changed()
    case .runFinished(let record): progress.ended(record.id)
    case .runProgress(let note): progress.note(note)
    case .storeFailed(let text), .storeLost(let text): noteFailure(text)
    case .clockChanged: observed.withLock { $0.clockSteps += 1 }
    case .draining: observed.withLock { $0.isStopping = true }
    default: break
    }
  }

  /// It begins with the name of the store.
  private func noteFailure(_ text: String) {
    guard let name = parts.stores.lazy.map(\.name).first(where: { text.hasPrefix($0 + ": ") }) else { return }
    observed.withLock { $0.storeFailures[name] = String(text.dropFirst(name.count + 2)) }
  }
}

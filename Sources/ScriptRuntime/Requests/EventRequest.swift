package import JobModel
internal import Lua
internal import Synchronization

/// A run that waits for an event.
package final class EventRequest: HostRequest, @unchecked Sendable {
  // @unchecked: constants and a locked subscription.
  private let name: String
  private let events: any EventHub
  private let until: Int64
  private let subscription = Mutex<EventSubscription?>(nil)

  package init(_ name: String, events: any EventHub, until: Int64) {
    self.name = name
    self.events = events
    self.until = until
  }

  package override func begin() {
    let name = name
    let opened = events.subscribe(to: name) { [weak self] data in
      guard let self else { return }
      // Read when the script takes it, on its worker and in its own memory; until then all receivers share one text.
      let isTaken = complete(building: { call in
        call.push(name)
        if let data { call.push(json: data.text.text) } else { call.pushNil() }
        call.pushRecord(["name", "data"])
        return .results(1)
      })
      if isTaken { close() }
    }
    subscription.withLock { $0 = opened }
    // It may have come, or the run may have been stopped, before the subscription was stored.
    if !isOpen { close() }
  }

  package override var expiry: Int64 { until }
  package override func expire() { if complete(refusing: "timeout") { close() } }
  package override func release() { close() }

  private func close() {
    subscription.withLock { subscription in
      defer { subscription = nil }
      return subscription
    }?.cancel()
  }
}

internal import Chronology
internal import JobModel
internal import Synchronization

/// The leader's side of placements on a ``SharedModel``, under its epoch and behind its link.
///
/// Threading: the simulation's.
final class SimulatedMailbox: RunMailbox {
  private let model: SharedModel
  private let view: SharedModelView
  private let heard: @Sendable ([PlacementReport]) -> Void
  private let awaits = Mutex(false)

  init(_ model: SharedModel, _ view: SharedModelView, _ heard: @escaping @Sendable ([PlacementReport]) -> Void) {
    self.model = model
    self.view = view
    self.heard = heard
  }

  func place(_ runs: [RunPlacement]) throws(StoreError) -> Set<PlacementKey> {
    try view.ask { [model, view] () throws(StoreError) in try model.place(runs, provenBy: view.epoch) }
  }
  func cancel(_ keys: [PlacementKey]) throws(StoreError) {
    try view.ask { [model, view] () throws(StoreError) in try model.cancel(keys, provenBy: view.epoch) }
  }
  func settle(_ keys: [PlacementKey]) throws(StoreError) {
    try view.ask { [model, view] () throws(StoreError) in try model.settle(keys, provenBy: view.epoch) }
  }
  func isAwaiting(_ isAwaiting: Bool) { awaits.withLock { $0 = isAwaiting } }
  func close() {}

  /// Looks for members that have gone, and hears what the others have said.
  func look() {
    do throws(StoreError) {
      if awaits.withLock({ $0 }) {
        try view.ask { [model, view] () throws(StoreError) in try model.lose(provenBy: view.epoch) }
      }
      let reports = try view.ask { [model] in model.unheard }
      guard !reports.isEmpty else { return }
      heard(reports)
      let begun = reports.filter { $0.state == .started }.map(\.key)
      if !begun.isEmpty {
        try view.ask { [model, view] () throws(StoreError) in try model.hear(begun, provenBy: view.epoch) }
      }
    } catch {}
  }
}

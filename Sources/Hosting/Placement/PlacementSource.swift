package import JobModel

/// Where a placer has its placements written: a store, or what stands for one. Each call blocks on the server.
package struct PlacementSource: Sendable {
  /// Of the leader.
  package var epoch: @Sendable () -> Int64
  /// As ``PlacingStore/placements()``.
  package var placements: @Sendable () throws(StoreError) -> [PlacementReport]
  /// As ``SharedStore/members()``.
  package var members: @Sendable () throws(StoreError) -> [StoreMember]
  /// As ``PlacingStore/openMailbox(_:)``.
  package var open: @Sendable (@escaping @Sendable ([PlacementReport]) -> Void) throws(StoreError) -> any RunMailbox

  package init(
    epoch: @escaping @Sendable () -> Int64,
    placements: @escaping @Sendable () throws(StoreError) -> [PlacementReport],
    members: @escaping @Sendable () throws(StoreError) -> [StoreMember],
    open:
      @escaping @Sendable (
        @escaping @Sendable ([PlacementReport]) -> Void
      ) throws(StoreError) -> any RunMailbox
  ) {
    self.epoch = epoch
    self.placements = placements
    self.members = members
    self.open = open
  }

  init(_ store: any PlacingStore) {
    self.init(
      epoch: { store.epoch }, placements: { () throws(StoreError) in try store.placements() },
      members: { () throws(StoreError) in try store.members() },
      open: { heard throws(StoreError) in try store.openMailbox(heard) })
  }
}

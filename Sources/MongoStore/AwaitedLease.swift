internal import Basics

/// What a host that waits for a lease sees of those that have it: whether it takes the store over from another host
/// when it gets it, or only goes on after its own predecessor, which died, or after a migration.
struct AwaitedLease {
  let me: Holder
  private var last: (epoch: Int64?, lease: Int64?)?
  private(set) var isOthers = false

  init(me: Holder) { self.me = me }

  /// - Parameter document: the document of the lease, as it is now.
  mutating func saw(_ document: BSONDocument) {
    // A migration schedules nothing.
    guard document["moves"]?.bool != true else { return }
    let now = (epoch: document["epoch"]?.int, lease: document["lease"]?.date)
    defer { last = now }
    if isOthers { return }
    if let last {
      // The dead neither renew a lease nor give it back.
      isOthers = last.epoch != now.epoch || last.lease != now.lease
    } else {
      let holder = Holder(document)
      isOthers = holder.isAlive.map { $0 && holder.place != me.place } ?? (holder.host != me.host)
    }
  }
}

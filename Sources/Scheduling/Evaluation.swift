import Chronology
package import JobModel

/// One evaluation: the moment for which the scheduler decides, and what it decided and somebody must do.
///
/// Filled by `SchedulerCore`, performed by the service in this order: write the store batches; submit the orders;
/// cancel; publish. Every step of a run's way is given the one that goes on; the entries of the core set its moment.
package struct Evaluation: Sendable {
  /// What the clocks show; the same for all that is decided in it.
  package internal(set) var now = ClockReading(wall: .distantPast, monotonic: 0)
  /// By store index. The runs in `claims` are dispatched when the batch has been committed, and not before.
  package var stores: [StoreActions]
  /// By executor index: attempts to start now, in order.
  package var orders: [[RunOrder]]
  package var cancellations: [(executor: Int, token: RunToken)] = []
  package var events: [Event] = []
  /// What runs have put into their outboxes, in order.
  package var outbox: [OutboxAction] = []
  /// The executors are to tell what runs that the host is about to end (`JobExecutor.windDown`).
  package var windsDown = false

  package init(stores: Int, executors: Int) {
    self.stores = Array(repeating: StoreActions(), count: stores)
    orders = Array(repeating: [], count: executors)
  }

  package mutating func removeAll() {
    for index in stores.indices { stores[index].removeAll() }
    for index in orders.indices where !orders[index].isEmpty { orders[index].removeAll(keepingCapacity: true) }
    if !cancellations.isEmpty { cancellations.removeAll(keepingCapacity: true) }
    if !events.isEmpty { events.removeAll(keepingCapacity: true) }
    if !outbox.isEmpty { outbox.removeAll() }
    windsDown = false
  }
}

/// What the outbox of a run, or its transaction, needs of the service.
package enum OutboxAction: Sendable {
  /// A store is to commit it; answered with `SchedulerCore.outboxCommitted`.
  case commit(RunCommit)
  /// An event was emitted for a transaction: those who wait for it in memory are to be told.
  case emitted(String, JSONText?)
}

/// A batch for one store, and the runs that wait for it.
package struct StoreActions: Sendable {
  package var batch = StoreBatch()
  /// Answer with `SchedulerCore.committed` or `.claimsFailed`.
  package var claims: [RunToken] = []

  package init() {}

  mutating func removeAll() {
    batch.removeAll()
    if !claims.isEmpty { claims.removeAll(keepingCapacity: true) }
  }
}

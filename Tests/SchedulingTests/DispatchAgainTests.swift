import JobModel
import Scheduling
import Testing

@Suite("Orders that are made again")
struct DispatchAgainTests {
  @Test("a run that has not begun is handed over again, under the same token; one that was cancelled ends instead")
  func again() throws {
    var f = Fixture([definition("a", every: 1_000 * second), definition("b", every: 1_000 * second)])
    f.advance(to: 1_000)
    let orders = f.orders
    #expect(orders.count == 2)
    try f.core.cancel(orders[1].id, at: f.now, into: &f.actions)
    f.absorb()
    f.orders = []
    f.core.dispatchAgain(orders.map(\.token), at: f.now, into: &f.actions)
    f.absorb()
    #expect(f.orders.map(\.token) == [orders[0].token] && f.orders.map(\.id) == [orders[0].id])
    #expect(f.outcomes(orders[1].job.definition.name) == [.cancelled])
    // One that runs stays as it is.
    f.startRun(0)
    f.orders = []
    f.core.dispatchAgain([orders[0].token], at: f.now, into: &f.actions)
    f.absorb()
    #expect(f.orders.isEmpty)
  }
}

import JobModel
import Synchronization
import Testing

@testable import Hosting

@Suite("Runs that were claimed under a version of their job that is gone")
struct RenewedRunTests {
  private static let refusal = PlacedRefusal(why: "has another version of the job", scripts: "files").bytes

  /// One that its only host with the label has refused.
  private func refused() throws -> PlacerByHand {
    let placer = try PlacerByHand()
    placer.take(.orders([placer.order(1)], executor: 0))
    placer.act()
    let key = try #require(placer.placed.first?.key)
    placer.hear(key, .declined, Self.refusal)
    placer.act()
    #expect(placer.state.held.count == 1 && placer.inbox.asked.withLock { $0 } == 0)
    return placer
  }

  @Test("are asked for anew when the host that leads declares another one, and not before; not twice at once")
  func renewed() throws {
    let placer = try refused()
    placer.newest.definition.withLock { $0.onNodes = ["big"] }
    placer.act()
    #expect(placer.state.held.isEmpty && placer.inbox.asked.withLock { $0 } == 1)
    // The scheduler has not heard of that version yet: the order comes back as it was.
    placer.take(.orders([placer.order(1)], executor: 0))
    placer.act()
    #expect(placer.state.held.count == 1 && placer.inbox.asked.withLock { $0 } == 1)
    placer.clock.advance(StorePlacerState.pace)
    placer.act()
    #expect(placer.state.held.isEmpty && placer.inbox.asked.withLock { $0 } == 2)
    #expect(placer.reports.isEmpty)
  }

  @Test("wait while a host may have it: one that is drained, or has got other files")
  func kept() throws {
    let placer = try refused()
    placer.newest.definition.withLock { $0.onNodes = ["big"] }
    var drained = placer.member("second")
    drained.isDraining = true
    placer.take(.members([drained]))
    placer.act()
    #expect(placer.state.held.count == 1 && placer.inbox.asked.withLock { $0 } == 0)
    // It is asked again.
    placer.join("second", scripts: "new files")
    placer.act()
    #expect(placer.state.held.isEmpty && placer.placed.count == 2 && placer.inbox.asked.withLock { $0 } == 0)
  }
}

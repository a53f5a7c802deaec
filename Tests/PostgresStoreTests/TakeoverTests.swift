import Basics
import JobModel
import PostgresFixture
import Testing

@testable import PostgresStore

@Suite("Who takes a PostgreSQL store over", .enabled(if: PostgresServer.isInstalled))
struct TakeoverTests {
  @Test(
    "to wait for another host's lease is a takeover, to wait for that of one's own predecessor is none",
    arguments: [("me", false), ("other", true)])
  func predecessor(node: String, isTakeover: Bool) throws {
    let server = try #require(PostgresServer.shared)
    // A lease may be over before anybody looks at it: then a longer one is tried.
    for milliseconds in [300, 3_000, 30_000] {
      let url = try server.database()
      let first = try open(url, as: node)
      #expect(try !first.load().isTakeover, "nobody had it")
      first.close()
      // As a host leaves it that was killed a moment ago.
      _ = try server.execute(
        "UPDATE moondial.leadership SET expires_at = clock_timestamp() + interval '\(milliseconds) ms'", in: url)
      let said = Monitor(0)
      let second = try open(url, as: "me") { _ in said.change { $0 += 1 } }
      defer { second.close() }
      guard said.withLock({ $0 }) == 1 else { continue }
      #expect(try second.load().isTakeover == isTakeover)
      return
    }
    Issue.record("no host has waited for the lease")
  }

  @Test("a host that was quicker than the one that waits for its predecessor has had the store meanwhile")
  func quicker() {
    let own = PostgresStandby.Awaited(isOthers: false, changes: 3)
    #expect(!own.isTakeover(by: 4))
    #expect(own.isTakeover(by: 5))
    #expect(PostgresStandby.Awaited(isOthers: true, changes: 3).isTakeover(by: 4))
    #expect(PostgresStandby.Awaited(isOthers: false, changes: nil).isTakeover(by: 4), "nobody could be asked")
  }

  private func open(
    _ url: String, as node: String, standsBy: (@Sendable (String) -> Void)? = nil
  ) throws -> PostgresStore {
    var options = PostgresStore.Options()
    options.node = node
    options.standsBy = standsBy
    return try PostgresStore(StoreAddress(url), options: options)
  }
}

import Foundation
import Hosting
import JobModel
import MongoFixtures
import PostgresFixture
import Testing

/// `moondial migrate` through the binary, from one kind of store into the next. `MOONDIAL_MIGRATION_ROWS`: runs of the
/// first store, each with two lines of log.
@Suite(
  "Moving a store through all kinds, end to end", .serialized,
  .enabled(if: MongoProcess.isThere && PostgresServer.isInstalled))
struct MigrationCircleTests {
  private static let runs =
    ProcessInfo.processInfo.environment["MOONDIAL_MIGRATION_ROWS"].flatMap { Int($0) } ?? 3_000

  @Test(
    "SQLite, PostgreSQL, MongoDB, SQLite, each move killed in the middle: both files tell the same story",
    arguments: MongoProcess.Kind.allCases)
  func circle(kind: MongoProcess.Kind) throws {
    let server = try #require(PostgresServer.shared)
    let place = try Place()
    try SeededStore.fill(place.path + "/first.db", runs: Self.runs)
    let addresses = [
      "first.db", try server.database(), try MongoProcess.shared(kind).freshAddress(), "sqlite:last.db",
    ]
    // Of another section each time, whose first page is being moved then.
    for (leg, section) in ["log", "runs", "log"].enumerated() {
      let move = ["migrate", "--from", addresses[leg], "--to", addresses[leg + 1]]
      let killed = try HostProcess(move, in: place.path)
      try killed.awaitLine(containing: "rows of \(section)")
      killed.signal(SIGKILL)
      try killed.awaitExit()
      let began = Date()
      let moved = try HostProcess.run(
        move + ["--json"], in: place.path, within: HostProcess.patience + Double(Self.runs) / 500)
      #expect(moved.status == 0, "\(moved)")
      let document = try #require(
        try JSONSerialization.jsonObject(with: Data(moved.output.joined().utf8)) as? [String: Any])
      let rows = (document["sections"] as? [String: [String: Any]])?.values.compactMap { $0["rows"] as? Int } ?? []
      #expect(rows.reduce(0, +) > 3 * Self.runs)
      // One that was quicker than its killer has moved everything, and was found out to have.
      #expect(document["resumed"] as? Bool == true || document["was_done"] as? Bool == true, "\(document)")
      print("leg \(leg + 1): \(rows.reduce(0, +)) rows, \(Int(Date().timeIntervalSince(began))) s after the kill")
    }
    try SeededStore.expectSame(place.path + "/first.db", place.path + "/last.db", everyRun: Self.runs <= 20_000)
    try expectSameRows(place.path + "/first.db", place.path + "/last.db")
  }

  /// Reads every row of both, page by page: runs, lines, decisions, values and all else.
  private func expectSameRows(_ left: String, _ right: String) throws {
    let stores = try [left, right].map { try openStore($0, .reader) }
    defer { for store in stores { store.close() } }
    let both = stores.compactMap { $0 as? any TransferableStore }
    try #require(both.count == 2)
    #expect(try both[0].counters() == both[1].counters())
    for section in StoreSection.allCases {
      var cursors: [String?] = [nil, nil]
      var count = 0
      repeat {
        let pages = try zip(both, cursors).map { try $0.page(of: section, after: $1) }
        #expect(pages[0].rows == pages[1].rows, "\(section), after \(count) rows")
        guard pages[0].rows == pages[1].rows else { return }
        count += pages[0].rows.count
        cursors = pages.map(\.next)
        #expect((cursors[0] == nil) == (cursors[1] == nil), "\(section)")
      } while cursors[0] != nil && cursors[1] != nil
      #expect(try count == both[0].count(of: section) && count > 0, "\(section)")
    }
  }
}

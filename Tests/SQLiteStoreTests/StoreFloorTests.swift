import JobModel
import Testing

@testable import SQLiteStore

@Suite("The floor program runs the store's own statements")
struct StoreFloorTests {
  @Test(
    "each statement of the hot path stands in floor.c",
    arguments: [
      RunRows.claim, RunRows.close, RunRows.finish, StoreWriter.fire, RunIndex.insertion,
    ])
  func sameStatements(sql: String) throws {
    let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    let source = String(decoding: try bytes(of: "\(folder)/StoreFloor/floor.c"), as: UTF8.self)
    #expect(source.contains("\"\(sql)\""))
  }
}

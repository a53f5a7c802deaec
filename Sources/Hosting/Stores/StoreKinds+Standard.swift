package import JobModel
internal import MemoryStore
internal import MongoStore
#if PostgreSQL
  internal import PostgresStore
#endif
internal import SQLiteStore

extension StoreKinds {
  /// The table of all kinds of stores: the one place that names them. A further store is a target and a line here.
  package static let standard = StoreKinds(
    [SQLiteStoreDriver(), MemoryStoreDriver(), postgres, MongoStoreDriver()])

  private static var postgres: any StoreDriver {
    #if PostgreSQL
      PostgresStoreDriver()
    #else
      FutureStore("postgres://…", ["postgres", "postgresql"])
    #endif
  }
}

/// A kind of store whose addresses are known, and which this version cannot open.
private struct FutureStore: StoreDriver {
  let example: String
  let schemes: [String]

  init(_ example: String, _ schemes: [String]) {
    self.example = example
    self.schemes = schemes
  }

  func accepts(_ address: StoreAddress) -> Bool { address.rest.hasPrefix("//") }
  func location(of address: StoreAddress, in directory: String?) -> StoreLocation? { nil }
  func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    // The address may hold a password.
    throw StoreError(
      .unsupported, "this version has no server databases (\(address.scheme)): use sqlite:FILE or memory")
  }
}

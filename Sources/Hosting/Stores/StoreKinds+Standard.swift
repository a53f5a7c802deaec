package import JobModel
internal import MemoryStore
#if MongoDB
  internal import MongoStore
#endif
#if PostgreSQL
  internal import PostgresStore
#endif
internal import SQLiteStore

extension StoreKinds {
  /// The table of all kinds of stores: the one place that names them. A further store is a target and a line here.
  package static let standard = StoreKinds(
    [SQLiteStoreDriver(), MemoryStoreDriver(), postgres, mongo])

  private static var postgres: any StoreDriver {
    #if PostgreSQL
      PostgresStoreDriver()
    #else
      LeftOutStore("PostgreSQL", "postgres://USER@HOST/DATABASE", ["postgres", "postgresql"])
    #endif
  }

  private static var mongo: any StoreDriver {
    #if MongoDB
      MongoStoreDriver()
    #else
      LeftOutStore("MongoDB", "mongodb://HOST/DATABASE", ["mongodb", "mongodb+srv"])
    #endif
  }
}

/// A kind of store whose addresses are known, and which was left out of this program.
struct LeftOutStore: StoreDriver {
  /// The package trait that brings it.
  let trait: String
  let example: String
  let schemes: [String]
  var hasDurability: Bool { trait == "PostgreSQL" }
  var hasLease: Bool { true }

  init(_ trait: String, _ example: String, _ schemes: [String]) {
    self.trait = trait
    self.example = example
    self.schemes = schemes
  }

  func accepts(_ address: StoreAddress) -> Bool { address.rest.hasPrefix("//") }
  func location(of address: StoreAddress, in directory: String?) -> StoreLocation? { nil }
  func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    // The address may hold a password.
    throw StoreError(
      .unsupported,
      "\(address.scheme): this program was built without \(trait): build it with the package trait \(trait), or use "
        + "sqlite:FILE or memory")
  }
}

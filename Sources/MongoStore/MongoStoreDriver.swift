package import JobModel

/// Opens `mongodb://HOST/DATABASE`.
package struct MongoStoreDriver: StoreDriver {
  package init() {}

  package var schemes: [String] { ["mongodb", "mongodb+srv"] }
  package var example: String { "mongodb://HOST/DATABASE" }
  package var hasLease: Bool { true }
  package func accepts(_ address: StoreAddress) -> Bool { address.rest.hasPrefix("//") && address.rest.count > 2 }

  /// Whether there is anything in the database only its server knows.
  package func location(of address: StoreAddress, in directory: String?) -> StoreLocation? {
    StoreLocation(MongoFailure(address.text).location, exists: true)
  }

  package func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    var options = MongoStore.Options()
    options.retention = request.retention
    options.clock = request.clock
    options.lease = request.lease ?? options.lease
    options.standsBy = request.standsBy
    options.mustExist = request.mustExist
    return try MongoStore(address.text, mode: request.access, options: options)
  }
}

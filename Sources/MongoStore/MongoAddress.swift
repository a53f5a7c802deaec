internal import StoreSupport

/// What an address says about where a store is, for people: without user, password and options.
enum MongoAddress {
  /// `mongodb://host:port/database`.
  static func location(_ address: PublicAddress) -> String {
    // The name of the database that is taken when the address names none.
    let path = address.place.drop { $0 != "/" }
    return address.scheme + "://" + address.place.prefix { $0 != "/" } + (path.count > 1 ? path : "/moondial")
  }
}

package import JobModel

/// The stores of a host by name. As the scheduler does, it takes the first one for a name that is not there: the store
/// of a job that a restart has to bring into force.
package struct NamedStores: Sendable {
  private let named: [String: any JobStore]
  private let standard: any JobStore
  private let standardName: String

  /// - Parameter stores: at least one; the first is the default.
  package init(_ stores: [(name: String, store: any JobStore)]) {
    precondition(!stores.isEmpty, "a host has a store")
    named = Dictionary(stores.map { ($0.name, $0.store) }, uniquingKeysWith: { first, _ in first })
    standard = stores[0].store
    standardName = stores[0].name
  }

  /// The name of the store that a name means.
  package func name(_ name: String) -> String { named[name] == nil ? standardName : name }

  package subscript(name: String) -> any JobStore { named[name] ?? standard }

  /// All of them, in no order.
  package var all: [any JobStore] { Array(named.values) }
}

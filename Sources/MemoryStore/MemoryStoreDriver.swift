package import JobModel

/// Opens `memory:`, or `memory`.
package struct MemoryStoreDriver: StoreDriver {
  package init() {}

  package var schemes: [String] { ["memory"] }
  package var example: String { "memory" }
  package func accepts(_ address: StoreAddress) -> Bool { address.rest.isEmpty }
  package func location(of address: StoreAddress, in directory: String?) -> StoreLocation? { nil }

  package func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    let store = MemoryStore()
    store.setRetention(request.retention)
    return store
  }
}

package import JobModel
package import ScriptLoading

extension StoreKinds {
  /// Opens the stores of a configuration; the first is `default`. All of them, or none.
  ///
  /// - Parameters:
  ///   - state: where relative paths begin; nil is the working directory.
  ///   - health: is told what a store cannot do.
  ///   - node: as what this host is a member of stores that several may name.
  ///   - standsBy: told once for each store that another host schedules from, which is then waited for; nil: such a
  ///     store is refused.
  /// - Throws: one sentence that names the store. Blocks on the disk or the network.
  package func open(
    _ configuration: HostConfiguration, in state: StateDirectory?, _ access: StoreAccess, health: HostHealth? = nil,
    node: String? = nil, standsBy: (@Sendable (String) -> Void)? = nil
  ) throws(HostError) -> [(name: String, store: any JobStore)] {
    var opened: [(name: String, store: any JobStore)] = []
    do throws(HostError) {
      for name in defaultFirst(configuration.stores.keys) {
        let store = configuration.stores[name]!
        var request = StoreRequest(access, in: state?.path)
        request.durability = store.synchronous
        request.retention = configuration.storedHistory
        request.lease = store.lease
        request.node = node
        request.standsBy = standsBy
        request.threadRefused = { [weak health] error in
          guard let error else {
            health?.clear(.values(store: name))
            return
          }
          health?.set(.values(store: name), "kv of store \"\(name)\" is refused: \(error.message)")
        }
        do throws(StoreError) { opened.append((name, try open(store.address, request))) } catch {
          throw error.code == .unsupported ? HostError(.usage, "store \(name): \(error)") : HostError("\(error)")
        }
      }
    } catch {
      for (_, store) in opened { store.close() }
      throw error
    }
    return opened
  }

  /// Opens one store. Blocks on the disk or the network.
  package func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    guard let driver = driver(of: address) else {
      throw StoreError(.unsupported, "there are no stores of the kind \(address.scheme)")
    }
    return try driver.open(address, request)
  }

  /// Where a store is that others may look into; nil: nobody but the process that opened it can.
  package func location(of address: StoreAddress, in directory: String?) -> StoreLocation? {
    driver(of: address)?.location(of: address, in: directory)
  }

  /// The address of a store that was named by its file, or, when it begins as one, by its address; also by one of a
  /// kind that there is not (`postgress://…`), which is no file.
  package func address(ofFile text: String) -> StoreAddress {
    let address = StoreAddress(text)
    let isAddress = driver(of: address) != nil || address.rest.hasPrefix("//")
    return text.contains(":") && isAddress ? address : StoreAddress("sqlite:" + text)
  }
}

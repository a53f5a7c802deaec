internal import HostModules
package import JobModel
internal import MemoryStore
package import SQLiteStore
package import ScriptLoading

/// Opens the configured stores. The first is `default`.
package enum Stores {
  /// All of them, or none.
  ///
  /// - Parameter state: where relative paths begin; nil is the working directory.
  /// - Throws: one sentence that names the store. Blocks on the disk.
  package static func open(
    _ configuration: HostConfiguration, in state: StateDirectory?, mode: SQLiteStore.Mode
  ) throws(HostError) -> [(name: String, store: any JobStore)] {
    var opened: [(name: String, store: any JobStore)] = []
    let names = defaultFirst(configuration.stores.keys)
    do throws(HostError) {
      for name in names {
        opened.append((name, try open(configuration.stores[name]!, configuration.storedHistory, in: state, mode: mode)))
      }
    } catch {
      for (_, store) in opened { store.close() }
      throw error
    }
    return opened
  }

  private static func open(
    _ store: StoreConfiguration, _ retention: Retention, in state: StateDirectory?, mode: SQLiteStore.Mode
  ) throws(HostError) -> any JobStore {
    switch store.kind {
    case .memory:
      let memory = MemoryStore()
      memory.setRetention(retention)
      return memory
    case .sqlite:
      let name = store.path ?? "moondial.db"
      var options = SQLiteStore.Options()
      options.synchronous = store.synchronous
      options.retention = retention
      do { return try SQLiteStore(state?.file(name) ?? name, mode: mode, options: options) } catch {
        throw HostError("\(error)")
      }
    case .postgres, .mongodb:
      throw HostError(.usage, "store \(store.url): this version has no server databases: use sqlite:FILE or memory:")
    }
  }
}

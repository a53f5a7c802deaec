import Chronology
import Executors
import Glibc
import JobModel
import JobStores
import Lua
import SchedulerService
import Scheduling
import ScriptHost
import Triggers

/// Opens the configured stores. The first is `default`.
enum Stores {
  static func open(
    _ configuration: HostConfiguration, in state: StateDirectory, mode: SQLiteStore.Mode
  ) throws -> [(name: String, store: any JobStore)] {
    var opened: [(name: String, store: any JobStore)] = []
    let names = defaultFirst(configuration.stores.keys)
    do {
      for name in names { opened.append((name, try open(configuration.stores[name]!, in: state, mode: mode))) }
    } catch {
      for (_, store) in opened { store.close() }
      throw CommandFailure("\(error)")
    }
    return opened
  }

  private static func open(
    _ store: StoreConfiguration, in state: StateDirectory, mode: SQLiteStore.Mode
  ) throws -> any JobStore {
    switch store.kind {
    case .memory: return MemoryStore()
    case .sqlite: return try SQLiteStore(state.file(store.path ?? "moondial.db"), mode: mode)
    case .postgres, .mongodb:
      throw CommandFailure(.usage, "store \(store.url): this version has no server databases: use sqlite:FILE or memory:")
    }
  }
}

import Glibc
import Hosting
import JobModel
import SQLiteStore
import ScriptLoading

/// The default store's file, opened for reading, for commands that look into history whether a host is up or not.
enum HistoryStore {
  static func path(_ configuration: HostConfiguration, state: String) throws -> String {
    guard let store = configuration.stores["default"], store.kind == .sqlite else {
      throw CommandFailure(
        "the default store is not a SQLite file, so it keeps nothing that could be read from outside the host")
    }
    let name = store.path ?? "moondial.db"
    return name.hasPrefix("/") ? name : state + "/" + name
  }

  static func openIfPresent(_ configuration: HostConfiguration, state: String) throws -> SQLiteStore? {
    guard let path = try? path(configuration, state: state), case .file = FileKind(path) else { return nil }
    do { return try SQLiteStore(path, mode: .reader) } catch { throw CommandFailure("\(error)") }
  }

  static func open(_ path: String) throws -> SQLiteStore {
    guard case .file = FileKind(path) else {
      throw CommandFailure(
        "there is no store \(path): name the state directory with --state DIR, or start a host first")
    }
    do { return try SQLiteStore(path, mode: .reader) } catch { throw CommandFailure("\(error)") }
  }
}

internal import Basics
package import JobModel

/// A store that writes what is handed over in groups (``CommitQueue``).
package protocol QueueingStore: JobStore {
  /// Hands it to the writer, or completes it with why there is none. Never waits.
  func submit(_ operation: CommitQueue.Operation)
}

extension QueueingStore {
  /// An id that no host and no other process gets. Blocks until it is written.
  package func takeRunID() throws(StoreError) -> RunID {
    let answer = Monitor<Result<RunID, StoreError>?>(nil)
    submit(.externalRun { result in answer.change { $0 = result } })
    return try answer.wait { $0 }!.get()
  }
}

extension StoreSection {
  /// The tables that have its rows, in a database with SQL.
  ///
  /// - Parameter dynamic: what the one of dynamic schedules is called there.
  package func tables(dynamicSchedules dynamic: String) -> [String] {
    switch self {
    case .schedules: ["schedules", dynamic]
    case .runs: ["open_runs", "runs"]
    case .steps: ["steps"]
    case .intents: ["intents"]
    case .log: ["run_log"]
    case .decisions: ["decisions"]
    case .keyValues: ["kv"]
    case .files: ["watched_files"]
    case .audit: ["audit"]
    }
  }
}

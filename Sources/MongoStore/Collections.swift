/// The collections of a store, and what is in each. docs/durability.md has the table.
enum Collections {
  /// Three documents: `store` (what there is once, and the journals), `applied` (up to which commit they are in their
  /// documents) and `host` (who schedules).
  static let meta = "meta"
  static let schedules = "schedules"
  static let runs = "runs"
  static let texts = "texts"
  static let log = "log"
  static let logSizes = "log_sizes"
  static let decisions = "decisions"
  static let keyValues = "kv"
  static let keyValueSizes = "kv_sizes"
  static let files = "files"
  static let audit = "audit"
  static let steps = "steps"
  /// What transactions have asked for and nobody has done yet.
  static let intents = "intents"
  /// Runs of processes alongside the host.
  static let external = "external"
  /// Parts of journals that are too long for `store`.
  static let journal = "journal"

  /// All that hold the store's contents, but for `meta`.
  static let contents = [
    schedules, runs, texts, log, logSizes, decisions, keyValues, keyValueSizes, files, audit, steps, intents,
    external,
    journal,
  ]

  /// The indexes beside the one by `_id`: collection, name, keys.
  static let indexes: [(collection: String, name: String, keys: BSONDocument)] = [
    (schedules, "job", ["job": 1]),
    (runs, "job", ["job": 1, "_id": -1]),
    (runs, "outcome", ["outcome": 1, "_id": -1]),
    (runs, "scheduled_at", ["scheduled_at": 1]),
    (intents, "run", ["run": 1, "position": 1]),
    (decisions, "job", ["job": 1, "sequence": -1]),
    (decisions, "sequence", ["sequence": -1]),
    (decisions, "schedule", ["schedule": 1, "sequence": -1]),
    (logSizes, "job", ["job": 1, "_id": 1]),
    (keyValues, "expires_at", ["expires_at": 1]),
  ]

  /// The same, of documents that have the field: most have not, and cost nothing there.
  static let sparseIndexes: [(collection: String, name: String, keys: BSONDocument)] = [
    (runs, "texts", ["texts": 1]),
    (steps, "texts", ["texts": 1]),
  ]

  /// Collections whose documents leave a mark for an hour when they go: what a host that was cut off in the middle of
  /// writing sends much later finds the mark, and does not bring them back. The server removes the marks.
  static let marked = [schedules, runs, steps, intents, keyValues, keyValueSizes, files]

  static let markSeconds: Int64 = 3_600
}

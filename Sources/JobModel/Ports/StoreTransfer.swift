/// A kind of rows of a store, as they move into another store: in the order of the cases.
package enum StoreSection: String, Sendable, CaseIterable {
  /// Of jobs and dynamic ones.
  case schedules
  /// Ended ones, and those that have not.
  case runs
  /// What runs have done, or are parked at.
  case steps
  /// What transactions have asked for and nobody has carried out.
  case intents
  case log
  case decisions
  case keyValues = "kv"
  /// Marks of watched files.
  case files
  case audit
}

/// One row, with the key that its store gave it where the row itself has none.
package enum StoreRow: Sendable, Equatable {
  case schedule(ScheduleRecord)
  case run(RunRecord)
  case step(RunStep)
  case intent(RunIntent)
  /// Numbers rise within a run; 0 is how far it said it is.
  case logLine(RunLogLine, number: Int64)
  /// Sequences rise within a job, and put ranges of all jobs in the order of their decision.
  case decision(DecisionRange, sequence: Int64)
  case keyValue(KeyValue, key: String, space: String)
  case file(FileMark)
  case audit(AuditLine)

  /// About how many bytes it has.
  package var bytes: Int {
    switch self {
    case .schedule(let record): 200 + (record.dynamic?.options.params?.text.utf8.count ?? 0)
    case .run(let run): 200 + run.textBytes
    case .step(let step): 80 + step.textBytes
    case .intent(let intent): 80 + intent.operations.text.utf8.count
    case .logLine(let line, _): line.bytes
    case .decision: 150
    case .keyValue(let value, let key, _): 60 + key.utf8.count + value.value.text.utf8.count
    case .file(let mark): 100 + mark.path.utf8.count
    case .audit(let line): 100 + (line.details?.text.utf8.count ?? 0)
    }
  }
}

/// Some rows of a section, one after the other.
package struct StorePage: Sendable {
  package var rows: [StoreRow] = []
  /// Where the next page begins; nil: there is none.
  package var next: String?
  private var bytes = 0

  package init() {}

  /// Adds a row, unless the page is full. The first one always fits.
  ///
  /// - Returns: false when it was left for the next page.
  package mutating func add(_ row: StoreRow) -> Bool {
    guard rows.isEmpty || rows.count < Self.mostRows && bytes + row.bytes <= Self.mostBytes else { return false }
    rows.append(row)
    bytes += row.bytes
    return true
  }

  /// Rows of a page, at most.
  package static let mostRows = 2_000
  /// Bytes of its texts, at most, if it has more than one row.
  package static let mostBytes = 4 << 20
}

/// What a store holds once.
package struct StoreCounters: Sendable, Equatable {
  package var clockEpoch = ClockEpoch(0)
  package var pause: PauseNote?
  /// The highest run id that was ever given; its run may be gone.
  package var highestRun: Int64 = 0
  /// The highest version that a value ever had.
  package var keyValueVersion: Int64 = 0

  package init() {}
}

/// A store whose contents can be moved into another one (`moondial migrate`). Both are opened with
/// ``StoreAccess/transfer``; one that is only to be read, also with ``StoreAccess/reader``.
///
/// A mark in the receiving store says what is being moved into it, and how far that is. As long as it is there no host
/// schedules from the store. Every question blocks on the disk or the network.
package protocol TransferableStore: InspectableStore {
  /// Another text whenever the contents may be others than they were: as far as that can be told without reading them.
  func fingerprint() throws(StoreError) -> String

  func count(of section: StoreSection) throws(StoreError) -> Int

  /// The next rows, in an order that stays the same.
  ///
  /// - Parameter cursor: `next` of the page before; nil: from the beginning.
  func page(of section: StoreSection, after cursor: String?) throws(StoreError) -> StorePage

  func counters() throws(StoreError) -> StoreCounters

  /// What was said last to ``receive(_:mark:)``; nil: nothing is being moved into this store.
  func transferMark() throws(StoreError) -> String?

  /// Adds rows, or replaces those of the same key, and keeps `mark`: both or nothing, or else the rows before the mark.
  func receive(_ rows: [StoreRow], mark: String) throws(StoreError)

  /// The last step: the counters are as given, and the mark goes.
  func finishTransfer(_ counters: StoreCounters) throws(StoreError)

  /// Removes everything, and keeps `mark`.
  func clear(mark: String) throws(StoreError)
}

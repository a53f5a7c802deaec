package import Chronology

/// What `moondial doctor` tells about a store.
package struct StoreReport: Sendable, Equatable {
  /// A run that has not ended.
  package struct OpenRun: Sendable, Equatable {
    package var id: RunID
    package var job: String
    package var scheduledAt: Instant
    /// nil: waiting.
    package var claimedAt: Instant?

    package init(id: RunID, job: String, scheduledAt: Instant, claimedAt: Instant?) {
      self.id = id
      self.job = job
      self.scheduledAt = scheduledAt
      self.claimedAt = claimedAt
    }
  }

  /// How many there are of each.
  package struct Counts: Sendable, Equatable {
    package var jobs = 0
    package var schedules = 0
    package var runs = 0
    package var decisions = 0
    package var logLines = 0
    package var keyValues = 0
    /// Marks of files that jobs watch.
    package var watchedFiles = 0
    package init() {}
  }

  /// What a store that is a file takes on the disk.
  package struct FileSize: Sendable, Equatable {
    package var fileBytes: Int64
    /// The write-ahead log: changes that are not in the file yet.
    package var logBytes: Int64
    /// Inside the file, free for new rows.
    package var freeBytes: Int64

    package init(fileBytes: Int64, logBytes: Int64, freeBytes: Int64) {
      self.fileBytes = fileBytes
      self.logBytes = logBytes
      self.freeBytes = freeBytes
    }
  }

  /// Where the store lies: a path, or an address without its password.
  package var location: String
  /// nil: the store has no versions.
  package var schemaVersion: Int?
  /// What is damaged, at most 20 sentences; empty when the store is sound.
  package var damages: [String] = []
  /// Who schedules from it at this moment.
  package var scheduler: String?
  /// Since when; nil when nobody does, or it is not known.
  package var schedulerSince: Instant?
  /// nil: it is no file.
  package var size: FileSize?
  package var counts = Counts()
  /// When the first and the last of the ended runs were due; a backfill makes runs of earlier times later.
  package var oldestRun: Instant?
  package var newestRun: Instant?
  /// The oldest 100 runs without an outcome. With no host up, claimed ones were interrupted.
  package var openRuns: [OpenRun] = []
  package var openRunCount = 0
  package var clockEpoch = ClockEpoch(0)

  package init(location: String) { self.location = location }

  package var isSound: Bool { damages.isEmpty }
}

/// A job script that was made from another scheduler's files, and what has to be said about it.
package struct ImportedScript: Sendable {
  /// The script. It loads as it is.
  package var lua: String
  /// What could not be carried over, or means something else here: in the order of the lines.
  package var notes: [ImportNote]
  /// How many jobs it declares.
  package var jobCount: Int

  /// Whether something that ran there does not run here.
  package var isIncomplete: Bool { notes.contains { $0.isLoss } }
}

/// One sentence about what was imported: also a comment in the script.
package struct ImportNote: Sendable, Hashable, CustomStringConvertible {
  /// Where: `line 12`, `backup.timer`.
  package var place: String
  package var message: String
  /// Whether a job is missing because of it.
  package var isLoss = false

  package var description: String { "\(place): \(message)" }
}

/// What surrounds an import: only words, so that the import itself does no I/O.
package struct ImportOrigin: Sendable {
  /// What the script says it was made from: `/etc/crontab`.
  package var source: String
  /// The script's path below the scripts directory, for the grant it needs.
  package var script: String
  /// Names of jobs that the scripts beside it declare: the new jobs get others.
  package var takenNames: Set<String>

  package init(source: String, script: String, takenNames: Set<String> = []) {
    self.source = source
    self.script = script
    self.takenNames = takenNames
  }
}

internal import Chronology
internal import JobModel

/// The document `store` of `meta`: what there is once, and the journals.
///
/// `sequence` counts the commits. Each commit changes this document under the condition that the sequence is still the
/// one that it was computed from, and, of a host, that the epoch is its own: so commits of all processes have one
/// order, and a host that another one has followed commits nothing.
struct StoreState: Sendable {
  static let id: BSON = "store"
  /// How documents lie in this version.
  static let schema: Int64 = 3

  var epoch: Int64 = 0
  var sequence: Int64 = 0
  /// Drawn by who made the last commit.
  var commit = ""
  /// The name of the host's last commit, and of the last ones of processes alongside: who lost the answer to one finds
  /// it here, also when somebody else has made another one since.
  private(set) var hostCommit = ""
  private(set) var otherCommits: [String] = []
  private static let mostOthers = 16
  var clockEpoch = ClockEpoch(0)
  var pause: PauseNote?
  var highestRun: Int64 = 0
  var keyValueVersion: Int64 = 0
  var highestAudit: Int64 = 0
  var highestIntent: Int64 = 0
  /// The highest number of a decision, as one opening of the store counts them.
  var decisions: (opening: String, number: Int64) = ("", 0)
  /// What a migration into this store has said last.
  var transfer: String?
  var hostSince: Instant?
  /// Whether an older version has written it, and its host may be up.
  private(set) var isOlder = false
  /// Of the last commits, oldest first: of all of which the changes may not have come to their documents yet.
  var journals: [Journal] = []

  /// The changes of a commit, on a server without transactions: whoever finds them applies them, again or not.
  struct Journal: Sendable {
    /// Number and name of the commit.
    var sequence: Int64
    var commit: String
    /// nil: it lies in so many parts in `journal`.
    var bytes: [UInt8]?
    var parts: Int

    fileprivate init?(_ value: BSON) {
      guard let document = value.document, let commit = document["commit"]?.text else { return nil }
      self.init(
        sequence: document["sequence"]?.int ?? 0, commit: commit, bytes: document["bytes"]?.bytes,
        parts: document.count("parts"))
    }

    init(sequence: Int64, commit: String, bytes: [UInt8]?, parts: Int) {
      (self.sequence, self.commit, self.bytes, self.parts) = (sequence, commit, bytes, parts)
    }

    fileprivate var document: BSON {
      var document: BSONDocument = ["sequence": .int(sequence), "commit": .text(commit), "parts": .int(Int64(parts))]
      document.add("bytes", bytes.map { .bytes($0) })
      return .document(document)
    }
  }

  init() {}

  init(_ document: BSONDocument, failure: MongoFailure) throws(StoreError) {
    guard let schema = document["schema"]?.int else { throw failure.foreign }
    guard schema <= Self.schema else { throw failure.newer }
    isOlder = schema < Self.schema
    epoch = document["epoch"]?.int ?? 0
    sequence = document["sequence"]?.int ?? 0
    commit = document["commit"]?.text ?? ""
    hostCommit = document["host_commit"]?.text ?? ""
    otherCommits = document["other_commits"]?.array?.compactMap(\.text) ?? []
    clockEpoch = document.epoch("clock_epoch")
    pause = document["pause"]?.document.flatMap(PauseDocuments.note)
    highestRun = document["highest_run"]?.int ?? 0
    guard highestRun < RunID.largest else { throw failure.unreadable("the highest run id (highest_run in meta)") }
    keyValueVersion = document["kv_version"]?.int ?? 0
    highestAudit = document["highest_audit"]?.int ?? 0
    highestIntent = document["highest_intent"]?.int ?? 0
    if let numbers = document["decisions"]?.document {
      decisions = (numbers["opening"]?.text ?? "", numbers["number"]?.int ?? 0)
    }
    transfer = document["transfer"]?.text
    hostSince = document.instant("host_since")
    journals = document["journals"]?.array?.compactMap { Journal($0) } ?? []
    // What an older version has left.
    if let journal = document["journal"]?.document {
      journals.append(
        Journal(sequence: sequence, commit: commit, bytes: journal["bytes"]?.bytes, parts: journal.count("parts")))
    }
  }

  /// Whether a commit of that name was made, by who asks.
  func knows(_ name: String) -> Bool { commit == name || hostCommit == name || otherCommits.contains(name) }

  /// The next commit has that name.
  mutating func name(_ name: String, isHosts: Bool) {
    commit = name
    if isHosts { hostCommit = name } else { otherCommits = (otherCommits + [name]).suffix(Self.mostOthers) }
  }

  /// What a commit sets of it.
  var committed: BSONDocument {
    [
      "sequence": .int(sequence), "commit": .text(commit), "host_commit": .text(hostCommit),
      "other_commits": .array(otherCommits.map { .text($0) }), "clock_epoch": .int(Int64(clockEpoch.number)),
      "pause": pause.map { .document(PauseDocuments.document($0)) } ?? .null, "highest_run": .int(highestRun),
      "kv_version": .int(keyValueVersion), "highest_audit": .int(highestAudit),
      "highest_intent": .int(highestIntent),
      "decisions": ["opening": .text(decisions.opening), "number": .int(decisions.number)],
      "journals": .array(journals.map(\.document)), "journal": .null,
    ]
  }
}

/// 128 bits that nobody else draws.
func drawnName() -> String {
  (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined(separator: "-")
}

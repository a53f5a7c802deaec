/// What the declarations of one script may amount to. Lua's own memory and time are limited by its runtime; this is
/// what the host keeps on the script's behalf.
package struct DeclareQuota: Sendable {
  /// Calls of `job`.
  package var jobs = 100_000
  /// Parts of trigger values (``TriggerExtent``): of those that constructors make, each counted once, and as many of
  /// those that jobs use, each counted once for each job.
  package var triggerParts = 1_000_000
  /// Bytes of the tables and values that are handed to `job`, `job_defaults` and the constructors.
  package var bytes = 64 << 20

  package init() {}
}

/// How much of its quota a script has used.
struct DeclaredAmounts {
  private(set) var jobs = 0
  private var madeParts = 0
  private var usedParts = 0

  mutating func addJob(_ quota: DeclareQuota) throws(DeclareOverrun) {
    jobs += 1
    guard jobs <= quota.jobs else {
      throw DeclareOverrun("a script may declare \(quota.jobs) jobs; let several scripts declare them")
    }
  }

  /// - Parameter parts: what the constructor was given, without what is inside trigger values among it.
  mutating func addMade(_ parts: Int, _ quota: DeclareQuota) throws(DeclareOverrun) {
    madeParts += parts
    guard madeParts <= quota.triggerParts else {
      throw DeclareOverrun(
        "the trigger values of a script may have \(quota.triggerParts) parts; make them once and share them")
    }
  }

  /// - Parameter parts: of the trigger of a job, with everything in it.
  mutating func addUsed(_ parts: Int, _ quota: DeclareQuota) throws(DeclareOverrun) {
    usedParts += parts
    guard usedParts <= quota.triggerParts else {
      throw DeclareOverrun(
        "the triggers of a script's jobs may have \(quota.triggerParts) parts; give the jobs smaller triggers, or let "
          + "several scripts declare them")
    }
  }

  func checkBytes(_ bytes: Int, _ quota: DeclareQuota) throws(DeclareOverrun) {
    guard bytes <= quota.bytes else {
      throw DeclareOverrun("what a script declares may have \(quota.bytes) bytes; let several scripts declare it")
    }
  }
}

/// A script has declared more than it may: one sentence, which ends its top level.
struct DeclareOverrun: Error, Sendable, Hashable {
  let message: String
  init(_ message: String) { self.message = message }
}

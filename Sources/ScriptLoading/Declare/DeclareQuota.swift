package import JobModel

/// What the declarations of one script may amount to. Lua's own memory and time are limited by its runtime; this is
/// what the host keeps on the script's behalf.
package struct DeclareQuota: Sendable, Hashable {
  /// Calls of `job`.
  package var jobs: Int
  /// Parts of trigger values (``TriggerExtent``): of those that constructors make, each counted once, and as many of
  /// those that jobs use, each counted once for each job.
  package var triggerParts: Int
  /// Bytes of the tables and values that are handed to `job`, `job_defaults` and the constructors.
  package var bytes: Int

  package init(_ quotas: Quotas = Quotas()) {
    jobs = quotas.jobsPerScript
    triggerParts = quotas.triggerPartsPerScript
    bytes = quotas.declaredBytesPerScript
  }
}

/// How much of its quota a script has used.
struct DeclaredAmounts {
  private(set) var jobs = 0
  private var madeParts = 0
  private var usedParts = 0

  mutating func addJob(_ quota: DeclareQuota) throws(DeclareOverrun) {
    jobs += 1
    guard jobs <= quota.jobs else {
      throw DeclareOverrun(
        Quotas.message(
          "a script may declare \(quota.jobs) jobs; let several scripts declare them", "jobs_per_script"))
    }
  }

  /// - Parameter parts: what the constructor was given, without what is inside trigger values among it.
  mutating func addMade(_ parts: Int, _ quota: DeclareQuota) throws(DeclareOverrun) {
    madeParts += parts
    guard madeParts <= quota.triggerParts else {
      throw DeclareOverrun(
        Quotas.message(
          "the trigger values of a script may have \(quota.triggerParts) parts; make them once and share them",
          "trigger_parts_per_script"))
    }
  }

  /// - Parameter parts: of the trigger of a job, with everything in it.
  mutating func addUsed(_ parts: Int, _ quota: DeclareQuota) throws(DeclareOverrun) {
    usedParts += parts
    guard usedParts <= quota.triggerParts else {
      throw DeclareOverrun(
        Quotas.message(
          "the triggers of a script's jobs may have \(quota.triggerParts) parts; give the jobs smaller triggers, or let "
            + "several scripts declare them", "trigger_parts_per_script"))
    }
  }

  func checkBytes(_ bytes: Int, _ quota: DeclareQuota) throws(DeclareOverrun) {
    guard bytes <= quota.bytes else {
      throw DeclareOverrun(
        Quotas.message(
          "what a script declares may have \(quota.bytes) bytes; let several scripts declare it",
          "declared_bytes_per_script"))
    }
  }
}

/// A script has declared more than it may: one sentence, which ends its top level.
struct DeclareOverrun: Error, Sendable, Hashable {
  let message: String
  init(_ message: String) { self.message = message }
}

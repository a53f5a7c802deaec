internal import Chronology
internal import JobModel

/// What holds for a job from now on, in sentences: when it runs next, what else lets it run, and what keeps it from it.
struct ScheduleWords {
  /// As a store keeps it: the job's own, or a dynamic one.
  let record: ScheduleRecord
  /// As a script declares the job; nil: none does that can be asked.
  let job: JobDefinition?
  let isEverythingPaused: Bool
  let zone: TimeZoneRules

  var sentences: [String] {
    if let gone = record.orphanedAt {
      return ["orphaned since \(TimeFormat.time(gone, in: zone)): its script, or the job in it, is gone"]
    }
    let obstacle = obstacles
    return [obstacle.isEmpty ? plain : obstacle.joined(separator: " and ") + skipped] + join
  }

  // MARK: When it runs

  private var next: String {
    record.nextFire.map { "next fire time \(TimeFormat.time($0, in: zone))" } ?? "no further fire time"
  }

  private var plain: String {
    // A dynamic schedule is a time, whatever else the job runs on.
    guard record.dynamic == nil else { return next }
    guard let job else {
      return record.trigger == nil ? "no trigger: runs on events, with files, after jobs, or when asked" : next
    }
    let causes = causes(of: job)
    if record.trigger != nil { return next + (causes.isEmpty ? "" : "; it also runs " + Self.list(causes, "and")) }
    return causes.isEmpty
      ? "no trigger: runs only when asked" : "no trigger: runs " + Self.list(causes + ["when asked"], "or")
  }

  /// What lets it run in addition to its times.
  private func causes(of job: JobDefinition) -> [String] {
    var causes = job.runAtStart ? ["at each start of the host"] : []
    if !job.events.isEmpty {
      let names = job.events.map { "\"\($0)\"" }
      causes.append("on the event\(names.count == 1 ? "" : "s") " + Self.list(names, "or"))
    }
    if let after = job.afterInWords { causes += after.split(separator: "; ").map(String.init) }
    if let watch = job.watch { causes.append(watch.inWords) }
    return causes
  }

  // MARK: What keeps it from that

  private var obstacles: [String] {
    var obstacles: [String] = []
    if let job, !job.enabled { obstacles.append("disabled (enabled = false)") }
    if record.isPaused {
      obstacles.append("paused" + (record.pause?.reason.map { " (\($0))" } ?? ""))
    } else if isEverythingPaused {
      obstacles.append("paused with everything")
    }
    return obstacles
  }

  private var skipped: String {
    guard record.nextFire == nil else { return "; \(next) will be skipped" }
    guard record.trigger == nil else { return "; \(next)" }
    guard let job, record.dynamic == nil else { return ": it runs only when asked" }
    let causes = causes(of: job)
    return causes.isEmpty
      ? ": it runs only when asked, as it would anyway"
      : ": it does not run \(Self.list(causes, "or")), only when asked"
  }

  // MARK: Joins

  /// Who of those that a join waits for has come.
  private var join: [String] {
    guard let job, !job.afterAll.isEmpty, record.dynamic == nil else { return [] }
    let come = job.afterAll.compactMap { name in record.arrivals.first { $0.job == name } }
    let missing = job.afterAll.filter { name in !come.contains { $0.job == name } }
    let since = "since this job was last let run by them"
    guard !come.isEmpty else { return ["it waits for \(Self.list(missing, "and")): none has succeeded \(since)"] }
    let there = Self.list(come.map { "\($0.job) (run \($0.run))" }, "and")
    return ["it waits for \(Self.list(missing, "and")): \(there) succeeded \(since)"]
  }

  private static func list(_ parts: [String], _ word: String) -> String {
    guard parts.count > 1, let last = parts.last else { return parts.first ?? "" }
    let comma = parts.count > 2 ? "," : ""
    return parts.dropLast().joined(separator: ", ") + "\(comma) \(word) \(last)"
  }
}

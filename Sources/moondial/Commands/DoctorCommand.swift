import ArgumentParser
import Basics
import CLinux
import Chronology
import Glibc
import Hosting
import JobModel
import Lua

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Whether the stores are sound, how large they are, and what in them has not ended.",
    discussion: "Example:\n  moondial doctor --state /var/lib/moondial")

  @OptionGroup var options: StoreOptions
  @Flag(help: "One JSON document; of several stores, a list.") var json = false

  func run() throws {
    let stores = try options.open()
    let reports = try Self.reports(of: stores)
    if json {
      let documents = reports.map { document($0, stores.zone) }
      Terminal.json(documents.count == 1 ? documents[0] : JSONObject.array(documents))
    } else {
      for (index, report) in reports.enumerated() {
        if index > 0 { Terminal.line("") }
        for line in Self.lines(report, stores.zone) { Terminal.line(line) }
      }
      Terminal.line("")
      for line in Self.boundary { Terminal.line(line) }
    }
    if !reports.allSatisfy(\.isSound) { throw CommandFailure.silent }
  }

  /// What this kernel has to bound the processes of executors.
  static var boundary: [String] {
    let version = linux_landlock_version()
    let landlock =
      switch version {
      case 0: "none: the kernel has no Landlock, files of worker processes are bounded by their user only"
      case 1..<6: "version \(version): files; not signals, which came with version 6: give worker processes a user"
      default: "version \(version): files and signals"
      }
    return ["\(VisibleText.padded("landlock", to: 16)) \(landlock)"]
  }

  /// What the stores say of themselves; of one that says nothing, a sentence. Throws when all are such.
  static func reports(of stores: ReadStores) throws -> [StoreReport] {
    var reports: [StoreReport] = []
    var silent: [String] = []
    for member in stores.members {
      if let store = member.store as? any DiagnosableStore {
        reports.append(try ReadStores.orFail { try store.doctor() })
      } else {
        silent.append("the store \(member.store.location) cannot examine itself: its server's tools can")
      }
    }
    guard !reports.isEmpty else { throw CommandFailure(silent.joined(separator: "\n")) }
    for sentence in silent { Terminal.error(sentence) }
    return reports
  }

  /// A report for a person to read.
  static func lines(_ report: StoreReport, _ zone: TimeZoneRules) -> [String] {
    var lines: [String] = []
    func row(_ name: String, _ value: String) { lines.append("\(VisibleText.padded(name, to: 16)) \(value)") }
    row("store", report.location + (report.schemaVersion.map { ", schema \($0)" } ?? ""))
    row("library", LuaRuntime.luaVersion)
    row("integrity", report.isSound ? "sound" : "DAMAGED")
    lines += report.damages.map { "  " + $0 }
    row("held by", holder(report, zone) ?? "no host")
    if let size = report.size {
      row("size", "\(text(size.fileBytes)), log \(text(size.logBytes)), free \(text(size.freeBytes))")
    }
    let counts = report.counts
    row(
      "rows",
      "\(counts.schedules) schedules, \(counts.runs) runs, \(counts.decisions) decisions, \(counts.logLines) log lines, "
        + "\(counts.keyValues) kv, \(counts.watchedFiles) watched files")
    if let oldest = report.oldestRun, let newest = report.newestRun {
      row("runs from", "\(TimeFormat.time(oldest, in: zone)) to \(TimeFormat.time(newest, in: zone))")
    }
    row("not ended", "\(report.openRunCount)")
    for run in report.openRuns {
      let state = run.claimedAt == nil ? "waits" : "claimed"
      lines.append("  run \(run.id) of \(run.job), due \(TimeFormat.time(run.scheduledAt, in: zone)), \(state)")
    }
    if report.openRunCount > 0, report.scheduler == nil {
      lines.append("  no host is up: the next one records the claimed ones as interrupted and runs the waiting ones")
    }
    return lines
  }

  /// Who schedules from the store, and since when; nil: nobody.
  private static func holder(_ report: StoreReport, _ zone: TimeZoneRules) -> String? {
    report.scheduler.map { who in
      report.schedulerSince.map { "\(who), since \(TimeFormat.time($0, in: zone))" } ?? who
    }
  }

  /// In whole units, of which there are at least ten unless they are the smallest.
  private static func text(_ bytes: Int64) -> String {
    if bytes < 10 << 10 { return "\(bytes) B" }
    return bytes < 10 << 20 ? "\((bytes + 512) >> 10) KB" : "\((bytes + 524_288) >> 20) MB"
  }

  private func document(_ report: StoreReport, _ zone: TimeZoneRules) -> String {
    var document = JSONObject()
    document.set("path", report.location)
    document.set("schema", report.schemaVersion)
    document.set("lua", LuaRuntime.luaVersion)
    document.set("landlock", Int(linux_landlock_version()))
    document.set("sound", report.isSound)
    document.set("damages", json: JSONObject.array(report.damages.map(JSONObject.quote)))
    document.set("held_by", Self.holder(report, zone))
    document.set("file_bytes", report.size?.fileBytes)
    document.set("log_bytes", report.size?.logBytes)
    document.set("free_bytes", report.size?.freeBytes)
    document.set("schedules", report.counts.schedules)
    document.set("runs", report.counts.runs)
    document.set("decisions", report.counts.decisions)
    document.set("log_lines", report.counts.logLines)
    document.set("kv", report.counts.keyValues)
    document.set("watched_files", report.counts.watchedFiles)
    document.set("oldest_run", report.oldestRun.map { ISO8601.format($0, in: zone) })
    document.set("newest_run", report.newestRun.map { ISO8601.format($0, in: zone) })
    document.set("not_ended", report.openRunCount)
    return document.json
  }
}

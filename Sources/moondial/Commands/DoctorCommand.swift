import ArgumentParser
import Basics
import Chronology
import Glibc
import Hosting
import JobModel
import Lua
import SQLiteStore

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Whether the stores are sound, how large they are, and what in them has not ended.",
    discussion: "Example:\n  moondial doctor --state /var/lib/moondial")

  @OptionGroup var options: StoreOptions
  @Flag(help: "One JSON document; of several stores, a list.") var json = false

  func run() throws {
    let stores = try options.open()
    let reports = try ReadStores.orFail { try stores.members.map { try $0.store.doctor() } }
    if json {
      let documents = reports.map { document($0, stores.zone) }
      Terminal.json(documents.count == 1 ? documents[0] : JSONObject.array(documents))
    } else {
      for (index, report) in reports.enumerated() {
        if index > 0 { Terminal.line("") }
        show(report, stores.zone)
      }
    }
    if !reports.allSatisfy(\.isSound) { throw CommandFailure.silent }
  }

  private func show(_ report: StoreReport, _ zone: TimeZoneRules) {
    func row(_ name: String, _ value: String) { Terminal.line("\(VisibleText.padded(name, to: 16)) \(value)") }
    row("store", "\(report.path), schema \(report.schemaVersion)")
    row("library", LuaRuntime.luaVersion)
    row("integrity", report.isSound ? "sound" : "DAMAGED")
    for damage in report.damages { Terminal.line("  " + damage) }
    row("held by", report.scheduler ?? "no host")
    row(
      "size", "\(megabytes(report.fileBytes)), log \(megabytes(report.logBytes)), free \(megabytes(report.freeBytes))")
    row(
      "rows",
      "\(report.schedules) schedules, \(report.runs) runs, \(report.decisions) decisions, \(report.logLines) log lines, \(report.keyValues) kv, \(report.watchedFiles) watched files"
    )
    if let oldest = report.oldestRun, let newest = report.newestRun {
      row("runs from", "\(TimeFormat.time(oldest, in: zone)) to \(TimeFormat.time(newest, in: zone))")
    }
    row("not ended", "\(report.openRunCount)")
    for run in report.openRuns {
      let state = run.claimedAt == nil ? "waits" : "claimed"
      Terminal.line("  run \(run.id) of \(run.job), due \(TimeFormat.time(run.scheduledAt, in: zone)), \(state)")
    }
    if report.openRunCount > 0, report.scheduler == nil {
      Terminal.line("  no host is up: the next one records the claimed ones as interrupted and runs the waiting ones")
    }
  }

  private func megabytes(_ bytes: Int64) -> String { "\((bytes + 524_288) / 1_048_576) MB" }

  private func document(_ report: StoreReport, _ zone: TimeZoneRules) -> String {
    var document = JSONObject()
    document.set("path", report.path)
    document.set("schema", report.schemaVersion)
    document.set("lua", LuaRuntime.luaVersion)
    document.set("sound", report.isSound)
    document.set("damages", json: JSONObject.array(report.damages.map(JSONObject.quote)))
    document.set("held_by", report.scheduler)
    document.set("file_bytes", report.fileBytes)
    document.set("log_bytes", report.logBytes)
    document.set("free_bytes", report.freeBytes)
    document.set("schedules", report.schedules)
    document.set("runs", report.runs)
    document.set("decisions", report.decisions)
    document.set("log_lines", report.logLines)
    document.set("kv", report.keyValues)
    document.set("watched_files", report.watchedFiles)
    document.set("oldest_run", report.oldestRun.map { ISO8601.format($0, in: zone) })
    document.set("newest_run", report.newestRun.map { ISO8601.format($0, in: zone) })
    document.set("not_ended", report.openRunCount)
    return document.json
  }
}

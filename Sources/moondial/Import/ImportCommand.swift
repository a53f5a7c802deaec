import ArgumentParser
import Chronology
import Glibc
import Importing
import Triggers

/// `moondial import`: job scripts from what ran jobs before.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Write a job script from a crontab, or from systemd timers.",
    subcommands: [ImportCrontabCommand.self, ImportSystemdCommand.self])
}

struct ImportCrontabCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crontab",
    abstract:
      "Write a job script from a crontab: each entry a job below its line. Exit code 1 if one is left out.",
    discussion: """
      Examples:
        crontab -l | moondial import crontab -o scripts/cron.lua
        moondial import crontab /etc/cron.d/backup
      """)

  @Argument(help: "The crontab; - is standard input.") var file = "-"
  @Flag(
    inversion: .prefixedNo,
    help:
      "Entries name an account before the command. Default: told from the path (/etc/cron…) and the entries."
  )
  var system: Bool?
  @OptionGroup var output: ImportOutput

  func run() throws {
    if file == "-", isatty(STDIN_FILENO) == 1 {
      throw CommandFailure(.usage, "name a crontab, or pipe one in: crontab -l | moondial import crontab")
    }
    let text = try ImportFiles.read(file)
    let isSystemPath = file == "/etc/crontab" || file.hasPrefix("/etc/cron.d/")
    let crontab = Crontab(text, isSystemWide: system ?? (isSystemPath || Crontab.looksSystemWide(text)))
    let origin = ImportOrigin(
      source: file == "-" ? "a crontab" : file, script: output.scriptName(otherwise: "crontab.lua"))
    try output.write(crontab.script(from: origin, context: try ImportFiles.context()))
  }
}

struct ImportSystemdCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "systemd",
    abstract:
      "Write a job script from timers of systemd and the services beside them. Exit code 1 if something is left out.",
    discussion: "Example:\n  moondial import systemd /etc/systemd/system/backup.timer -o scripts/backup.lua")

  @Argument(help: "Timer units. Services are found beside them; drop-ins are read.") var timers: [String]
  @OptionGroup var output: ImportOutput

  func run() throws {
    let units = try timers.map { path in
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      let name = String(parts.last ?? "")
      guard name.hasSuffix(".timer") else {
        throw CommandFailure(
          .usage, "\(path) is no timer: name files that end in .timer; their services are found beside them")
      }
      let directory = parts.count > 1 ? parts.dropLast().joined(separator: "/") + "/" : ""
      return TimerUnit(name: name, timer: try ImportFiles.unit(path)) { ImportFiles.service($0, beside: directory) }
    }
    let origin = ImportOrigin(
      source: timers.joined(separator: ", "), script: output.scriptName(otherwise: "timers.lua"))
    try output.write(TimerUnit.script(of: units, from: origin, context: try ImportFiles.context()))
  }
}

/// Where an imported script goes.
struct ImportOutput: ParsableArguments {
  @Option(name: .shortAndLong, help: "A new file for the script. Default: standard output.") var output: String?

  func scriptName(otherwise name: String) -> String {
    output.flatMap { $0.split(separator: "/").last.map(String.init) } ?? name
  }

  /// Writes the script, and what is worth knowing to standard error.
  func write(_ script: ImportedScript) throws {
    if let output { try ImportFiles.create(output, script.lua) } else { Terminal.text(script.lua) }
    for note in script.notes { Terminal.error(note.description) }
    if let output { Terminal.line("\(counted(script.jobCount, "job")) in \(output)") }
    if script.isIncomplete { throw CommandFailure.silent }
  }
}

import ArgumentParser
import Glibc
import Importing

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
    let path = ImportFiles.resolved(file)
    let isSystemPath = path == "/etc/crontab" || path.hasPrefix("/etc/cron.d/")
    let looksSystemWide = Crontab.looksSystemWide(
      text, isAccount: ImportFiles.isAccount, isProgram: ImportFiles.isProgram)
    let crontab = Crontab(text, isSystemWide: system ?? (isSystemPath || looksSystemWide))
    let origin = output.origin(source: file == "-" ? "a crontab" : file, otherwise: "crontab.lua")
    try output.write(crontab.script(from: origin, context: try ImportFiles.context()))
  }
}

struct ImportSystemdCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "systemd",
    abstract:
      "Write a job script from timers of systemd and the services beside them. Exit code 1 if something is left out.",
    discussion: "Example:\n  moondial import systemd /etc/systemd/system/backup.timer -o scripts/backup.lua")

  @Argument(
    help: "Timer units, by path or by name. Their services and drop-ins are found as systemd finds them.")
  var timers: [String]
  @OptionGroup var output: ImportOutput

  func run() throws {
    let search = UnitSearch(
      read: { ImportFiles.unitText($0) }, list: { ImportFiles.files(in: $0, ending: ".conf") })
    let units = try timers.map { path in
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      let name = String(parts.last ?? "")
      guard name.hasSuffix(".timer") else {
        throw CommandFailure(
          .usage, "\(path) is no timer: name files that end in .timer; their services are found beside them")
      }
      let directories = ImportFiles.unitDirectories(path, name)
      guard let timer = search.unit(name, in: directories) else {
        // For its words: why the file cannot be read.
        throw CommandFailure("\(path): \(try ImportFiles.read(path).isEmpty ? "it is empty" : "it cannot be found")")
      }
      return TimerUnit(name: name, timer: timer) { search.unit($0, in: directories) }
    }
    let origin = output.origin(source: timers.joined(separator: ", "), otherwise: "timers.lua")
    try output.write(TimerUnit.script(of: units, from: origin, context: try ImportFiles.context()))
  }
}

/// Where an imported script goes.
struct ImportOutput: ParsableArguments {
  @Option(name: .shortAndLong, help: "A new file for the script. Default: standard output.") var output: String?

  /// What the script is made from, and where it goes, as far as that is known: to `--output`, or to the Lua file that
  /// the shell gave for standard output.
  func origin(source: String, otherwise name: String) -> ImportOrigin {
    let target = output ?? ImportFiles.standardOutputFile
    guard let target, target.hasSuffix(".lua") else { return ImportOrigin(source: source, script: name) }
    let path = ImportFiles.resolved(target)
    return ImportOrigin(
      source: source, script: target.split(separator: "/").last.map(String.init) ?? name,
      takenNames: ImportFiles.jobNames(beside: path))
  }

  /// Writes the script, and what is worth knowing to standard error.
  func write(_ script: ImportedScript) throws {
    if let output { try ImportFiles.create(output, script.lua) } else { Terminal.text(script.lua) }
    for note in script.notes { Terminal.error(note.description) }
    if let output { Terminal.line("\(counted(script.jobCount, "job")) in \(output)") }
    if script.isIncomplete { throw CommandFailure.silent }
  }
}

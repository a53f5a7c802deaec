import ArgumentParser
import Basics
import Chronology
import Glibc
import Hosting
import JobModel
import Lua

/// The `moondial` command. Exit codes: 0 fine, 1 the thing asked for failed, 2 usage, 3 no host is running.
@main
struct Moondial: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moondial",
    abstract:
      "Hosts Lua job scripts: loads a directory of them, runs their jobs when they are due, and follows every edit.",
    discussion: """
      Examples:
        moondial run                        host the scripts in ./scripts
        moondial check                      every mistake, and nothing runs
        moondial next 'cron "0 9 * * mon-fri"' --timezone Europe/Berlin
        moondial exec backup --param dry=true
      """,
    version: "\(version) (\(LuaRuntime.luaVersion))",
    subcommands: [
      RunCommand.self, CheckCommand.self, ListCommand.self, NextCommand.self, SimulateCommand.self, TestCommand.self,
      ExecCommand.self,
      HistoryCommand.self, ExplainCommand.self, BackupCommand.self, MigrateCommand.self, DoctorCommand.self,
      ForgetCommand.self,
      MetricsCommand.self, InitCommand.self, FunctionsCommand.self,
      StatusCommand.self, TriggerCommand.self, PauseCommand.self, ResumeCommand.self, CancelCommand.self,
      RetryCommand.self, ReloadCommand.self, LogsCommand.self, UpcomingCommand.self, ScheduleCommand.self,
      UnscheduleCommand.self, BackfillCommand.self, TopCommand.self, DashboardCommand.self,
      NodesCommand.self,
      ImportCommand.self, BenchCommand.self, WorkerCommand.self,
    ])

  static let version = MoondialVersion.text

  static func main() {
    StandardDescriptors.makeWhole()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      if !failure.message.isEmpty { Terminal.error("moondial: " + short(failure.message)) }
      Terminal.exit(failure.code)
    } catch let error as HostError {
      // One line for each thing that is wrong; what is quoted in them was made visible where they were joined.
      for line in error.message.split(separator: "\n") { Terminal.error("moondial: " + short(line)) }
      Terminal.exit(error.kind == .usage ? .usage : .failed)
    } catch {
      let isFine = exitCode(for: error) == .success
      let message = isFine ? fullMessage(for: error) : visible(fullMessage(for: error))
      Terminal.text(isFine ? message + "\n" : message, isError: !isFine)
      Terminal.exit(isFine ? .fine : .usage)
    }
    Terminal.exit(.fine)
  }

  /// What somebody typed is quoted in full as long as a person could read it.
  private static func short(_ message: some StringProtocol) -> String { String(message).cut(toBytes: messageBytes) }
  private static let messageBytes = 4_096

  /// A message about usage has lines of its own, and quotes what was typed: that stays on its line.
  private static func visible(_ message: String) -> String {
    var message = message
    for argument in CommandLine.arguments.dropFirst()
    where argument.utf8.count > quotedBytes || VisibleText.line(argument) != argument {
      for part in [argument] + argument.split(separator: "=", maxSplits: 1).map(String.init) where !part.isEmpty {
        message = message.replacing(part, with: VisibleText.line(part).cut(toBytes: quotedBytes))
      }
    }
    return message
  }
  private static let quotedBytes = 200
}

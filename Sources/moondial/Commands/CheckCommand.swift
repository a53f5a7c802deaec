import JobModel
internal import Chronology
import ArgumentParser
import Glibc
import Hosting
import ScriptLoading
import ScriptRuntime

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract:
      "Load and validate everything, run nothing, and print every mistake with file and line. Exit code 1 if there is any.",
    discussion: "Example:\n  moondial check scripts --json")

  @OptionGroup var scripts: ScriptOptions
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    let session = try ScriptSession(
      scripts.directory, scripts.settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
    let (generation, warnings) = try session.check(variables: Environment.all.keys)
    let problems = generation.problems + session.watchProblems(of: generation) + warnings
    let errors = problems.count { $0.severity == .error }
    if json {
      Terminal.json(document(generation, problems))
    } else {
      for problem in problems {
        Terminal.error(problem.description)
      }
      let summary = "\(counted(generation.jobs.count, "job")) in \(counted(generation.scripts.count, "script"))"
      if errors == 0 {
        Terminal.line("\(summary), no mistakes")
      } else {
        Terminal.error("\(summary), \(counted(errors, "mistake"))")
      }
    }
    if errors > 0 { throw CommandFailure.silent }
  }

  private func document(_ generation: LoadedGeneration, _ problems: [ScriptProblem]) -> String {
    var document = JSONObject()
    document.set("jobs", generation.jobs.count)
    document.set("scripts", generation.scripts.count)
    document.set(
      "problems",
      json: JSONObject.array(
        problems.map { problem in
          var entry = JSONObject()
          entry.set("severity", problem.severity == .error ? "error" : "note")
          entry.set("file", problem.location.file)
          entry.set("line", problem.location.line)
          entry.set("message", problem.message)
          return entry.json
        }))
    return document.json
  }
}

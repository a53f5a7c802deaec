internal import JobModel
internal import Lua

/// Captures what the functions of a script's jobs can reach, after its top level has ended.
enum JobCapture {
  /// Errors after which the search for others ends: each costs a capture of all jobs that are left.
  private static let errorLimit = 20

  /// The capsules of `jobs`, in their order, or `nil` after adding what stands in the way to `problems`. Captured
  /// locals that two jobs assign become notes.
  static func capture(
    _ jobs: [DeclaredJob], in declaration: LuaDeclaration, script: String, problems: inout ScriptProblems,
    location: (_ hostField: String) -> SourceLocation?
  ) -> [LuaCapsule]? {
    // A capture ends with the first thing that it cannot keep. The others are found by capturing what is left.
    var rest = jobs
    for _ in 0..<errorLimit {
      do throws(LuaCaptureError) {
        let capture = try LuaCapture(of: rest.map(\.roots), in: declaration)
        guard rest.count == jobs.count else { return nil }
        note(capture.conflicts, jobs, &problems)
        return capture.capsules
      } catch {
        guard let index = error.job else {
          // "string.split was added to a host table; …"
          let field = error.message.contains(" a host table; ") ? error.message.split(separator: " ").first : nil
          problems.error(
            at: field.flatMap { location(String($0)) } ?? SourceLocation(file: script, line: 0), error.message)
          return nil
        }
        let job = rest.remove(at: index).definition
        problems.error(at: job.source, "job \(quoted(job.name)): \(error.message)")
      }
    }
    return nil
  }

  private static func note(_ conflicts: [LuaCaptureConflict], _ jobs: [DeclaredJob], _ problems: inout ScriptProblems) {
    for conflict in conflicts {
      let (first, second) = (jobs[conflict.firstJob].definition, jobs[conflict.secondJob].definition)
      problems.note(
        at: second.source,
        "job \(quoted(second.name)) and job \(quoted(first.name)) both assign the local \(quoted(conflict.local)), but each has a "
          + "copy of its own; keep what they share in kv")
    }
  }
}

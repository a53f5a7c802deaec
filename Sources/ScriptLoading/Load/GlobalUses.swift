internal import JobModel
internal import Lua

/// What a script does with globals, as far as its text tells.
struct GlobalUses {
  private let uses: [LuaGlobalUse]
  /// What the script and its modules assign.
  let assigned: Set<String>

  /// Globals that the `lua` program has and the thread pool has not.
  private static let ofTheProgram: Set<String> = ["io", "package", "debug", "dofile", "loadfile", "warn"]

  init(_ uses: [LuaGlobalUse]) {
    self.uses = uses
    assigned = Set(uses.lazy.filter(\.isAssigned).map(\.name))
  }

  /// A note for each line of a script that reads what nobody sets. At run time that is an error, which may be the night
  /// after next. Modules may ask for what is not there.
  ///
  /// - Parameter hasAllLibraries: whether the libraries of the `lua` program may be there when it runs.
  func note(in problems: inout ScriptProblems, hasAllLibraries: Bool) {
    for use in uses where !use.isAssigned && !assigned.contains(use.name) {
      if hasAllLibraries, Self.ofTheProgram.contains(use.name) { continue }
      let location = SourceLocation(file: use.file, line: use.line)
      if let instead = LuaGlobalUse.instead(of: use.name) {
        problems.note(at: location, "\(use.name) is not here: \(instead)")
      } else {
        problems.note(at: location, "the global \(quoted(use.name)) is read here, and nothing sets it")
      }
    }
  }
}

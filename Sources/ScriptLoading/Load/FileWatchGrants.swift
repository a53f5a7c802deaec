package import FileWatching
package import JobModel
package import ScriptRuntime

/// What a script may watch: the same that it may read with `fs`. A watch tells it the names, sizes and times of files,
/// so each directory that a pattern begins in must be granted, and so must be what links lead to.
package enum FileWatchGrants {
  /// Whether `grants` allow to see what is at `path`, which is absolute.
  package static func allow(_ path: String, _ grants: Grants) -> Bool {
    guard case .below(let roots) = grants.files else { return true }
    if roots.contains(where: { PlainPath.components(of: path, below: $0.path) != nil }) { return true }
    // The granted directory may itself be reached through links, which are the operator's own.
    return roots.contains { root in
      SystemCall.resolve(root.path).map { PlainPath.components(of: path, below: $0) != nil } ?? false
    }
  }

  /// The sentence for a job whose script may not see `directory`, with the line to add.
  package static func refusal(_ source: SourceLocation, directory: String, base: String) -> String {
    let shown = PlainPath.components(of: directory, below: base).map { $0.joined(separator: "/") }
    return Grants.refusal(
      of: "watching \(directory)", to: ScriptPath(source.file),
      grant: "fs = { \"\(shown.map { $0.isEmpty ? "." : $0 } ?? directory):r\" }")
  }

  /// What is missing for the watches of `jobs`, for those who only look: one problem for each directory of a job.
  ///
  /// - Parameters:
  ///   - base: where relative paths start.
  ///   - grants: what a script may do.
  package static func problems(
    of jobs: [JobDefinition], base: String, grants: (ScriptPath) -> Grants
  ) -> [ScriptProblem] {
    jobs.flatMap { job -> [ScriptProblem] in
      guard let watch = job.watch else { return [] }
      let granted = grants(ScriptPath(job.source.file))
      // The paths were checked when the job was declared.
      let roots = watch.paths.flatMap { (try? PathPattern.parse($0, from: base)) ?? [] }.map(\.root)
      var missing: [String] = []
      for root in roots {
        // A directory that is not there is nowhere else either.
        let denied = [root, SystemCall.resolve(root) ?? root].first { !allow($0, granted) }
        if let denied, !missing.contains(denied) { missing.append(denied) }
      }
      return missing.map { directory in
        ScriptProblem(
          .error, at: job.source, "job \(quoted(job.name)): \(refusal(job.source, directory: directory, base: base))")
      }
    }
  }
}

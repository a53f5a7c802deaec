internal import JobModel
internal import FileWatching
internal import ScriptLoading

extension LoadedGeneration {
  /// Which scripts have errors now that had none in `former`, or others; and which have none any more. A script that
  /// was deleted with its errors is told of no more. O(scripts).
  func scriptEvents(since former: LoadedGeneration?) -> [Event] {
    var known: [ScriptPath: [String]] = [:]
    for script in former?.scripts ?? [] {
      let errors = script.errors
      if !errors.isEmpty { known[script.path] = errors }
    }
    return scripts.compactMap { script in
      let errors = script.errors
      let before = known[script.path] ?? []
      if errors == before || pending.contains(script.path) { return nil }
      return errors.isEmpty ? .scriptRepaired(script.path.text) : .scriptFailed(script.path.text, problems: errors)
    }
  }
}

extension LoadedScript {
  /// What keeps it from being loaded as it is now, each as one sentence with its file and line.
  fileprivate var errors: [String] { problems.filter { $0.severity == .error }.map(\.description) }
}

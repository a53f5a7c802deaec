import ArgumentParser
import HostClient
import Hosting
import JobModel

/// What a shell offers while somebody types: names of jobs and schedules, numbers of runs. The host is asked or,
/// without one, the store; whatever goes wrong offers nothing.
enum Completion {
  /// The most that are offered.
  private static let most = 1_000

  @Sendable static func jobs(_ words: [String], _ index: Int, _ word: String) -> [String] {
    guard let client = client(words) else { return [] }
    let query: [(name: String, value: String?)] = [
      ("limit", "\(most)"), ("text", word.isEmpty ? nil : word),
    ]
    if let page = try? client.get(Page<JobAnswer>.self, HostClient.path("jobs"), query: query) {
      return page.items.map(\.name)
    }
    let names = try? ReadStores.completing(words).members.flatMap { try $0.store.jobNames() }
    return Array((names ?? []).prefix(most))
  }

  @Sendable static func runs(_ words: [String], _ index: Int, _ word: String) -> [String] {
    numbers(words, [("limit", "50")])
  }

  @Sendable static func openRuns(_ words: [String], _ index: Int, _ word: String) -> [String] {
    numbers(words, [("limit", "200"), ("open", "true")])
  }

  @Sendable static func jobsAndRuns(_ words: [String], _ index: Int, _ word: String) -> [String] {
    word.first?.isNumber == true ? runs(words, index, word) : jobs(words, index, word)
  }

  @Sendable static func schedules(_ words: [String], _ index: Int, _ word: String) -> [String] {
    guard let client = client(words) else { return [] }
    let page = try? client.get(
      Page<ScheduleAnswer>.self, HostClient.path("schedules"), query: [("limit", "\(most)")])
    return page?.items.map(\.id) ?? []
  }

  private static func numbers(_ words: [String], _ query: [(name: String, value: String?)]) -> [String] {
    if let client = client(words),
      let page = try? client.get(Page<RunAnswer>.self, HostClient.path("runs"), query: query)
    {
      return page.items.map { "\($0.id)" }
    }
    let runs = try? ReadStores.completing(words).members.flatMap { try $0.store.runs(RunQuery(limit: 50)) }
    return (runs ?? []).map { "\($0.id)" }
  }

  /// The host that the command line so far means.
  private static func client(_ words: [String]) -> HostClient? {
    var choice = HostChoice()
    choice.state = option("--state", words)
    choice.server = option("--server", words)
    choice.token = option("--token", words)
    return try? choice.client
  }

  /// The value of an option among words: `--state DIR` or `--state=DIR`.
  static func option(_ name: String, _ words: [String]) -> String? {
    for (index, word) in words.enumerated() {
      if word == name, index + 1 < words.count { return words[index + 1] }
      if word.hasPrefix(name + "=") { return String(word.dropFirst(name.count + 1)) }
    }
    return nil
  }
}

extension ReadStores {
  /// The stores that the command line so far means.
  fileprivate static func completing(_ words: [String]) throws -> ReadStores {
    let state = Completion.option("--state", words) ?? Environment.state ?? ".moondial"
    return try ReadStores(nil, generation: nil, directory: "scripts", state: state)
  }
}

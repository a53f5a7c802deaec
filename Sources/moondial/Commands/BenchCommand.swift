import ArgumentParser

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure this machine: real Lua jobs through the real scheduler. Prints one line of JSON.",
    discussion: """
      Measures, each with its own parameters:
        fires n interval_ms lead_ms warm_ms dur_ms out
                                        jobs that only record
        drain n warm=k                  jobs that are all due at one instant
        durable n sync=full|normal      the same, in a fresh SQLite file,
                                        or in an empty store=ADDRESS
        sustain rate seconds keep sync  a rate held, with and without pruning
        register n                      cron jobs added to a scheduler that runs
        reload n scripts edits native   a script saved among n jobs of others
        next                            the cost of computing fire times
        cold                            from the start of the process to a job
        sleep n sleep_ms                jobs that sleep, all at once
        history jobs runs state_dir     fills a store, for .ci/bench-api
        processes n workers             runs in processes, and on threads
      Where Lua runs: state=job|run, workers=N.
      Examples:
        moondial bench drain n=100000 state=run
        moondial bench fires n=1000 interval_ms=1000 dur_ms=5000 out=/tmp/fires
      docs/performance.md says what the figures mean, and what they were.
      """)

  @Argument(help: "What to measure.") var measure: String
  @Argument(help: "Parameters, key=value.") var parameters: [String] = []

  func run() throws {
    guard let measure = BenchMeasure(rawValue: measure) else {
      let names = BenchMeasure.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure(.usage, "there is no measure \(self.measure): use one of \(names)")
    }
    let parameters = try BenchParameters(parameters, of: measure)
    let result: JSONObject =
      switch measure {
      case .fires: try FiresBench.run(parameters)
      case .drain, .durable: try DrainBench.run(parameters, isDurable: measure == .durable)
      case .sustain: try SustainBench.run(parameters)
      case .register: try RegisterBench.run(parameters)
      case .reload: try ReloadBench.run(parameters)
      case .next: try NextFireBench.run()
      case .cold: try ColdBench.run(parameters)
      case .sleep: try SleepBench.run(parameters)
      case .history: try HistoryBench.run(parameters)
      case .processes: try ProcessBench.run(parameters)
      }
    Terminal.json(result.json)
  }
}

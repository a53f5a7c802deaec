internal import CLinux
internal import Chronology
internal import JobModel

/// How a worker ended in the middle of a run, as the history says it.
struct WorkerEnding {
  var signal: Int32
  var code: Int32
  var peakBytes: Int

  /// What the run came to, and why in a sentence.
  func result(_ run: ActiveRun, _ configuration: ProcessConfiguration, _ lines: [String]) -> (Outcome, RunError) {
    let (outcome, message) = cause(run, configuration)
    var error = RunError(message: message)
    if outcome == .crashed || outcome == .outOfMemory, let last = lines.last {
      error.message += "; it last wrote: \(last.cut(toBytes: 400))"
      error.traceback = lines.joined(separator: "\n")
    }
    return (outcome, error)
  }

  private func cause(_ run: ActiveRun, _ configuration: ProcessConfiguration) -> (Outcome, String) {
    switch run.killed {
    case .deadline?:
      guard run.hooks == 0 else { return (.timedOut, "a hook of the run took too long, and its process was killed") }
      let span = run.order.job.definition.timeout.map { DurationText.format(nanoseconds: $0) } ?? "0s"
      return (.timedOut, "the run took longer than its timeout of \(span), and its process was killed")
    case .cancelled?: return (.cancelled, "the run was cancelled, and its process was killed")
    case .stopped?: return (.crashed, "the process of the run was stopped, and nobody continued it: it was killed")
    case .unbegun?: return (.crashed, "the process of the run was killed: it did not begin the run that it was given")
    case .processorTime?: return (.timedOut, usedTime(configuration) + ", with what it has started")
    case .memory?:
      let memory = (configuration.memory ?? 0) >> 20
      return (
        .outOfMemory,
        "the process of the run and those that it has started had more memory together than the \(memory) MB that "
          + "executor \"\(configuration.name)\" gives to one: they were killed"
      )
    case .violation(let what)?, .refusal(let what)?: return (.crashed, "the process of the run was killed: \(what)")
    case .disconnected?:
      return (.crashed, "the process of the run closed its connection to the host: it was killed")
    case nil: return died(configuration)
    }
  }

  private func usedTime(_ configuration: ProcessConfiguration) -> String {
    let time = DurationText.format(nanoseconds: configuration.processorTime ?? 0)
    return "the run used more processor time than the cpu_time of \(time) that executor \"\(configuration.name)\" "
      + "gives it"
  }

  private func died(_ configuration: ProcessConfiguration) -> (Outcome, String) {
    guard signal != 0 else {
      return (.crashed, "the process of the run ended by itself, with code \(code)")
    }
    let name = "SIG" + (unsafe String(cString: linux_signal_name(signal)))
    if name == "SIGXCPU", configuration.processorTime != nil { return (.timedOut, usedTime(configuration)) }
    if let memory = configuration.memory, peakBytes > memory / 10 * 9 {
      return (
        .outOfMemory,
        "the process of the run was ended by \(name) when it had \(peakBytes >> 20) MB in all: executor "
          + "\"\(configuration.name)\" gives it a memory of \(memory >> 20) MB beside those that it begins with"
      )
    }
    return (.crashed, "the process of the run was ended by \(name)")
  }
}

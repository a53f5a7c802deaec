import Basics
import FoundationEssentials
import HostClient
import Hosting
import JobModel
import Synchronization

/// Prints lines of runs, each once, as they come and as they are kept.
final class LogPrinter: Sendable {
  private let client: HostClient
  private let showsRun: Bool
  private let json: Bool
  /// Lines that were printed, by run.
  private let printed = Mutex<[Int64: Int]>([:])
  /// Lines that were printed as they are kept, and may still come.
  private let kept = Mutex<[Line: Int]>([:])

  private struct Line: Hashable {
    let run: Int64
    let at: String
    let level: String
    let message: String

    init(_ line: LogLineAnswer) {
      (run, at, level, message) = (line.run, line.at.text, line.level, line.message)
    }
  }

  /// - Parameters:
  ///   - showsRun: whether each line says its run.
  ///   - json: JSON lines.
  init(_ client: HostClient, showsRun: Bool = false, json: Bool = false) {
    self.client = client
    self.showsRun = showsRun
    self.json = json
  }

  /// Prints what the run writes from now on, until the host ends.
  func follow(run: Int64) throws -> NamedThread {
    let isOpen = Monitor(false)
    let thread = try thread("moondial-lines") { [self] in
      // What it misses, or all if it fails, is printed at the end of the run.
      try? stream([("run", "\(run)")], opened: { isOpen.change { $0 = true } })
      isOpen.change { $0 = true }
    }
    _ = isOpen.wait { $0 ? true : nil }
    return thread
  }

  /// Prints lines as they come, until the host ends.
  func stream(_ query: [(name: String, value: String?)], opened: @escaping @Sendable () -> Void = {})
    throws(ClientFailure)
  {
    try client.stream(HostClient.path("log", "stream"), query: query, opened: opened) { [self] frame in
      if frame.event == "gap" {
        Terminal.error("moondial: some lines are missing here: this terminal did not keep up")
      } else if let line = try? JSONDecoder().decode(LogLineAnswer.self, from: Data(frame.data.utf8)) {
        if !wasKept(line) { show(line, frame.data) }
      }
      return true
    }
  }

  /// Prints lines that are kept and were not printed yet. When they come, they are not printed again.
  func show(kept lines: [LogLineAnswer]) {
    var known = kept.withLock { $0 }
    for line in lines {
      let key = Line(line)
      if let count = known[key], count > 0 {
        known[key] = count - 1
      } else {
        kept.withLock { $0[key, default: 0] += 1 }
        show(line, nil)
      }
    }
  }

  private func wasKept(_ line: LogLineAnswer) -> Bool {
    kept.withLock { kept in
      let key = Line(line)
      guard let count = kept[key] else { return false }
      kept[key] = count > 1 ? count - 1 : nil
      return true
    }
  }

  /// Prints what is kept of the run beyond what was printed.
  func rest(of run: Int64) throws {
    let answer = try client.get(
      LogAnswer.self, HostClient.path("runs", "\(run)", "log"), query: [("limit", "\(PageLimit.most)")])
    let known = printed.withLock { $0[run] ?? 0 }
    for line in answer.lines.dropFirst(known) { show(line, nil) }
  }

  func show(_ line: LogLineAnswer, _ document: String?) {
    printed.withLock { $0[line.run, default: 0] += 1 }
    if json { return Terminal.json(document ?? line.document) }
    let whose = showsRun ? " \(line.job) #\(line.run)" : ""
    let fields = line.fields.map { " " + $0.text } ?? ""
    Terminal.line("\(line.at.short) \(VisibleText.padded(line.level, to: 5))\(whose) \(line.message)\(fields)")
  }
}

extension LogLineAnswer {
  var document: String {
    var object = JSONObject()
    object.set("at", at.text)
    object.set("job", job)
    object.set("run", run)
    object.set("level", level)
    object.set("message", message)
    object.set("fields", stored: fields?.text)
    return object.json
  }
}

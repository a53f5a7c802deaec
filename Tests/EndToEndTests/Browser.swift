import Foundation
import Glibc

/// Chromium without a window, which does what a person does with a page.
///
/// It is spoken to in the Chrome DevTools Protocol over two pipes (`--remote-debugging-pipe`): JSON messages, each with
/// a NUL behind it.
final class Browser {
  /// nil: it is not installed.
  static let program = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  private let process = Process()
  private let orders = Pipe()
  private let answers = Pipe()
  private var unread = Data()
  private var number = 0
  private var session: String?
  /// Exceptions, and what the page's policy forbade.
  private(set) var complaints: [String] = []

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Opens a page.
  init(_ program: String, in directory: String, at address: String) throws {
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [
      "-c", "exec \"$0\" \"$@\" 3<&0 4>&1 >/dev/null 2>&1", program, "--headless", "--no-sandbox", "--disable-gpu",
      "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
      "--user-data-dir=\(directory)/browser", "about:blank",
    ]
    // What it leaves goes with the directory.
    process.environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": directory]) { $1 }
    process.standardInput = orders
    process.standardOutput = answers
    try process.run()
    let target = try ask("Target.createTarget", ["url": "about:blank"])["targetId"] as? String ?? ""
    session = try ask("Target.attachToTarget", ["targetId": target, "flatten": true])["sessionId"] as? String
    for domain in ["Runtime", "Log", "Page"] { _ = try ask("\(domain).enable", [:]) }
    _ = try ask("Page.navigate", ["url": address])
  }

  deinit {
    // One that was never started has the number 0, which is this process's own group.
    guard process.isRunning, process.processIdentifier > 0 else { return }
    let pid = process.processIdentifier
    // Its renderers with it, where it leads a group of its own.
    kill(getpgid(pid) == pid ? -pid : pid, SIGKILL)
    process.waitUntilExit()
  }

  /// Waits until a JavaScript expression is true in the page, and answers the page's text. Over a change of the page.
  @discardableResult
  func wait(until expression: String) throws -> String {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    var last = ""
    while Date() < end {
      let look = """
        new Promise((done) => { const look = (left) => { let is = false; try { is = Boolean(\(expression)); } catch {}
          if (is || left === 0) done([is, document.body.innerText]); else setTimeout(look, 50, left - 1); }; look(100); })
        """
      let answer = try? ask("Runtime.evaluate", ["expression": look, "awaitPromise": true, "returnByValue": true])
      guard let values = (answer?["result"] as? [String: Any])?["value"] as? [Any] else { continue }
      last = values.last as? String ?? ""
      if values.first as? Bool == true { return last }
    }
    throw Failure(description: "the page never came to \(expression): \(last)")
  }

  /// Does something in the page.
  func perform(_ script: String) throws {
    let answer = try ask("Runtime.evaluate", ["expression": "(() => { \(script) })()"])
    if let details = answer["exceptionDetails"] { throw Failure(description: "\(details)") }
  }

  private func ask(_ method: String, _ parameters: [String: Any]) throws -> [String: Any] {
    number += 1
    var message: [String: Any] = ["id": number, "method": method, "params": parameters]
    if let session { message["sessionId"] = session }
    try orders.fileHandleForWriting.write(contentsOf: try JSONSerialization.data(withJSONObject: message) + [0])
    while let message = try next() {
      if message["id"] as? Int == number {
        guard let result = message["result"] as? [String: Any] else { throw Failure(description: "\(message)") }
        return result
      }
      hear(message)
    }
    throw Failure(description: "the browser has ended")
  }

  private func hear(_ message: [String: Any]) {
    switch message["method"] as? String {
    case "Runtime.exceptionThrown": complaints.append("\(message["params"] ?? "")")
    case "Log.entryAdded":
      let entry = (message["params"] as? [String: Any])?["entry"] as? [String: Any]
      if entry?["level"] as? String == "error" { complaints.append("\(entry ?? [:])") }
    default: break
    }
  }

  /// The next message; nil: the browser has ended. Throws when none comes.
  private func next() throws -> [String: Any]? {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while true {
      if let end = unread.firstIndex(of: 0) {
        let message = unread[unread.startIndex..<end]
        unread = Data(unread[(end + 1)...])
        return try JSONSerialization.jsonObject(with: Data(message)) as? [String: Any]
      }
      var ready = pollfd(fd: answers.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
      let left = max(0, end.timeIntervalSinceNow)
      // Safe: the call reads and writes that one struct.
      let count = unsafe poll(&ready, 1, Int32(left * 1_000))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Failure(description: "the browser says nothing") }
      let more = answers.fileHandleForReading.availableData
      if more.isEmpty { return nil }
      unread += more
    }
  }
}

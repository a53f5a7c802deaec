import ArgumentParser
import Glibc
import HostClient
import Hosting
import JobModel

struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top", abstract: "What runs now, live; with keys to cancel a run and to pause a job.",
    discussion: """
      Example:
        moondial top
      Keys: up and down (or k and j) choose a run, c cancels it, p pauses or resumes its job, q ends. Where no person \
      looks, it is printed once.
      """)

  @OptionGroup var host: HostChoice
  @Option(help: "Seconds between two looks.") var interval = 1

  func run() throws {
    guard (1...3_600).contains(interval) else {
      throw CommandFailure(.usage, "--interval \(interval): give a number of seconds from 1 to 3600")
    }
    let client = try host.client
    var screen = TopScreen(client)
    try screen.look()
    guard Terminal.outputIsTerminal, let keys = RawTerminal() else {
      for line in screen.lines(rows: .max, columns: .max) { Terminal.line(line) }
      return
    }
    defer { keys.restore() }
    while true {
      let (rows, columns) = keys.size
      keys.draw(screen.lines(rows: rows, columns: columns))
      switch keys.next(seconds: interval) {
      case .quit: return
      case .up: screen.move(-1)
      case .down: screen.move(1)
      case .cancel: screen.cancel()
      case .pause: screen.pause()
      case .nothing: try screen.look()
      }
    }
  }
}

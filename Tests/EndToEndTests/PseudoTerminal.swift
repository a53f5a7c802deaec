import Foundation
import Glibc

/// The binary on a terminal of its own: what it draws is waited for, keys are pressed, the window is resized. The
/// process ends with this, at the latest.
final class PseudoTerminal {
  private let drawn = Drawn()
  private let master: Int32
  private let pid: Int32
  private var status: Int32?

  /// What was drawn. The thread that reads it keeps this, not the terminal, which would never go.
  private final class Drawn: @unchecked Sendable {
    // `@unchecked`: everything mutable is behind `condition`.
    let condition = NSCondition()
    var text = ""
    var isOver = false

    /// Until the last one who has the terminal open is gone: then reading fails.
    func collect(_ master: Int32) {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      var rest: [UInt8] = []
      // Safe: the buffer has that many bytes.
      while case let count = unsafe read(master, &buffer, buffer.count), count > 0 {
        rest += buffer.prefix(count)
        // A character may come in two parts.
        guard let whole = String(validating: rest, as: UTF8.self) else { continue }
        rest = []
        change { text += whole }
      }
      change { isOver = true }
    }

    private func change(_ body: () -> Void) {
      condition.lock()
      body()
      condition.broadcast()
      condition.unlock()
    }
  }

  /// TIOCSPTLCK and TIOCGPTN of ioctl_tty(2).
  private static let setLock: UInt = 0x4004_5431
  private static let getNumber: UInt = 0x8004_5430

  init(_ arguments: [String], in directory: String, rows: UInt16 = 24, columns: UInt16 = 80) throws {
    // Safe: the paths, here and below, are passed as C strings for the call.
    master = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    // What grantpt(3), unlockpt(3) and ptsname(3) ask the kernel; Swift's Glibc module leaves them out.
    var lock: Int32 = 0
    var number: UInt32 = 0
    // Safe: each call reads or writes the local that it is given.
    guard master >= 0, unsafe ioctl(master, Self.setLock, &lock) == 0,
      unsafe ioctl(master, Self.getNumber, &number) == 0
    else { throw HostProcess.Failure(description: "no pseudoterminal (error \(errno))") }
    let slave = "/dev/pts/\(number)"
    var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("MOONDIAL_") }
    environment["TERM"] = "xterm"
    let words = ["/usr/bin/env", "-C", directory, HostProcess.binary] + arguments
    // Safe: both lists end in nil and live until the call has returned; the actions are initialised before use and
    // destroyed after.
    var argv = unsafe words.map { unsafe strdup($0) } + [nil]
    var envp = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
    defer { unsafe (argv + envp).forEach { unsafe free($0) } }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for descriptor in Int32(0)...2 { unsafe posix_spawn_file_actions_addopen(&actions, descriptor, slave, O_RDWR, 0) }
    var child: Int32 = 0
    let before = Int32(unsafe open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC))
    defer { close(before) }
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = unsafe ioctl(master, UInt(TIOCSWINSZ), &size)
    guard unsafe posix_spawn(&child, words[0], &actions, nil, &argv, &envp) == 0 else {
      throw HostProcess.Failure(description: "\(words) cannot be started")
    }
    pid = child
    let (drawn, master) = (drawn, master)
    Thread.detachNewThread { drawn.collect(master) }
  }

  deinit {
    if status == nil {
      kill(pid, SIGKILL)
      reap()
    }
    // The reader ends with the process; its descriptor is not closed under it.
    drawn.condition.lock()
    while !drawn.isOver, drawn.condition.wait(until: Date(timeIntervalSinceNow: HostProcess.patience)) {}
    drawn.condition.unlock()
    close(master)
  }

  /// Waits for the end of the child, which is under way.
  private func reap() {
    var code: Int32 = 0
    // Safe: writes a local; nobody else waits for this child.
    while unsafe waitpid(pid, &code, 0) == -1, errno == EINTR {}
    status = code & 0x7f == 0 ? (code >> 8) & 0xff : 128 + (code & 0x7f)
  }

  func press(_ keys: String) {
    let bytes = Array(keys.utf8)
    // Safe: the array has that many bytes.
    _ = unsafe write(master, bytes, bytes.count)
  }

  func resize(rows: UInt16, columns: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    // Safe: the call reads the local struct.
    _ = unsafe ioctl(master, UInt(TIOCSWINSZ), &size)
  }

  /// The screens that were drawn, each as its lines.
  private static func screens(_ text: String) -> [[String]] {
    text.components(separatedBy: "\u{1b}[H").dropFirst().compactMap { part in
      guard let end = part.range(of: "\u{1b}[J") else { return nil }
      // The terminal makes two characters of each line break.
      return part[..<end.lowerBound].replacingOccurrences(of: "\r", with: "").components(separatedBy: "\n").map {
        $0.replacingOccurrences(of: "\u{1b}[K", with: "")
      }
    }
  }

  /// Waits for a screen that is as wanted, among those from now on and the one that is there.
  @discardableResult
  func await(_ what: String, _ holds: ([String]) -> Bool) throws -> [String] {
    let deadline = Date(timeIntervalSinceNow: HostProcess.patience)
    drawn.condition.lock()
    defer { drawn.condition.unlock() }
    while true {
      if let found = PseudoTerminal.screens(drawn.text).last(where: holds) {
        drawn.text = ""
        return found
      }
      guard !drawn.isOver, drawn.condition.wait(until: deadline) else {
        throw HostProcess.Failure(description: "\(what) was not drawn; this was: \(drawn.text)")
      }
    }
  }

  /// Its exit code, and all it wrote that nobody has waited for.
  func awaitExit() throws -> (status: Int32, text: String) {
    let deadline = Date(timeIntervalSinceNow: HostProcess.patience)
    drawn.condition.lock()
    while !drawn.isOver { guard drawn.condition.wait(until: deadline) else { break } }
    let (isOver, text) = (drawn.isOver, drawn.text)
    drawn.condition.unlock()
    guard isOver else { throw HostProcess.Failure(description: "it does not end; it drew: \(text)") }
    reap()
    return (status ?? -1, text)
  }
}

import Basics
import Glibc

/// A terminal that tells each key, and shows one screen. Put back as it was by `restore`, and by the signals that end
/// the process.
struct RawTerminal {
  enum Key { case quit, up, down, cancel, pause, nothing }

  private let former: termios

  /// nil: standard input is no terminal.
  init?() {
    var settings = termios()
    // Safe: fills the local struct; on failure it is not read.
    guard isatty(STDIN_FILENO) == 1, unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
    former = settings
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
    _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    // Another screen, without a cursor.
    RawTerminal.put("\u{1b}[?1049h\u{1b}[?25l")
    var signals = sigset_t()
    _ = unsafe sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGHUP] { _ = unsafe sigaddset(&signals, signal) }
    // They are looked for between two keys, so that the terminal is put back first.
    _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  func restore() {
    RawTerminal.put("\u{1b}[?25h\u{1b}[?1049l")
    var settings = former
    _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
  }

  /// Rows and columns.
  var size: (rows: Int, columns: Int) {
    var size = winsize()
    // Safe: the call fills the local struct.
    guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
      return (24, 80)
    }
    return (Int(size.ws_row), Int(size.ws_col))
  }

  func draw(_ lines: [String]) {
    // Home, each line with its rest cleared, then everything below.
    RawTerminal.put("\u{1b}[H" + lines.map { VisibleText.line($0) + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
  }

  /// The next key, or `.nothing` when none came within so many seconds.
  func next(seconds: Int) -> Key {
    var asked = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    var left = seconds * 1_000
    while left > 0 {
      if RawTerminal.isEndAsked { return .quit }
      // Safe: the call reads and writes that one struct.
      let count = unsafe poll(&asked, 1, Int32(min(left, 250)))
      if count > 0 { return key() }
      left -= 250
    }
    return .nothing
  }

  private func key() -> Key {
    var bytes = [UInt8](repeating: 0, count: 8)
    // Safe: the buffer has that many bytes.
    let count = unsafe read(STDIN_FILENO, &bytes, bytes.count)
    guard count > 0 else { return .quit }
    switch bytes.prefix(count) {
    case [0x1b, 0x5b, 0x41], [UInt8(ascii: "k")]: return .up
    case [0x1b, 0x5b, 0x42], [UInt8(ascii: "j")]: return .down
    case [UInt8(ascii: "c")]: return .cancel
    case [UInt8(ascii: "p")]: return .pause
    case [UInt8(ascii: "q")], [0x1b], [3], [4]: return .quit
    default: return .nothing
    }
  }

  private static var isEndAsked: Bool {
    var pending = sigset_t()
    // Safe: fills the local set.
    guard unsafe sigpending(&pending) == 0 else { return false }
    return [SIGINT, SIGTERM, SIGHUP].contains { unsafe sigismember(&pending, $0) == 1 }
  }

  private static func put(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      // Safe: the bytes are valid for this closure. A terminal that has gone shows nothing.
      _ = unsafe write(STDOUT_FILENO, bytes.baseAddress, bytes.count)
    }
  }
}

import Basics
import Chronology
import Glibc
import Hosting
import Synchronization

/// Standard output and standard error, written whole lines at a time. Everything is made visible on its way out
/// (``VisibleText``): names and messages of others can neither drive a terminal nor forge a line.
enum Terminal {
  /// Colours and tables only where a person looks.
  static let outputIsTerminal = isatty(STDOUT_FILENO) == 1

  /// Why standard output took something not; 0: it has taken everything.
  private static let failure = Mutex<Int32>(0)

  /// One line on standard output.
  static func line(_ text: String) { write(VisibleText.line(text) + "\n", to: STDOUT_FILENO) }
  /// One JSON document as a line on standard output.
  static func json(_ document: String) { write(VisibleText.json(document) + "\n", to: STDOUT_FILENO) }
  /// One line on standard error.
  static func error(_ text: String) { StandardError.line(text) }

  /// A text of several lines, such as a traceback, under the line before it. Each is indented: what a script put into
  /// it cannot look like a line of its own.
  static func block(_ text: String, isError: Bool = false) {
    // Lua indents its tracebacks by tabs, which are as good as spaces here and would be shown as what they are.
    for line in text.replacing("\t", with: "  ").split(separator: "\n") {
      isError ? error("  " + line) : self.line("  " + line)
    }
  }

  /// A text of our own with its line breaks: help, and scripts that were made here.
  static func text(_ text: String, isError: Bool = false) {
    guard isError else { return write(VisibleText.lines(text), to: STDOUT_FILENO) }
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) { error(String(line)) }
  }

  private static func write(_ text: String, to descriptor: Int32) {
    failure.withLock { failure in
      var text = text
      text.withUTF8 { bytes in
        var written = 0
        while written < bytes.count {
          // Safe: the slice lies within `bytes`, which is valid for this closure.
          let count = unsafe Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
          if count < 0, errno == EINTR { continue }
          if count < 0, errno == EAGAIN {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            // Safe: one struct that lives across the call.
            _ = unsafe poll(&wanted, 1, -1)
            continue
          }
          // Of a pipe that is closed its reader knows; what a disk did not take is said at the end.
          guard count > 0 else {
            if count < 0, errno != EPIPE { failure = errno }
            return
          }
          written += count
        }
      }
    }
  }

  /// Ends the process. What was not written is a failure, whatever else was done.
  static func exit(_ code: CommandFailure.Code) -> Never {
    let unwritten = failure.withLock { $0 }
    if unwritten != 0 {
      // Safe: strerror returns a C string of its own for a known errno; copied at once.
      error("moondial: standard output cannot be written: \(unsafe String(cString: strerror(unwritten)))")
    }
    StandardError.flush()
    Glibc.exit(unwritten != 0 && code == .fine ? CommandFailure.Code.failed.rawValue : code.rawValue)
  }
}

/// Columns as wide as their widest entry, two spaces between them. Entries are made visible.
struct TextTable {
  private var rows: [[String]]

  init(_ header: [String]) { rows = [header] }

  mutating func add(_ row: [String]) { rows.append(row.map(VisibleText.line)) }

  /// The lines, without trailing spaces.
  var lines: [String] {
    let widths = rows[0].indices.map { column in rows.map { VisibleText.width($0[column]) }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, text) in row.enumerated() {
        line += column + 1 < row.count ? VisibleText.padded(text, to: widths[column] + 2) : text
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}

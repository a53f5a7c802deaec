import Glibc
import Hosting
import Synchronization

/// Standard output and standard error, written whole lines at a time.
enum Terminal {
  /// Colours and tables only where a person looks.
  static let outputIsTerminal = isatty(STDOUT_FILENO) == 1

  private static let lock = Mutex(())

  /// One line on standard output.
  static func line(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
  /// One line on standard error.
  static func error(_ text: String) { StandardError.line(text) }

  /// Text as it is, on standard output.
  static func text(_ text: String) { write(text, to: STDOUT_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) {
    lock.withLock { _ in
      var text = text
      text.withUTF8 { bytes in
        var written = 0
        while written < bytes.count {
          // Safe: the slice lies within `bytes`, which is valid for this closure.
          let count = unsafe Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
          if count < 0, errno == EINTR { continue }
          // A closed pipe or a full disk: there is nobody left to tell.
          guard count > 0 else { return }
          written += count
        }
      }
    }
  }

  static func exit(_ code: CommandFailure.Code) -> Never {
    StandardError.flush()
    Glibc.exit(code.rawValue)
  }
}

/// Columns as wide as their widest entry, two spaces between them.
struct TextTable {
  private var rows: [[String]]

  init(_ header: [String]) { rows = [header] }

  mutating func add(_ row: [String]) { rows.append(row) }

  /// The lines, without trailing spaces.
  var lines: [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, text) in row.enumerated() {
        line += text
        if column + 1 < row.count { line += String(repeating: " ", count: widths[column] - text.count + 2) }
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}

import Glibc

/// Files of tests, written at once.
enum TestFile {
  /// nil, or why it could not be written.
  static func write(_ text: String, to path: String) -> String? {
    // Safe: the stream is closed here; the bytes are the text's own.
    guard let file = unsafe fopen(path, "w") else { return "\(path) cannot be written" }
    defer { unsafe fclose(file) }
    let written = unsafe fputs(text, file)
    return written < 0 ? "\(path) cannot be written" : nil
  }
}

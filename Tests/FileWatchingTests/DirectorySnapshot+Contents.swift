@testable import FileWatching

extension DirectorySnapshot {
  /// Path to content as text, or to the problem in angle brackets: what tests compare.
  var contents: [String: String] {
    var contents: [String: String] = [:]
    for file in files {
      switch file.content {
      case .success(let content): contents[file.path.text] = String(decoding: content.bytes, as: UTF8.self)
      case .failure(let problem): contents[file.path.text] = "<\(problem)>"
      }
    }
    return contents
  }
}

/// Why a command ends early: one sentence, and the exit code that says what kind of failure it is.
struct CommandFailure: Error {
  enum Code: Int32 {
    case fine = 0
    case failed = 1
    case usage = 2
    case noHost = 3
  }
  var code: Code
  var message: String

  init(_ message: String) { self.init(.failed, message) }

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The command has said everything already.
  static let silent = CommandFailure(.failed, "")
}

/// What a command printed, as a whole.
struct Said {
  var status: Int32
  var output: String
  var errors: String
}

extension Place {
  func said(_ arguments: [String]) throws -> Said {
    let ended = try HostProcess.run(arguments, in: path)
    func text(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }
    return Said(status: ended.status, output: text(ended.output), errors: text(ended.errors))
  }
}

/// An error of a script, or of the runtime on its behalf.
///
/// `message` is what a person should read: bounded, valid UTF-8, and with the `file:line: ` that Lua put before it.
/// `description` is the message.
package struct LuaError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of thing went wrong.
  package enum Kind: Sendable, Equatable {
    /// The script raised an error.
    case runtime
    /// The source does not compile.
    case syntax
    /// The state is over its memory limit.
    case memory
    /// The time was over.
    case deadline
    /// Somebody cancelled it.
    case cancelled
    /// The host asked for something impossible: no such entry, no address space, a value that cannot cross.
    case host
  }

  package var kind: Kind
  package var message: String
  /// The script's file as it stands in the message, if it does.
  package var file: String?
  package var line: Int?
  /// Lua's stack traceback, if there is one.
  package var traceback: String?
  /// The error value when a script threw a table (`error { code = 5 }`), without functions.
  package var value: LuaValue?

  /// An error with a text; position and traceback as known. When no position is given it is taken from the start of the
  /// message.
  package init(
    _ kind: Kind, _ message: String, file: String? = nil, line: Int? = nil, traceback: String? = nil,
    value: LuaValue? = nil
  ) {
    self.kind = kind
    self.message = message
    self.traceback = traceback
    self.value = value
    let found = file == nil ? LuaLocation(startOf: message) : nil
    self.file = file ?? found?.file
    self.line = line ?? found?.line
  }

  package var description: String { message }
}

/// A location in a script.
package struct LuaLocation: Sendable, Equatable, CustomStringConvertible {
  package var file: String
  package var line: Int

  package init(file: String, line: Int) {
    self.file = file
    self.line = line
  }

  /// The place that a message begins with: `scripts/a.lua:12: what is wrong`. Nil when it does not begin so.
  package init?(startOf message: String) {
    let bytes = Array(message.utf8.prefix(512))
    var i = 0
    while i < bytes.count, bytes[i] != UInt8(ascii: "\n") {
      if bytes[i] == UInt8(ascii: ":") {
        var j = i + 1
        var line = 0
        while j < bytes.count, j < i + 9, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[j]) {
          line = line * 10 + Int(bytes[j] - UInt8(ascii: "0"))
          j += 1
        }
        if i > 0, j > i + 1, j < bytes.count, bytes[j] == UInt8(ascii: ":") {
          self.init(file: String(decoding: bytes[..<i], as: UTF8.self), line: line)
          return
        }
      }
      i += 1
    }
    return nil
  }

  package var description: String { "\(file):\(line)" }
}

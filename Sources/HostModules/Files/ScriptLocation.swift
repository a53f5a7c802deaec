internal import FileWatching
internal import Lua
internal import ScriptRuntime

/// A path that a script named, with the granted root that it lies below: checked as far as that is possible without
/// looking at the disk.
struct ScriptLocation: Sendable {
  /// Why there is no such place.
  enum Problem: Error {
    /// A link leads out of what was granted: an error in the script.
    case leadsOut(String)
    case failed(String)

    func complete(_ request: HostRequest, _ function: String) {
      switch self {
      case .leadsOut(let message): request.complete(raising: "\(function): \(message)")
      case .failed(let message): request.complete(refusing: message)
      }
    }
  }

  /// Absolute, worked out.
  let path: [UInt8]
  /// As the script wrote it.
  let written: String
  let fence: String?

  /// - Parameter shownAt: the argument's number in messages, where that is another one.
  init(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, shownAt: Int? = nil, writing: Bool, _ run: RunContext,
    _ arguments: Arguments
  ) throws(Misuse) {
    let bytes = try arguments.bytes(call, index, what, in: 0...Arguments.nameBytes, shownAt: shownAt)
    try self.init(bytes, writing: writing, run, arguments)
  }

  init(_ bytes: [UInt8], writing: Bool, _ run: RunContext, _ arguments: Arguments) throws(Misuse) {
    guard !bytes.isEmpty, !bytes.contains(0) else {
      throw arguments.misuse("a path is not empty and has no zero byte")
    }
    guard bytes.count <= Arguments.nameBytes else {
      throw arguments.misuse("a path has at most \(Arguments.nameBytes) bytes, this one has \(bytes.count)")
    }
    path = PlainPath.absolute(bytes, from: Array(run.services.baseDirectory.utf8))
    written = String(decoding: bytes, as: UTF8.self)
    fence = try FileModule.fence(path, written, writing: writing, run, arguments)
  }

  /// The place on the disk. Blocking.
  func find(_ last: FileLocation.Last, makingDirectories: Bool = false) -> Result<FileLocation, Problem> {
    FileLocation.find(path, below: fence, last: last, makingDirectories: makingDirectories).mapError { error in
      if case .leadsOut = error { return .leadsOut(error.message(written)) }
      return .failed(error.message(written))
    }
  }
}

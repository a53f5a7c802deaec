internal import Basics
internal import FileWatching
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `fs`: files below the granted roots. Each function waits on the blocking pool; what fails is `nil, message`; a path
/// outside the grants is an error that names the line to add.
enum FileModule {
  /// Bytes that `fs.read` reads unless `max` says otherwise.
  static let readLimit = 16 << 20

  static func module() -> LuaModule {
    LuaModule.lazy(
      "fs", pieces, natives: [read, write, append, list, stat, remove, rename, makeDirectory] + steps, source: source)
  }

  /// Bytes that a file, and a list of names, may have before room is asked for that fits.
  private static let firstRoom = 64 << 10

  private static let read = function("read", writing: false, options: ["max"], room: firstRoom, last: .followed) {
    call, arguments, options throws(Misuse) in
    let limit = try options.size("max", of: try arguments.run(call), standard: readLimit)
    return { location, room in
      FileActions.read(location, limit: limit, upTo: room).map { file in
        file.map { bytes in
          { call in
            call.push(bytes)
            return .results(1)
          }
        }
      }
    }
  }

  private static let write = function("write", writing: true, optionsAt: 3, options: [], last: .itself) {
    call, arguments, _ throws(Misuse) in
    let (bytes, room) = try heldBytes(call, arguments, "the content")
    return { location, _ in
      defer { room.release() }
      return FileActions.write(location, bytes).map { answer(true) }
    }
  }

  private static let append = function("append", writing: true, optionsAt: 3, options: ["sync"], last: .followed) {
    call, arguments, options throws(Misuse) in
    let (bytes, room) = try heldBytes(call, arguments, "the text to add")
    let flushing = try options.bool("sync") ?? false
    return { location, _ in
      defer { room.release() }
      return FileActions.append(location, bytes, flushing: flushing).map { answer(true) }
    }
  }

  /// What is to be written, with the room that it takes until it is.
  private static func heldBytes(
    _ call: borrowing LuaCall, _ arguments: Arguments, _ what: String
  ) throws(Misuse) -> ([UInt8], AnswerReservation) {
    let room = try arguments.hold(unsafe call.withBytes(2) { $0.count } ?? 0, for: call)
    return (try arguments.bytes(call, 2, what, in: 0...Int.max), room)
  }

  private static let list = function("list", writing: false, options: [], room: firstRoom, last: .followed) {
    call, arguments, _ throws(Misuse) in
    let limit = try arguments.run(call).answers.largestAnswer
    return { location, room in
      FileActions.list(location, limit: limit, upTo: room).map { list in
        list.map { entries in
          { call in
            call.push(.table(LuaTable(array: entries.map(value))))
            return .results(1)
          }
        }
      }
    }
  }

  private static func value(_ entry: FileActions.Entry) -> LuaValue {
    .table(
      LuaTable(fields: [
        ("name", .string(LuaString(bytes: entry.name))), ("kind", .string(LuaString(entry.kind))),
      ]))
  }

  private static let stat = function("stat", writing: false, options: [], last: .followed) { _, _, _ throws(Misuse) in
    { location, _ in
      FileActions.status(location).flatMap { status in
        guard let status else { return .failure(.text("does not exist")) }
        return .success(
          answer(
            .table(
              LuaTable(fields: [
                ("kind", .string(LuaString(status.kind))), ("size", .integer(status.size)),
                ("modified", .number(Double(status.modified) / 1e9)),
              ]))))
      }
    }
  }

  /// True when something was removed, false when there was nothing.
  private static let remove = function("remove", writing: true, options: [], last: .itself) { _, _, _ throws(Misuse) in
    { location, _ in FileActions.remove(location).map { answer(.bool($0)) } }
  }

  /// What has the new name gives way, as a whole: nobody sees neither.
  private static let rename = function("rename", writing: true, optionsAt: 3, options: [], last: .itself) {
    call, arguments, _ throws(Misuse) in
    let target = try path(2, call, arguments, writing: true)
    return { location, _ in
      switch target.find(last: .itself) {
      case .failure(let error): return .failure(.other(target.written, error))
      case .success(let new): return FileActions.rename(location, to: new).map { answer(true) }
      }
    }
  }

  private static let makeDirectory = function("mkdir", writing: true, options: [], last: .followed) {
    _, _, _ throws(Misuse) in
    { location, _ in FileActions.makeDirectory(location).map { answer(true) } }
  }

  /// Pushes the results when the script takes them.
  private typealias Answer = @Sendable (inout LuaCall) -> LuaReturn
  /// What is done, with so many bytes for the answer.
  private typealias Action = @Sendable (FileLocation, Int) -> Result<Sized<Answer>, FileFailure>

  /// A small answer.
  private static func answer(_ value: LuaValue) -> Sized<Answer> {
    .value { call in
      call.push(value)
      return .results(1)
    }
  }

  /// A function whose first argument is a path. `prepare` reads the other arguments; what it returns is done on the
  /// pool, again with more room if the answer needs it.
  private static func function(
    _ name: String, writing: Bool, optionsAt location: Int = 2, options allowed: [String], room: Int = 0,
    last: FileLocation.Last,
    _ prepare: @escaping @Sendable (borrowing LuaCall, Arguments, Options) throws(Misuse) -> Action
  ) -> LuaFunction {
    .host(name, as: "fs.\(name)") { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let path = try path(1, call, arguments, writing: writing)
      let action = try prepare(call, arguments, try arguments.options(call, location, allowed))
      let blockingPool = run.services.blockingPool
      let function = arguments.function
      return call.suspend(
        AnswerRequest(run.answers.room(), first: room) { request, bytes in
          let isTaken = blockingPool.run {
            let result = path.find(last: last, makingDirectories: name == "mkdir")
              .mapError { FileFailure.other(path.written, $0) }.flatMap { action($0, bytes) }
            switch result {
            case .success(.larger(let size)): request.needs(size)
            case .success(.value(let answer)): request.complete(answer)
            case .failure(.other(let written, .leadsOut(let link))):
              request.complete(raising: "\(function): " + FileLocationError.leadsOut(link).message(written))
            case .failure(let failure): request.complete(refusing: failure.message(path.written))
            }
          }
          if !isTaken { request.complete(refusing: blockingPool.refusal) }
        })
    }
  }

  /// A path that a script gave, and where it may lead.
  private struct GivenPath: Sendable {
    let path: [UInt8]
    /// As it was given.
    let written: String
    let fence: String?

    /// Blocks on the disk.
    func find(last: FileLocation.Last, makingDirectories: Bool = false) -> Result<FileLocation, FileLocationError> {
      FileLocation.find(path, below: fence, last: last, makingDirectories: makingDirectories)
    }
  }

  /// Reads one argument as a path below what is granted.
  private static func path(
    _ index: Int, _ call: borrowing LuaCall, _ arguments: Arguments, writing: Bool
  ) throws(Misuse) -> GivenPath {
    let run = try arguments.run(call)
    let bytes = try arguments.bytes(call, index, "a path", in: 0...Arguments.nameBytes)
    guard !bytes.isEmpty, !bytes.contains(0) else {
      throw arguments.misuse("a path is not empty and has no zero byte")
    }
    let path = PlainPath.absolute(bytes, from: Array(run.services.baseDirectory.utf8))
    let written = String(decoding: bytes, as: UTF8.self)
    return GivenPath(
      path: path, written: written, fence: try fence(path, written, writing: writing, run, arguments))
  }

  /// The granted root that a path lies below; nil when everything is granted.
  static func fence(
    _ path: [UInt8], _ written: String, writing: Bool, _ run: RunContext, _ arguments: Arguments
  ) throws(Misuse) -> String? {
    guard case .below(let roots) = run.services.grants(run.script).files else { return nil }
    let fitting = roots.filter { root in
      PlainPath.components(of: path, below: Array(root.path.utf8)) != nil && (root.isWritable || !writing)
    }
    // The narrowest: links may not lead out of it, although they might stay within a wider one.
    if let root = fitting.max(by: { $0.path.utf8.count < $1.path.utf8.count }) { return root.path }
    let directory = String(decoding: path[..<(path.lastIndex(of: PlainPath.slash) ?? 0)], as: UTF8.self)
    let shown = PlainPath.components(of: directory, below: run.services.baseDirectory).map { $0.joined(separator: "/") }
    throw arguments.misuse(
      Grants.refusal(
        of: "\(writing ? "writing" : "reading") \(written)", to: run.script,
        grant: "fs = { \"\(shown.map { $0.isEmpty ? "." : $0 } ?? directory):\(writing ? "rw" : "r")\" }"))
  }
}

internal import Executors
internal import Lua

/// `fs`: files below the granted roots. Each function waits on the blocking lane; what fails is `nil, message`; a path
/// outside the grants is an error that names the line to add.
enum FileModule {
  /// Bytes that `fs.read` reads unless `max` says otherwise.
  static let readLimit = 16 << 20

  static func module() -> LuaModule {
    LuaModule("fs", functions: [read, write, append, list, stat, remove, makeDirectory])
  }

  private static let read = function("read", writing: false, options: ["max"], last: .followed) {
    call, arguments, options throws(Misuse) in
    let limit = try options.integer("max") ?? readLimit
    return { place in
      FileActions.read(place, limit: limit).map { .string(LuaString(bytes: $0)) }
    }
  }

  private static let write = function("write", writing: true, optionsAt: 3, options: [], last: .itself) {
    call, arguments, _ throws(Misuse) in
    let bytes = try arguments.bytes(call, 2, "the content")
    return { place in FileActions.write(place, bytes).map { true } }
  }

  private static let append = function("append", writing: true, optionsAt: 3, options: ["sync"], last: .followed) {
    call, arguments, options throws(Misuse) in
    let bytes = try arguments.bytes(call, 2, "the text to add")
    let flushing = try options.bool("sync") ?? false
    return { place in FileActions.append(place, bytes, flushing: flushing).map { true } }
  }

  private static let list = function("list", writing: false, options: [], last: .followed) { _, _, _ throws(Misuse) in
    { place in
      FileActions.list(place).map { entries in
        .table(
          LuaTable(
            array: entries.map { entry in
              .table(
                LuaTable(fields: [
                  ("name", .string(LuaString(bytes: entry.name))), ("kind", .string(LuaString(entry.kind))),
                ]))
            }))
      }
    }
  }

  private static let stat = function("stat", writing: false, options: [], last: .followed) { _, _, _ throws(Misuse) in
    { place in
      FileActions.status(place).flatMap { status in
        guard let status else { return .failure(.text("does not exist")) }
        return .success(
          .table(
            LuaTable(fields: [
              ("kind", .string(LuaString(status.kind))), ("size", .integer(status.size)),
              ("modified", .number(Double(status.modified) / 1e9)),
            ])))
      }
    }
  }

  /// True when something was removed, false when there was nothing.
  private static let remove = function("remove", writing: true, options: [], last: .itself) { _, _, _ throws(Misuse) in
    { place in FileActions.remove(place).map { .bool($0) } }
  }

  private static let makeDirectory = function("mkdir", writing: true, options: [], last: .followed) {
    _, _, _ throws(Misuse) in
    { place in FileActions.makeDirectory(place).map { true } }
  }

  private typealias Action = @Sendable (FilePlace) -> Result<LuaValue, FileFailure>

  /// A function whose first argument is a path. `prepare` reads the other arguments; what it returns is done on the
  /// lane.
  private static func function(
    _ name: String, writing: Bool, optionsAt place: Int = 2, options allowed: [String], last: FilePlace.Last,
    _ prepare: @escaping @Sendable (borrowing LuaCall, Arguments, Options) throws(Misuse) -> Action
  ) -> LuaFunction {
    .host(name, as: "fs.\(name)") { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let bytes = try arguments.bytes(call, 1, "a path")
      guard !bytes.isEmpty, !bytes.contains(0) else {
        throw arguments.misuse("a path is not empty and has no zero byte")
      }
      let path = PlainPath.absolute(bytes, from: Array(run.services.baseDirectory.utf8))
      let written = String(decoding: bytes, as: UTF8.self)
      let fence = try fence(path, written, writing: writing, run, arguments)
      let action = try prepare(call, arguments, try arguments.options(call, place, allowed))
      let lane = run.services.lane
      let function = arguments.function
      return call.suspend(
        CallRequest { request in
          let isTaken = lane.run {
            switch FilePlace.find(path, below: fence, last: last, makingDirectories: name == "mkdir") {
            case .failure(.leadsOut(let link)):
              request.complete(raising: "\(function): " + PlaceError.leadsOut(link).message(written))
            case .failure(let error): request.complete(refusing: error.message(written))
            case .success(let place):
              switch action(place) {
              case .success(let value): request.complete([value])
              case .failure(let failure): request.complete(refusing: failure.message(written))
              }
            }
          }
          if !isTaken { request.complete(refusing: lane.refusal) }
        })
    }
  }

  /// The granted root that a path lies below; nil when everything is granted.
  private static func fence(
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

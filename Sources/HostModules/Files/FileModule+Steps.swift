internal import Basics
internal import FileWatching
internal import Glibc
internal import HTTPTransfer
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// The functions of `fs` that take more than one place, and those that stay open for a while.
extension FileModule {
  static let steps = [copy, move, glob, temporary, open, piece, close]

  // Lines are cut in Lua: a line that is in memory costs no wait. What a loop leaves early is closed by its fourth
  // value.
  static let pieces = ["lines", "chunks"]

  // MARK: Two places

  private static let copy = between("copy", movesSource: false) { source, target, goesOn in
    FileSteps.copy(source, to: target, while: goesOn).map { .integer(Int64($0)) }
  }

  private static let move = between("move", movesSource: true) { source, target, goesOn in
    FileSteps.move(source, to: target, while: goesOn).map { true }
  }

  private static func between(
    _ name: String, movesSource: Bool,
    _ action:
      @escaping @Sendable (FileLocation, FileLocation, () -> Bool) -> Result<
        LuaValue, FileSteps.Failure
      >
  ) -> LuaFunction {
    .host(name, as: "fs.\(name)", in: .run) { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let source = try ScriptLocation(call, 1, "the path of a file", writing: movesSource, run, arguments)
      let target = try ScriptLocation(call, 2, "the path to be", writing: true, run, arguments)
      let pool = run.services.blockingPool
      return call.suspend(
        CallRequest { request in
          let isTaken = pool.run {
            guard request.isOpen else { return }
            let last: FileLocation.Last = movesSource ? .itself : .followed
            let found = source.find(last).flatMap { from in target.find(.itself).map { (from, $0) } }
            switch found {
            case .failure(let problem): problem.complete(request, arguments.function)
            case .success(let (from, to)):
              switch action(from, to, { request.isOpen }) {
              case .success(let value): request.complete([value])
              case .failure(let problem):
                let place = problem.isOfTarget ? target.written : source.written
                request.complete(refusing: problem.failure.message(place))
              }
            }
          }
          if !isTaken { request.complete(refusing: pool.refusal) }
        })
    }
  }

  // MARK: Searching

  private static let glob = LuaFunction.host("glob", as: "fs.glob", in: .run) { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let text = try arguments.string(call, 1, "a pattern")
    let patterns: [PathPattern]
    do throws(PathPatternError) {
      patterns = try PathPattern.parse(text, from: run.services.baseDirectory)
    } catch {
      throw arguments.misuse("\"\(text)\": \(error.message)")
    }
    var searches: [(pattern: PathPattern, fence: String?)] = []
    for pattern in patterns {
      let root = Array((pattern.root == "/" ? "" : pattern.root).utf8)
      // The grant is needed for the directory in which the search begins.
      searches.append((pattern, try fence(root + Array("/.".utf8), text, writing: false, run, arguments)))
    }
    let (pool, base) = (run.services.blockingPool, run.services.baseDirectory)
    let limit = run.answers.largestAnswer
    let isRelative = !text.hasPrefix("/")
    let final = searches
    return call.suspend(
      AnswerRequest(run.answers.room(), first: 64 << 10) { request, bytes in
        let isTaken = pool.run {
          switch search(final, room: bytes, goesOn: { request.isOpen }) {
          case .success(let paths):
            let names = paths.map { isRelative ? shown($0, base) : $0 }
            let push: @Sendable (inout LuaCall) -> LuaReturn = { call in
              call.push(.table(LuaTable(array: names.map { .string(LuaString(bytes: $0)) })))
              return .results(1)
            }
            request.complete(push)
          case .failure(.tooLarge) where bytes < limit: request.needs(min(limit, 2 * bytes))
          case .failure: request.complete(refusing: "\(text): there are too many files to look at, or too many found")
          }
        }
        if !isTaken { request.complete(refusing: pool.refusal) }
      })
  }

  private static func search(
    _ searches: [(pattern: PathPattern, fence: String?)], room: Int, goesOn: () -> Bool
  ) -> Result<[[UInt8]], FileSteps.Search.Problem> {
    var paths: Set<[UInt8]> = []
    for (pattern, fence) in searches {
      let root = Array(pattern.root.utf8)
      guard case .success(let place) = FileLocation.find(root, below: fence, last: .followed),
        case .success(let directory) = place.directory.openDirectory(place.name)
      else { continue }
      var search = FileSteps.Search(pattern, room: room)
      let names = pattern.root.split(separator: "/").map(String.init)
      do throws(FileSteps.Search.Problem) {
        try search.walk(directory, pattern.root == "/" ? [] : root, pattern.position(names), while: goesOn)
      } catch { return .failure(error) }
      paths.formUnion(search.found)
    }
    return .success(paths.sorted { $0.lexicographicallyPrecedes($1) })
  }

  /// A path as a script wrote it: relative to the base, where it lies below.
  private static func shown(_ path: [UInt8], _ base: String) -> [UInt8] {
    PlainPath.components(of: path, below: Array(base.utf8)).map { Array($0.joined(separator: [PlainPath.slash])) }
      ?? path
  }

  // MARK: Temporary places

  private static let temporary = LuaFunction.host("temp", as: "fs.temp", in: .run) { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let options = try arguments.options(call, 1, ["directory", "suffix", "kind"])
    let kind = try options.string("kind") ?? "file"
    guard kind == "file" || kind == "directory" else {
      throw arguments.misuse("options.kind must be \"file\" or \"directory\", not \"\(kind)\"")
    }
    let suffix = try options.bytes("suffix") ?? []
    guard suffix.count <= 100, !suffix.contains(0), !suffix.contains(PlainPath.slash) else {
      throw arguments.misuse("options.suffix has up to 100 bytes, and no slash and no zero byte")
    }
    let name = Array("tmp-\(String(UInt64.random(in: .min ... .max), radix: 36))".utf8) + suffix
    let directory: [UInt8]
    if let named = try options.bytes("directory") {
      directory = named
    } else {
      directory = Array(try writableRoot(run, arguments).utf8)
    }
    let place = try ScriptLocation(directory + [PlainPath.slash] + name, writing: true, run, arguments)
    let files = RunFiles.of(run)
    let pool = run.services.blockingPool
    let told = shown(place.path, run.services.baseDirectory)
    return call.suspend(
      CallRequest { request in
        let isTaken = pool.run {
          guard request.isOpen else { return }
          switch place.find(.itself, makingDirectories: true) {
          case .failure(let problem): problem.complete(request, arguments.function)
          case .success(let found):
            if let error = make(found, isDirectory: kind == "directory") {
              request.complete(refusing: error.message(place.written))
              return
            }
            let own = TemporaryLocation(directory: found.directory, name: found.name)
            guard files.add(own) else {
              own.remove()
              request.complete(refusing: "a run has \(RunFiles.most) temporary files at most")
              return
            }
            request.complete([.string(LuaString(bytes: told))])
          }
        }
        if !isTaken { request.complete(refusing: pool.refusal) }
      })
  }

  private static func writableRoot(_ run: RunContext, _ arguments: Arguments) throws(Misuse) -> String {
    guard case .below(let roots) = run.services.grants(run.script).files else { return run.services.baseDirectory }
    if let root = roots.first(where: \.isWritable) { return root.path }
    throw arguments.misuse(
      Grants.refusal(of: "a directory for temporary files", to: run.script, grant: "fs = { \"tmp:rw\" }"))
  }

  private static func make(_ place: FileLocation, isDirectory: Bool) -> FileFailure? {
    // Safe: the name is terminated.
    unsafe place.name.withTerminated { name in
      if isDirectory {
        return unsafe mkdirat(place.directory.descriptor, name, 0o700) == 0 ? nil : .system(.current)
      }
      let file = unsafe openat(
        place.directory.descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
      guard file >= 0 else { return .system(.current) }
      Glibc.close(file)
      return nil
    }
  }

  // MARK: In pieces

  private static let open = LuaFunction.host("__open", as: "fs.lines", in: .run) { call, _ throws(Misuse) in
    let arguments = Arguments(function: call.string(1) ?? "fs.lines")
    let run = try arguments.run(call)
    let place = try ScriptLocation(call, 2, "a path", shownAt: 1, writing: false, run, arguments)
    _ = try arguments.options(call, 3, [])
    let files = RunFiles.of(run)
    let pool = run.services.blockingPool
    return call.suspend(
      CallRequest { request in
        let isTaken = pool.run {
          switch place.find(.followed) {
          case .failure(let problem): problem.complete(request, arguments.function)
          case .success(let found):
            switch FileActions.openForReading(found) {
            case .failure(let failure): request.complete(refusing: failure.message(place.written))
            case .success(let opened):
              guard let number = files.add(opened.file) else {
                request.complete(refusing: "a run has \(RunFiles.most) files open at most")
                return
              }
              // Nobody may want it any more.
              if !request.complete([.integer(Int64(number))]) { files.close(number) }
            }
          }
        }
        if !isTaken { request.complete(refusing: pool.refusal) }
      })
  }

  /// Bytes of one piece.
  private static let pieceSize = 64 << 10

  private static let piece = LuaFunction.host("__piece", as: "fs.lines", in: .run) { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    guard let number = call.integer(1), let file = RunFiles.of(run).file(Int(clamping: number)) else {
      throw arguments.misuse("the file belongs to another run, or was closed")
    }
    let pool = run.services.blockingPool
    return call.suspend(
      AnswerRequest(run.answers.room(), first: pieceSize) { request, _ in
        let isTaken = pool.run {
          var buffer = [UInt8](repeating: 0, count: pieceSize)
          // Safe: the call writes inside the array.
          let count = unsafe read(file.descriptor, &buffer, buffer.count)
          guard count >= 0 else {
            request.complete(refusing: SystemCall.message(for: errno))
            return
          }
          let bytes = Array(buffer[..<count])
          let push: @Sendable (inout LuaCall) -> LuaReturn = { call in
            if bytes.isEmpty { call.pushNil() } else { call.push(bytes) }
            return .results(1)
          }
          request.complete(push)
        }
        if !isTaken { request.complete(refusing: pool.refusal) }
      })
  }

  private static let close = LuaFunction.host("__close", as: "fs.lines", in: .run) { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    if let number = call.integer(1) { RunFiles.of(run).close(Int(clamping: number)) }
    return .none
  }
}

extension RunFiles {
  /// Those of a run; made when it first needs them.
  static func of(_ run: RunContext) -> RunFiles {
    run.kept("fs") { RunFiles(pool: run.services.blockingPool) }
  }
}

internal import Chronology
internal import FileWatching
internal import Glibc
internal import HostModules
internal import JobModel
internal import Lua
internal import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// The host functions behind `t`, and the modules that test files have.
enum TestModules {
  /// For loading test files: `t` is only asked in a run.
  static func declaring(_ children: ChildProcesses) -> [LuaModule] { all(children, host: nil) }

  /// - Parameter host: of the one test that runs in states with these modules.
  static func all(_ children: ChildProcesses, host: TestHost?) -> [LuaModule] {
    let shared = HostModules.all(children: children).filter { $0.name != "ctx" }
    return (host?.doublesOfTest.wrap(shared) ?? shared) + DeclareModules.modules + [
      LuaModule("", functions: [sleep], prelude: TestLanguage.declaring),
      LuaModule("t", functions: natives(host), prelude: TestLanguage.context),
    ]
  }

  /// In the place of the host's own.
  private static let sleep = LuaFunction("sleep", in: .both) { _ in
    .raise("sleep: time stands still in a test: let it pass with t:advance(duration)")
  }

  private static func natives(_ host: TestHost?) -> [LuaFunction] {
    guard let host else { return names.map { LuaFunction($0, in: .run) { _ in .raise("no test is running") } } }
    return [
      LuaFunction("__source", in: .run) { call in
        call.push(TestLanguage.source)
        return .results(1)
      },
      LuaFunction("__drive", in: .run) { call in
        switch wish(call, host) {
        case .failure(let refusal):
          call.push("misuse")
          call.push(refusal.text)
          return .results(2)
        case .success(let wish): return call.suspend(HeldRequest(begin: { host.ask(wish, $0) }, release: {}))
        }
      },
      LuaFunction("__answer", in: .run) { call in answer(&call, host) },
      LuaFunction("__ask", in: .run) { call in TestQuestions(host).answer(&call) },
      LuaFunction("__raise", in: .run) { call in .raise(call.string(1) ?? "") },
    ]
  }

  private static let names = ["__source", "__drive", "__answer", "__ask", "__raise"]

  // MARK: Reading

  typealias Refusal = Wish.Refusal

  private static func wish(_ call: borrowing LuaCall, _ host: TestHost) -> Result<Wish, Refusal> {
    let name = call.string(1) ?? ""
    do throws(Refusal) {
      switch name {
      case "advance": return .success(.pass(nanoseconds: try duration(call, 2, "t:advance")))
      case "advance_to": return .success(.reach(try instant(call, 2, "t:advance_to", host)))
      case "run":
        let within = call.isNil(4) ? 86_400_000_000_000 : try duration(call, 4, "t:run: within")
        return .success(
          .run(
            job: try text(call, 2, "t:run", "a job's name"),
            params: try json(call, 3, "t:run: params", host.setting.quotas.paramsBytes, "params_bytes"), within: within)
        )
      case "emit":
        let event = try text(call, 2, "t:emit", "an event's name", most: Quotas.eventNameBytes)
        return .success(.emit(event, try json(call, 3, "t:emit", host.setting.quotas.eventBytes, "event_bytes")))
      default: return .success(try files(call, host))
      }
    } catch { return .failure(error) }
  }

  static func duration(_ call: borrowing LuaCall, _ index: Int, _ function: String) throws(Refusal) -> Int64 {
    if let seconds = call.number(index) {
      guard seconds >= 0, seconds < 9.2e9 else {
        throw Refusal(text: "\(function): expected seconds from 0 up, not \(seconds)")
      }
      return Int64((seconds * 1e9).rounded())
    }
    guard let text = call.string(index) else {
      throw Refusal(
        text: "\(function): expected a duration (seconds, or text like \"1h30m\"), got \(call.type(index).description)")
    }
    do {
      let nanoseconds = try DurationText.parseNanoseconds(text)
      guard nanoseconds >= 0 else { throw Refusal(text: "\(function): a duration is not negative: \"\(text)\"") }
      return nanoseconds
    } catch let error as Refusal { throw error } catch { throw Refusal(text: "\(function): \(error)") }
  }

  private static func instant(
    _ call: borrowing LuaCall, _ index: Int, _ function: String, _ host: TestHost
  ) throws(Refusal) -> Instant {
    if let seconds = call.number(index) {
      guard let instant = Instant(fractionalSeconds: seconds) else {
        throw Refusal(text: "\(function): \(seconds) is no time that a clock can show")
      }
      return instant
    }
    let written = try text(call, index, function, "a time (seconds, or text like \"2026-03-29T02:00\")")
    do throws(TimeTextError) {
      return try ISO8601.parse(written).instant(in: host.setting.zone)
    } catch { throw Refusal(text: "\(function): \"\(written)\": \(error.message)") }
  }

  /// - Parameter most: bytes that a host takes.
  static func text(
    _ call: borrowing LuaCall, _ index: Int, _ function: String, _ what: String, most: Int = .max
  ) throws(Refusal) -> String {
    guard let text = call.string(index), !text.isEmpty else {
      throw Refusal(text: "\(function): expected \(what), got \(call.type(index).description)")
    }
    guard text.utf8.count <= most else {
      throw Refusal(text: "\(function): \(what) has \(most) bytes at most, this one has \(text.utf8.count)")
    }
    return text
  }

  /// - Parameters:
  ///   - limit: bytes that a host takes.
  ///   - setting: the quota that says so.
  static func json(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, _ limit: Int, _ setting: String
  ) throws(Refusal) -> JSONText? {
    if call.isNil(index) { return nil }
    let text: String
    do { text = try call.value(index, limits: LuaLimits(functions: false)).json() } catch {
      throw Refusal(text: "\(what): \(error.message)")
    }
    guard text.utf8.count <= limit else {
      let size = "it has \(text.utf8.count) bytes as JSON, and \(limit) are allowed"
      throw Refusal(text: "\(what): \(Quotas.message(size, setting))")
    }
    return JSONText(text)
  }

  private static func files(_ call: borrowing LuaCall, _ host: TestHost) throws(Refusal) -> Wish {
    let job = try text(call, 2, "t:files", "a job's name")
    guard let value = try? call.value(3), case .table(let table) = value, table.isSequence, !table.array.isEmpty else {
      throw Refusal(text: "t:files: expected a list of paths as argument 2, like { \"in/a.csv\" }")
    }
    let watched = host.definition(of: job)?.watch?.paths ?? []
    // A pattern that begins elsewhere fits nothing in the test's directory: whatever file stands for those.
    let isElsewhere = watched.contains { $0.hasPrefix("/") }
    let patterns = watched.compactMap { try? PathPattern.parse($0, from: host.setting.directory) }.flatMap { $0 }
    var files: [WatchedFile] = []
    for item in table.array {
      guard case .string(let path) = item else { throw Refusal(text: "t:files: a path is a string") }
      let absolute = PlainPath.absolute(path.text, from: host.setting.directory)
      var status = stat()
      // Safe: the call fills the struct it is given.
      guard unsafe stat(absolute, &status) == 0 else {
        throw Refusal(
          text: "t:files: there is no file \(path.text): make its directory with fs.mkdir, and write it with fs.write")
      }
      guard watched.isEmpty || isElsewhere || patterns.contains(where: { $0.matches(absolute) }) else {
        let list = watched.joined(separator: ", ")
        throw Refusal(text: "t:files: job \"\(job)\" does not watch for \(path.text), but for \(list)")
      }
      files.append(
        WatchedFile(
          path: absolute,
          version: FileVersion(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modified: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))))
    }
    return .files(job: job, files)
  }

  /// `__answer(id, takes, ok, …)`.
  private static func answer(_ call: inout LuaCall, _ host: TestHost) -> LuaReturn {
    let id = call.integer(1) ?? 0
    let delay = (try? duration(call, 2, "t:fake")) ?? 0
    let answer: TestDoubles.Answer
    if call.bool(3) == true {
      var values: [LuaValue] = []
      var problem: String?
      for index in stride(from: 4, through: call.count, by: 1) {
        do { values.append(try call.value(index, limits: LuaLimits(functions: false))) } catch {
          problem = error.message
        }
      }
      answer = problem.map { .raise("the answer of a fake: \($0)") } ?? .results(values)
    } else {
      answer = .raise(call.string(4) ?? "the fake failed")
    }
    return call.suspend(HeldRequest(begin: { host.answer(id, answer, delay: delay, $0) }, release: {}))
  }
}

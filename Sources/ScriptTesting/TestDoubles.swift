internal import Chronology
internal import FileWatching
internal import HostModules
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// What answers for the world in the runs of a test: host functions that leave the host wait for a function of the
/// test, or refuse.
///
/// `fs` and `sqlite` work, below the test's own directory; the environment is empty; everything else that would reach
/// beyond the host (`http`, `exec`, `mail`, `notify`, `secret`) is an error until the test says what it answers.
///
/// Threading: any thread.
final class TestDoubles: Sendable {
  /// A call of a host function that the test is to answer.
  struct Call: Sendable {
    let id: Int64
    /// The fake that answers it, and the shape of its answer.
    let fake: String
    let shape: String
    let arguments: [LuaValue]
    let job: String
    let run: RunID
    let request: HeldRequest
  }

  private struct State: Sendable {
    var fakes: Set<String> = []
    var next: Int64 = 0
    /// Asked of the test, in the order of the calls.
    var waiting: [Call] = []
    /// Handed to the test, which is about to answer.
    var open: [Int64: Call] = [:]
    /// Answers that take their time: when they come, by the monotonic clock.
    var delayed: [(at: Int64, id: Int64, answer: Answer)] = []
  }

  enum Answer: Sendable {
    case results([LuaValue])
    case raise(String)
  }

  private let state = Mutex(State())
  private let directory: String

  /// - Parameter directory: the test's own, absolute.
  init(directory: String) { self.directory = directory }

  // MARK: What can be faked

  /// Modules whose functions leave the host.
  private static let modules: Set<String> = ["http", "mail", "__exec", "secret", "env", "fs", "sqlite", ""]

  /// The names that `t:fake` takes.
  static let names: [String] =
    ["http"]
    + HostFunctions.names.filter { name in
      if withoutAnswer.contains(name) { return false }
      return ["exec", "secret", "notify"].contains(name)
        || ["env.", "fs.", "http.", "mail."].contains { name.hasPrefix($0) }
    }
  /// Functions of `fs` that are read from, or that go with the run.
  private static let withoutAnswer: Set = ["fs.lines", "fs.chunks", "fs.temp"]

  /// From now on the test answers for `name`, or does not any more. False: nothing of that name can be faked.
  func set(_ name: String, _ isFaked: Bool) -> Bool {
    guard Self.names.contains(name) else { return false }
    state.withLock { state in
      if isFaked { state.fakes.insert(name) } else { state.fakes.remove(name) }
    }
    return true
  }

  /// The modules with the test between them and the world.
  func wrap(_ modules: [LuaModule]) -> [LuaModule] {
    modules.map { module in
      guard Self.modules.contains(module.name) else { return module }
      let functions = module.functions.map { function -> LuaFunction in
        let path = Self.path(module.name, function.name)
        guard ["exec", "secret", "notify"].contains(path) || !module.name.isEmpty else { return function }
        if function.name == "__source" || path.hasPrefix("__") { return function }
        return function.intercepted { [self] call, own in answer(path, &call, own) }
      }
      return LuaModule(module.name, functions: functions, constants: module.constants, prelude: module.prelude)
    }
  }

  private static func path(_ module: String, _ function: String) -> String {
    let plain = function.hasPrefix("__") ? String(function.dropFirst(2)) : function
    // What `exec` becomes for pipelines, and for lines as they come.
    if module == "__exec" { return plain == "start" ? "exec" : function }
    return module.isEmpty ? plain : "\(module).\(plain)"
  }

  // MARK: A call

  private func answer(_ path: String, _ call: inout LuaCall, _ own: (inout LuaCall) -> LuaReturn) -> LuaReturn {
    guard let run = call.context as? RunContext else { return own(&call) }
    let word = path == "http.request" ? call.string(1) ?? "request" : ""
    let names = path == "http.request" ? ["http.\(word)", "http"] : [path]
    let fake = state.withLock { state in names.first { state.fakes.contains($0) } }
    if let fake {
      var arguments: [LuaValue] = []
      for index in stride(from: 1, through: call.count, by: 1) {
        do {
          arguments.append(try call.value(index, limits: LuaLimits(functions: false)))
        } catch { return .raise("\(names[0]): \(error.message)") }
      }
      return call.suspend(request(fake, path, arguments, run))
    }
    switch path {
    case "env.get":
      // The machine's environment is nothing that a test may depend on.
      if call.count >= 2 { call.pushArgument(2) } else { call.pushNil() }
      return .results(1)
    case let file where file.hasPrefix("fs.") || file.hasPrefix("sqlite."):
      if let outside = outside(file, call) {
        let remedy = Self.names.contains(file) ? ", or say what it answers with t:fake(\"\(file)\", …)" : ""
        return .raise(
          "\(file): \(outside) is not in the test's directory, and a test reaches no other: "
            + "use a path below it\(remedy)"
        )
      }
      return own(&call)
    default:
      return .raise(
        "\(names[0]): a test does not reach the world: say what it answers with t:fake(\"\(names[0])\", …)")
    }
  }

  /// Functions with a second path. Of others the second argument is content, or SQL, which may look like a path.
  private static let withTwoPaths: Set = ["fs.copy", "fs.move", "fs.rename"]

  /// The first path among the arguments that leads out of the directory.
  private func outside(_ function: String, _ call: borrowing LuaCall) -> String? {
    for index in 1...(Self.withTwoPaths.contains(function) ? 2 : 1) {
      guard call.type(index) == .string, let path = call.string(index) else { continue }
      let plain = PlainPath.absolute(path, from: directory)
      if plain != directory, !plain.hasPrefix(directory + "/") { return path.cut(toBytes: 200) }
    }
    return nil
  }

  private func request(_ fake: String, _ path: String, _ arguments: [LuaValue], _ run: RunContext) -> HeldRequest {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    let shape = path.hasPrefix("http.") ? "http" : path
    let order = run.current
    let (job, number) = (order.job.definition.name, order.id)
    let given =
      path == "http.request"
      ? Self.httpArguments(arguments, fake) : path == "exec" ? Array(arguments.prefix(2)) : arguments
    return HeldRequest(
      begin: { [self] request in
        let call = Call(
          id: id, fake: fake, shape: shape, arguments: given, job: job, run: number, request: request)
        state.withLock { $0.waiting.append(call) }
      },
      release: { [self] in
        state.withLock { state in
          state.waiting.removeAll { $0.id == id }
          state.open[id] = nil
          state.delayed.removeAll { $0.id == id }
        }
      })
  }

  /// As the script gave them: `http` hands its host function the name, the method, the address, the options without
  /// the content, and the content apart.
  private static func httpArguments(_ arguments: [LuaValue], _ fake: String) -> [LuaValue] {
    func at(_ index: Int) -> LuaValue { index < arguments.count ? arguments[index] : .nil }
    var options = at(3)
    if at(4) != .nil || at(5) != .nil {
      var table = LuaTable()
      if case .table(let given) = options { table = given }
      var fields = table.fields
      if at(4) != .nil { fields.append((key: "body", value: at(4))) }
      if at(5) != .nil { fields.append((key: "json", value: at(5))) }
      options = .table(LuaTable(array: table.array, fields: fields, others: table.others))
    }
    let isGeneral = fake == "http" || fake == "http.request"
    return (isGeneral ? [at(1)] : []) + [at(2)] + (options == .nil ? [] : [options])
  }

  // MARK: The test's side

  /// The next call that the test is to answer.
  func take() -> Call? {
    state.withLock { state in
      guard !state.waiting.isEmpty else { return nil }
      let call = state.waiting.removeFirst()
      state.open[call.id] = call
      return call
    }
  }

  /// The test's answer, which comes at once, or at a time of the monotonic clock.
  func answer(_ id: Int64, _ answer: Answer, at time: Int64?) {
    let call = state.withLock { state -> Call? in
      if let time {
        if state.open[id] != nil { state.delayed.append((time, id, answer)) }
        return nil
      }
      return state.open.removeValue(forKey: id)
    }
    if let call { Self.complete(call, answer) }
  }

  /// When the next answer comes that takes its time.
  var nextAnswer: Int64? { state.withLock { $0.delayed.map(\.at).min() } }

  /// Hands over the answers whose time has come. False: there were none.
  func deliver(at now: Int64) -> Bool {
    let due = state.withLock { state -> [(call: Call, answer: Answer)] in
      let due = state.delayed.filter { $0.at <= now }.sorted { ($0.at, $0.id) < ($1.at, $1.id) }
      state.delayed.removeAll { $0.at <= now }
      return due.compactMap { entry in state.open.removeValue(forKey: entry.id).map { ($0, entry.answer) } }
    }
    for entry in due { Self.complete(entry.call, entry.answer) }
    return !due.isEmpty
  }

  private static func complete(_ call: Call, _ answer: Answer) {
    switch answer {
    case .results(let values): call.request.complete(values)
    case .raise(let message): call.request.complete(raising: message)
    }
  }
}

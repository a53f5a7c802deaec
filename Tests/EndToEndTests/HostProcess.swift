import Foundation
import Glibc
import ScriptFixtures
import Synchronization

/// The built `moondial` binary as a process: what it prints is waited for line by line, with deadlines.
///
///     let host = try HostProcess(["run", "scripts"], in: place.path)
///     try host.awaitLine { $0.contains("1 job") }
///     host.signal(SIGTERM)
///     #expect(try host.awaitExit() == 0)
///
/// A test ends what it started; what a test leaves is killed with its ``Place``. Threading: any thread.
final class HostProcess: @unchecked Sendable {
  // `@unchecked`: everything mutable is behind `condition`.
  private let condition = NSCondition()
  private var collected = Collected()
  private let command: String
  let pid: Int32

  private struct Collected {
    var lines: [Line] = []
    /// Streams that are still open.
    var open = 2
    var status: Int32?
    /// Lines before this one were handed out by `awaitLine`.
    var position = 0
  }

  struct Line: Sendable {
    var text: String
    var isError: Bool
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Seconds after which waiting is a failure. Generous: it only ever passes when something is wrong.
  static let patience = 60.0

  /// Beside the test bundle, where the package manager puts every product of one build.
  static let binary: String = {
    let tests =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("moondial").path
  }()

  /// Standard error, while nobody reads it.
  private let unread: Mutex<Int32?>

  /// - Parameters:
  ///   - program: what is started, with the words that come before `arguments`; by default the binary.
  ///   - input: what it reads; by default nothing.
  ///   - readsErrors: false: its log stays in the pipe until `readErrors`.
  ///   - closed: descriptors that it starts without.
  ///   - prefix: a program, with its arguments, that becomes the other one: `prlimit --nofile=12`.
  ///   - shell: what a shell does before it becomes the program: `ulimit -f 100`.
  init(
    program: [String] = [HostProcess.binary], _ arguments: [String], in directory: String, input: String = "",
    readsErrors: Bool = true, closed: [Int32] = [], prefix: [String] = [],
    shell prelude: String = ""
  ) throws {
    let arguments = program == [Self.binary] ? Self.onExecutor(arguments) : arguments
    command = "moondial " + arguments.joined(separator: " ")
    // Pipes that no other child inherits, so that their ends are told by this one's end.
    let (pid, stdin, output, errors) = try Self.spawning.withLock { _ in
      let (stdin, output, errors) = (try Self.pipe(), try Self.pipe(), try Self.pipe())
      // env(1) changes the directory and becomes the program.
      let become = (prelude.isEmpty ? "" : prelude + "; ") + "exec \"$@\"" + closed.map { " \($0)>&-" }.joined()
      let shell = closed.isEmpty && prelude.isEmpty ? [] : ["/bin/sh", "-c", become, "sh"]
      let pid = try Self.spawn(
        ["/usr/bin/env", "-C", directory] + shell + prefix + program + arguments, stdin: stdin.read,
        output: output.write, errors: errors.write)
      for descriptor in [stdin.read, output.write, errors.write] { close(descriptor) }
      return (pid, stdin, output, errors)
    }
    self.pid = pid
    unread = Mutex(readsErrors ? nil : errors.read)
    ChildRegister.add(self, in: directory)
    Self.feed(Array(input.utf8), to: stdin.write)
    collect(output.read, isError: false)
    if readsErrors { collect(errors.read, isError: true) }
    Thread.detachNewThread { [self] in
      var status: Int32 = 0
      // Safe: writes a local. It ends with the child, for which nobody else waits.
      while unsafe waitpid(pid, &status, 0) == -1, errno == EINTR {}
      // A signal's number is shown as shells do.
      let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
      change { $0.status = code }
    }
  }

  /// What executes runs does so on the executor of the test's suite (`.onBothExecutors`).
  private static func onExecutor(_ arguments: [String]) -> [String] {
    guard RunExecutor.current == .processes, ["run", "exec"].contains(arguments.first) else { return arguments }
    return arguments + ["--set", "executors.default.type=process"]
  }

  /// Writes what a child reads, and closes the pipe. A child that does not read must not hold the test up.
  private static func feed(_ bytes: [UInt8], to descriptor: Int32) {
    guard !bytes.isEmpty else {
      close(descriptor)
      return
    }
    Thread.detachNewThread {
      // Who has ended reads nothing more: that is an error of the call, not a signal, on this thread alone.
      var pipe = sigset_t()
      // Safe: the calls write and read that one set.
      unsafe sigemptyset(&pipe)
      unsafe sigaddset(&pipe, SIGPIPE)
      unsafe pthread_sigmask(SIG_BLOCK, &pipe, nil)
      var rest = bytes[...]
      while !rest.isEmpty {
        // Safe: the buffer has that many bytes.
        let count = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { break }
        rest.removeFirst(count)
      }
      close(descriptor)
    }
  }

  /// One at a time: a child that is made between a pipe and its mark would hold it open.
  private static let spawning = Mutex(())

  private static func pipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    // Safe: the array has room for the two that are written.
    guard unsafe Glibc.pipe(&ends) == 0 else { throw Failure(description: "no pipe could be made (error \(errno))") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// The child gets the test's environment without MOONDIAL_ variables but the one that turns TCP off, and no blocked
  /// signals.
  private static func spawn(
    _ arguments: [String], stdin: Int32, output: Int32, errors: Int32
  ) throws -> Int32 {
    var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("MOONDIAL_") }
    // Hosts of several tests at once have one port between them; who wants one says --set http.listen.
    environment["MOONDIAL_HTTP__LISTEN"] = "false"
    // Safe: both lists end in nil, their strings live until the call has returned and are freed then; `actions` and
    // `attributes` are initialised before use and destroyed after.
    var argv = unsafe arguments.map { unsafe strdup($0) } + [nil]
    var envp = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
    defer { unsafe (argv + envp).forEach { unsafe free($0) } }
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, stdin, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var pid: Int32 = 0
    let error = unsafe posix_spawn(&pid, arguments[0], &actions, &attributes, &argv, &envp)
    guard error == 0 else {
      throw Failure(description: "\(arguments[0]) cannot be started (error \(error)): build it first")
    }
    return pid
  }

  /// Reads a stream to its end on a thread of its own.
  private func collect(_ descriptor: Int32, isError: Bool) {
    Thread.detachNewThread { [self] in
      let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      var rest = Data()
      // What is there, not as much as fits: `read(upToCount:)` would wait for more.
      while case let data = handle.availableData, !data.isEmpty {
        rest.append(data)
        var lines: [Line] = []
        while let end = rest.firstIndex(of: 10) {
          lines.append(Line(text: String(decoding: rest[rest.startIndex..<end], as: UTF8.self), isError: isError))
          rest = Data(rest[rest.index(after: end)...])
        }
        if !lines.isEmpty { change { $0.lines += lines } }
      }
      let last = rest.isEmpty ? [] : [Line(text: String(decoding: rest, as: UTF8.self), isError: isError)]
      change { collected in
        collected.lines += last
        collected.open -= 1
      }
    }
  }

  /// Begins to read what was left unread.
  func readErrors() {
    let descriptor = unread.withLock { $0.take() }
    if let descriptor { collect(descriptor, isError: true) }
  }

  /// Whether the process has ended, read or unread.
  func processEnds(within seconds: Double = patience) -> Bool { wait(seconds: seconds) { $0.status } != nil }

  private func change(_ body: (inout Collected) -> Void) {
    condition.lock()
    body(&collected)
    condition.broadcast()
    condition.unlock()
  }

  private func wait<R>(seconds: Double, for body: (inout Collected) throws -> R?) rethrows -> R? {
    let deadline = Date(timeIntervalSinceNow: seconds)
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let result = try body(&collected) { return result }
      guard condition.wait(until: deadline) else { return try body(&collected) }
    }
  }

  // MARK: What it said

  /// Everything printed so far.
  var lines: [Line] { wait(seconds: 0) { $0.lines } ?? [] }
  var text: String { lines.map(\.text).joined(separator: "\n") }

  /// The next line, after the one that was found last, for which `holds` is true.
  @discardableResult
  func awaitLine(within seconds: Double = patience, _ holds: (String) -> Bool) throws -> String {
    let found = try wait(seconds: seconds) { collected -> String? in
      while collected.position < collected.lines.count {
        let line = collected.lines[collected.position].text
        collected.position += 1
        if holds(line) { return line }
      }
      guard collected.open == 0, collected.status != nil else { return nil }
      throw Failure(description: "\(command) ended before the line came; it said:\n\(Self.end(of: collected.lines))")
    }
    guard let found else {
      throw Failure(description: "\(command): the line did not come; it said:\n\(Self.end(of: lines))")
    }
    return found
  }

  @discardableResult
  func awaitLine(within seconds: Double = patience, containing part: String) throws -> String {
    try awaitLine(within: seconds) { $0.contains(part) }
  }

  /// A line that contains `part`, among those before as well: lines of several runs come in any order. Moves nothing.
  @discardableResult
  func awaitAnywhere(_ part: String) throws -> String {
    let found = wait(seconds: Self.patience) { collected in
      collected.lines.first { $0.text.contains(part) }?.text ?? (collected.open == 0 ? "" : nil)
    }
    guard let found, !found.isEmpty else {
      throw Failure(description: "\(command): no line has \"\(part)\"; it said:\n\(Self.end(of: lines))")
    }
    return found
  }

  private static func end(of lines: [Line]) -> String { lines.suffix(40).map(\.text).joined(separator: "\n") }

  // MARK: Its end

  func signal(_ number: Int32) { if wait(seconds: 0, for: { $0.status }) == nil { kill(pid, number) } }

  /// The exit code (128 + n after signal n) when it has ended and everything it printed is here.
  @discardableResult
  func awaitExit(within seconds: Double = patience) throws -> Int32 {
    guard let status = endWithin(seconds) else {
      throw Failure(description: "\(command) does not end; it said:\n\(Self.end(of: lines))")
    }
    return status
  }

  /// The same; nil when it lives on after `seconds`.
  func endWithin(_ seconds: Double) -> Int32? { wait(seconds: seconds) { $0.open == 0 ? $0.status : nil } }

  /// Runs a command to its end.
  static func run(
    _ arguments: [String], in directory: String, input: String = "", prefix: [String] = [],
    program: [String] = [HostProcess.binary], within seconds: Double = patience
  ) throws -> Ended {
    let process = try HostProcess(program: program, arguments, in: directory, input: input, prefix: prefix)
    // One that does not end is not left behind.
    defer { process.signal(SIGKILL) }
    let status = try process.awaitExit(within: seconds)
    let lines = process.lines
    return Ended(
      status: status, output: lines.filter { !$0.isError }.map(\.text), errors: lines.filter(\.isError).map(\.text))
  }

  struct Ended: Sendable {
    var status: Int32
    var output: [String]
    var errors: [String]
  }
}

/// The processes that were started in directories of tests: who ends the directory ends them, and the end of the tests
/// ends what is left, such as that of a directory which a suite keeps to its end.
enum ChildRegister {
  private static let children = Mutex<[String: [HostProcess]]>([:])
  /// Done once.
  private static let endsWithTests: Void = {
    atexit { for child in ChildRegister.take(in: "") { child.signal(SIGKILL) } }
  }()

  static func add(_ child: HostProcess, in directory: String) {
    endsWithTests
    children.withLock { $0[directory, default: []].append(child) }
  }

  /// Those that were started in a directory, or below it; all of them, if it is empty.
  static func take(in directory: String) -> [HostProcess] {
    children.withLock { children in
      let own = children.keys.filter { directory.isEmpty || $0 == directory || $0.hasPrefix(directory + "/") }
      return own.flatMap { children.removeValue(forKey: $0) ?? [] }
    }
  }
}

/// A directory for one test: `scripts` in it, and the state beside it.
final class Place: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("moondial-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path + "/scripts", withIntermediateDirectories: true)
  }

  deinit {
    for child in ChildRegister.take(in: path) {
      child.signal(SIGKILL)
      _ = child.endWithin(HostProcess.patience)
    }
    try? FileManager.default.removeItem(atPath: path)
  }

  var store: String { path + "/.moondial/moondial.db" }

  /// Saves a script in place, as `>` in a shell does.
  func save(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/scripts/" + name))
  }

  /// Saves a script by renaming a finished file over it, as most editors do.
  func replace(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/scripts/" + name), options: .atomic)
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path + "/scripts/" + name) }

  func text(_ name: String) -> String {
    (try? String(contentsOfFile: path + "/" + name, encoding: .utf8)) ?? ""
  }

  /// A host over this place's scripts; killed when the place goes, so that a test that fails leaves nothing behind.
  func host(_ more: String..., prefix: [String] = []) throws -> HostProcess {
    try HostProcess(["run", "scripts"] + more, in: path, prefix: prefix)
  }

  /// A command to its end.
  func run(_ arguments: String..., input: String = "") throws -> HostProcess.Ended {
    try HostProcess.run(arguments, in: path, input: input)
  }
}

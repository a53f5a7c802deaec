internal import Glibc

/// What to execute, with everything worked out: no environment of this process is looked at.
struct ChildCommand: Sendable {
  /// Absolute path of the program.
  var program: String
  var arguments: [String]
  /// `NAME=value`.
  var environment: [String]
  var directory: String
  /// nil: the child reads from /dev/null.
  var input: [UInt8]?
}

/// The system calls of `exec`, with their results as values.
enum ProcessCalls {
  /// A child and this end of its pipes; −1 where there is none.
  struct Spawned: Sendable {
    var process: pid_t
    /// Readable when the child has ended; −1 when the kernel has no such thing (before 5.3).
    var ending: Int32
    var input: Int32
    var output: Int32
    var errors: Int32
  }

  /// Starts a child as the leader of a process group of its own, with default signal handling, nothing masked, and no
  /// descriptor of ours but its three.
  static func spawn(_ command: ChildCommand) -> Result<Spawned, Errno> {
    var opened: [Int32] = []
    func fail(_ error: Errno) -> Result<Spawned, Errno> {
      for descriptor in opened { close(descriptor) }
      return .failure(error)
    }
    guard let output = pipe() else { return fail(.current) }
    opened += [output.reading, output.writing]
    guard let errors = pipe() else { return fail(.current) }
    opened += [errors.reading, errors.writing]
    var input: (reading: Int32, writing: Int32)?
    if command.input != nil {
      guard let made = pipe() else { return fail(.current) }
      opened += [made.reading, made.writing]
      input = made
    }

    var actions = unsafe posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    var every = sigset_t()
    var none = sigset_t()
    // Safe: actions, attributes and sets are local, initialised first, and live until after posix_spawn.
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe sigfillset(&every)
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &every)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    if let input {
      unsafe posix_spawn_file_actions_adddup2(&actions, input.reading, 0)
    } else {
      unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    unsafe posix_spawn_file_actions_adddup2(&actions, output.writing, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, errors.writing, 2)
    // Whatever else this process has open, close-on-exec or not, is not the child's business.
    if let closeFrom = unsafe HiddenCalls.addCloseFrom { _ = unsafe closeFrom(&actions, 3) }
    guard let changeDirectory = unsafe HiddenCalls.addChangeDirectory else { return fail(Errno(code: ENOSYS)) }
    unsafe _ = changeDirectory(&actions, command.directory)

    var process: pid_t = 0
    let code = unsafe withTerminated(command.arguments) { arguments in
      unsafe withTerminated(command.environment) { environment in
        // Safe: both lists are terminated and live across the call, which copies what it needs.
        unsafe posix_spawn(&process, command.program, &actions, &attributes, arguments, environment)
      }
    }
    guard code == 0 else { return fail(Errno(code: code)) }
    close(output.writing)
    close(errors.writing)
    if let input { close(input.reading) }
    for descriptor in [output.reading, errors.reading, input?.writing].compactMap({ $0 }) {
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }
    return .success(
      Spawned(
        process: process, ending: openEnding(process), input: input?.writing ?? -1, output: output.reading,
        errors: errors.reading))
  }

  /// A pipe whose ends are closed in other children. Not atomically: a child that another thread starts at this very
  /// moment could keep an end, were it not for the `closefrom` of every child started here.
  private static func pipe() -> (reading: Int32, writing: Int32)? {
    var ends: [Int32] = [-1, -1]
    // Safe: the call writes two numbers into an array of two.
    guard unsafe Glibc.pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// Calls `body` with copies of `texts` as a list of C strings that ends with NULL.
  private static func withTerminated<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    // Safe: the copies are freed after `body`, and the list itself is an array that outlives it.
    var list: [UnsafeMutablePointer<CChar>?] = unsafe texts.map { unsafe strdup($0) }
    unsafe list.append(nil)
    defer { for index in unsafe list.indices { unsafe free(list[index]) } }
    return unsafe list.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
  }

  private static func openEnding(_ process: pid_t) -> Int32 {
    guard let open = HiddenCalls.openProcess else { return -1 }
    return open(process, 0)
  }

  /// How a child has ended: its status, once. nil while it runs.
  static func reap(_ process: pid_t) -> Int32? {
    var status: Int32 = 0
    while true {
      // Safe: the call writes that one number.
      let result = unsafe waitpid(process, &status, WNOHANG)
      if result == process { return status }
      if result == 0 { return nil }
      // Somebody else has reaped it: then nobody will ever know.
      if errno != EINTR { return 0 }
    }
  }

  /// Signals a whole process group.
  static func signal(group: pid_t, _ signal: Int32) { _ = kill(-group, signal) }

  enum Transfer { case bytes(Int), wouldBlock, ended }

  /// Bytes that a pipe has now; 0 also when it has ended.
  static func available(_ descriptor: Int32) -> Int {
    var count: Int32 = 0
    // Safe: the call writes that one number.
    return unsafe ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
  }

  /// Appends what can be read now to `bytes`, up to `limit` of them; the rest is thrown away.
  static func read(
    _ descriptor: Int32, atMost most: Int, into bytes: inout [UInt8], limit: Int, isTruncated: inout Bool
  ) -> Transfer {
    // With nothing there, one byte is enough to see the end; one that comes at this moment stays for the next time.
    guard most > 0 else { return hasEnded(descriptor) ? .ended : .wouldBlock }
    var buffer = [UInt8](repeating: 0, count: min(most, 65_536))
    while true {
      // Safe: the call writes inside the array, which outlives it.
      let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
      if count > 0 {
        let room = max(0, limit - bytes.count)
        if count > room { isTruncated = true }
        bytes += buffer[..<min(room, count)]
        return .bytes(count)
      }
      if count == 0 { return .ended }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wouldBlock : .ended
    }
  }

  /// Whether an empty pipe has no writer any more.
  private static func hasEnded(_ descriptor: Int32) -> Bool {
    var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe: the call reads and writes that one struct.
    guard unsafe poll(&asked, 1, 0) > 0 else { return false }
    return asked.revents & Int16(POLLIN) == 0
  }

  /// Writes what can be written now. A reader that is gone ends it (this thread has SIGPIPE blocked).
  static func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Transfer {
    while true {
      // Safe: the call reads inside the slice, which outlives it.
      let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 { return .bytes(count) }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wouldBlock : .ended
    }
  }

  /// Whether `path` is a file that may be executed.
  static func isExecutable(_ path: String) -> Bool {
    guard case .success(let status) = SystemCall.status(of: path), status.kind == .file else { return false }
    // Safe: the path is passed as a terminated copy.
    return unsafe access(path, X_OK) == 0
  }
}

/// Functions of the C library that its headers show to GNU sources only, and so not to Swift: looked up by name.
private enum HiddenCalls {
  typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
  typealias AddChangeDirectory =
    @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, UnsafePointer<CChar>) -> Int32
  typealias OpenProcess = @convention(c) (pid_t, UInt32) -> Int32

  /// glibc 2.34 and later.
  static let addCloseFrom = unsafe find("posix_spawn_file_actions_addclosefrom_np", as: AddCloseFrom.self)
  /// glibc 2.29 and later, musl 1.1.24 and later.
  static let addChangeDirectory = unsafe find("posix_spawn_file_actions_addchdir_np", as: AddChangeDirectory.self)
  /// glibc 2.36 and later. -1 on kernels before 5.3.
  static let openProcess = find("pidfd_open", as: OpenProcess.self)

  private static func find<Function>(_ name: String, as type: Function.Type) -> Function? {
    // Safe: RTLD_DEFAULT is NULL, and the C library's symbol of that name has the type written above.
    guard let symbol = unsafe dlsym(nil, name) else { return nil }
    return unsafe unsafeBitCast(symbol, to: type)
  }
}

internal import Basics
internal import CLinux
package import FileWatching
package import Glibc

/// What to execute, with everything worked out: no environment of this process is looked at. All bytes, as the kernel
/// has them: none of them need be text.
package struct ChildCommand: Sendable, Equatable {
  /// Absolute path of the program.
  package var program: [UInt8]
  package var arguments: [[UInt8]]
  /// `NAME=value`.
  package var environment: [[UInt8]]
  package var directory: [UInt8]
  /// nil: the child reads from /dev/null, or from `inputFile`.
  package var input: [UInt8]?
  /// Read by the child itself; `input` is nil then.
  package var inputFile: ChildFile?
  /// Written by the child itself; its output cannot be kept then.
  package var outputFile: ChildFile?

  package init(
    program: [UInt8], arguments: [[UInt8]], environment: [[UInt8]], directory: [UInt8], input: [UInt8]? = nil
  ) {
    self.program = program
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
    self.input = input
  }
}

/// A descriptor that a child gets: closed on this side with the last reference.
package final class ChildFile: Sendable, Equatable {
  let descriptor: Int32

  /// Takes the descriptor over.
  package init(owning descriptor: Int32) { self.descriptor = descriptor }

  /// One of its own for the same file; nil when the process has none left.
  package init?(duplicating descriptor: Int32) {
    self.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    if self.descriptor < 0 { return nil }
  }

  deinit { close(descriptor) }

  package static func == (left: ChildFile, right: ChildFile) -> Bool { left === right }

  /// A pipe from one child to the next.
  package static func pipe() -> (reading: ChildFile, writing: ChildFile)? {
    var ends: [Int32] = [-1, -1]
    // Safe: the call writes two numbers into an array of two.
    guard unsafe linux_pipe(&ends) == 0 else { return nil }
    return (ChildFile(owning: ends[0]), ChildFile(owning: ends[1]))
  }
}

/// Why there is no child.
package enum ChildFailure: Error, Sendable {
  case program(Errno)
  case directory(Errno)
  /// Pipes, memory, processes.
  case machine(Errno)
}

/// The system calls of `exec`, with their results as values.
package enum ProcessCalls {
  /// A child and this end of its pipes; −1 where there is none.
  package struct Spawned: Sendable {
    package var process: pid_t
    /// Readable when the child has ended; −1 when the kernel has no such thing (before 5.3).
    package var exitDescriptor: Int32
    package var input: Int32
    package var output: Int32
    package var errors: Int32
  }

  /// Starts a child as the leader of a session and a process group of its own, with default signal handling, nothing
  /// masked, and no descriptor of ours but its three.
  ///
  /// - Parameters:
  ///   - diesWithHost: the kernel kills it when the calling thread ends.
  ///   - keeper: kills what it has started when the host dies; knows of it before its program begins.
  package static func spawn(
    _ command: ChildCommand, diesWithHost: Bool = true, keeper: ChildKeeper? = nil
  ) -> Result<Spawned, ChildFailure> {
    var opened: [Int32] = []
    func fail(_ failure: ChildFailure) -> Result<Spawned, ChildFailure> {
      for descriptor in opened { close(descriptor) }
      return .failure(failure)
    }
    var output: (reading: Int32, writing: Int32)?
    if command.outputFile == nil {
      guard let made = pipe() else { return fail(.machine(.current)) }
      opened += [made.reading, made.writing]
      output = made
    }
    guard let errors = pipe() else { return fail(.machine(.current)) }
    opened += [errors.reading, errors.writing]
    var input: (reading: Int32, writing: Int32)?
    if command.input != nil {
      guard let made = pipe() else { return fail(.machine(.current)) }
      opened += [made.reading, made.writing]
      input = made
    }

    var failure = linux_child_failure()
    let process = unsafe withTerminated(command.arguments) { arguments in
      unsafe withTerminated(command.environment) { environment in
        unsafe withTerminated([command.program, command.directory]) { paths in
          // Safe: the lists are terminated, have what is taken out of them, and live across the call, which keeps
          // nothing.
          let child = unsafe linux_child(
            program: paths[0]!, arguments: arguments, environment: environment, directory: paths[1]!,
            input: input?.reading ?? command.inputFile?.descriptor ?? -1,
            output: output?.writing ?? command.outputFile?.descriptor ?? -1, errors: errors.writing,
            dies_with_host: diesWithHost, keeper: keeper?.input ?? -1)
          return unsafe withUnsafePointer(to: child) { child in unsafe linux_spawn(child, &failure) }
        }
      }
    }
    guard process > 0 else {
      if failure.told > 0 { keeper?.forget(failure.told) }
      let error = Errno(code: failure.error)
      switch failure.step {
      case LINUX_CHILD_DIRECTORY: return fail(.directory(error))
      case LINUX_CHILD_PROGRAM: return fail(.program(error))
      default: return fail(.machine(error))
      }
    }
    if let output { close(output.writing) }
    close(errors.writing)
    if let input { close(input.reading) }
    for descriptor in [output?.reading, errors.reading, input?.writing].compactMap({ $0 }) {
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }
    return .success(
      Spawned(
        process: process, exitDescriptor: linux_open_process(process), input: input?.writing ?? -1,
        output: output?.reading ?? -1, errors: errors.reading))
  }

  private static func pipe() -> (reading: Int32, writing: Int32)? {
    var ends: [Int32] = [-1, -1]
    // Safe: the call writes two numbers into an array of two.
    return unsafe linux_pipe(&ends) == 0 ? (ends[0], ends[1]) : nil
  }

  /// Calls `body` with copies of `texts` as a list of C strings that ends with NULL.
  private static func withTerminated<Result>(
    _ texts: [[UInt8]], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    // Safe: the offsets point into the storage, which is not changed after they were made and outlives `body`, as the
    // list does; each text has a zero byte behind it.
    var storage: [CChar] = []
    var offsets: [Int] = []
    for text in texts {
      offsets.append(storage.count)
      storage += text.map { CChar(bitPattern: $0) }
      storage.append(0)
    }
    return unsafe storage.withUnsafeMutableBufferPointer { storage in
      var list: [UnsafeMutablePointer<CChar>?] = unsafe offsets.map { unsafe storage.baseAddress! + $0 }
      unsafe list.append(nil)
      return unsafe list.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }
  }

  /// How a child has ended: its status, once. nil while it runs.
  package static func reap(_ process: pid_t) -> Int32? {
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

  /// Waits for a child that is about to end. That is short; but one that hangs in the kernel, as on a dead network
  /// disk, must not hold up the end of the host.
  package static func bury(_ process: pid_t) {
    let end = monotonicNow() + 1_000_000_000
    while reap(process) == nil, monotonicNow() < end { SystemCall.pause(.milliseconds(1)) }
  }

  /// Signals a whole process group; where the child could not have one of its own (in a worker process), the child.
  package static func signal(group: pid_t, _ signal: Int32) {
    if kill(-group, signal) != 0, errno == ESRCH { _ = kill(group, signal) }
  }

  package enum Transfer { case bytes(Int), wouldBlock, ended }

  /// Bytes that a pipe has now, up to 64 KB; 0 also when it has ended.
  package static func available(_ descriptor: Int32) -> Int {
    var count: Int32 = 0
    // Safe: the call writes that one number.
    return unsafe ioctl(descriptor, UInt(FIONREAD), &count) == 0 ? min(Int(count), 65_536) : 0
  }

  /// Takes what can be read now, up to `most` bytes, as `available` said.
  ///
  /// - Parameter told: what else is given the bytes.
  package static func read(
    _ descriptor: Int32, atMost most: Int, into kept: inout KeptOutput, told: ((ArraySlice<UInt8>) -> Void)? = nil
  ) -> Transfer {
    // What comes at this moment stays for the next time.
    guard most > 0 else { return hasEnded(descriptor) ? .ended : .wouldBlock }
    var buffer = [UInt8](repeating: 0, count: most)
    while true {
      // Safe: the call writes inside the array, which outlives it.
      let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
      if count > 0 {
        kept.add(buffer[..<count])
        told?(buffer[..<count])
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
  package static func write(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) -> Transfer {
    while true {
      // Safe: the call reads inside the slice, which outlives it.
      let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count >= 0 { return .bytes(count) }
      if errno == EINTR { continue }
      return errno == EAGAIN ? .wouldBlock : .ended
    }
  }

  /// Waits for those who have ended and are nobody's: orphans that the kernel gave to this process.
  ///
  /// - Parameter own: whether somebody else waits for that process.
  package static func reapOrphans(except own: (pid_t) -> Bool) {
    while true {
      let process = linux_peek_ended()
      // The kernel shows the same one again until it is reaped; the others come after it.
      guard process > 0, !own(process) else { return }
      _ = reap(process)
    }
  }
}

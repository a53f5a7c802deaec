internal import CLinux
internal import Glibc

/// A process that was started, and this end of what it is connected by.
struct SpawnedWorker {
  var process: pid_t
  /// Readable when it has ended; −1 on kernels that have no such thing (before 5.3).
  var exitDescriptor: Int32
  var socket: Int32
  /// What it writes to its standard output and error.
  var output: Int32
}

/// Why there is no worker, in a sentence.
struct SpawnFailure: Error {
  var message: String
}

/// Starts worker processes.
///
/// The kernel kills a worker when the *thread* that started it ends, so one thread starts all of them, and lives as
/// long as they may.
enum WorkerSpawn {
  static func start(_ configuration: ProcessConfiguration) throws(SpawnFailure) -> SpawnedWorker {
    var sockets: [Int32] = [-1, -1]
    var pipe: [Int32] = [-1, -1]
    // Safe: each call writes two numbers into an array of two.
    guard unsafe linux_socket_pair(&sockets) == 0 else { throw SpawnFailure(message: "no socket: \(reason(errno))") }
    guard unsafe linux_pipe(&pipe) == 0 else {
      let code = errno
      close(all: sockets)
      throw SpawnFailure(message: "no pipe: \(reason(code))")
    }
    var failure = linux_child_failure()
    let process = spawn(configuration, socket: sockets[1], output: pipe[1], &failure)
    close(all: [sockets[1], pipe[1]])
    guard process > 0 else {
      close(all: [sockets[0], pipe[0]])
      throw SpawnFailure(message: message(failure, configuration))
    }
    for descriptor in [sockets[0], pipe[0]] { _ = fcntl(descriptor, F_SETFL, O_NONBLOCK) }
    return SpawnedWorker(
      process: process, exitDescriptor: linux_open_process(process), socket: sockets[0], output: pipe[0])
  }

  private static func close(all descriptors: [Int32]) { for descriptor in descriptors { Glibc.close(descriptor) } }

  private static func reason(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }

  private static func message(_ failure: linux_child_failure, _ configuration: ProcessConfiguration) -> String {
    let reason = reason(failure.error)
    return switch failure.step {
    case LINUX_CHILD_PROGRAM: "\(configuration.program) cannot be executed: \(reason)"
    case LINUX_CHILD_USER: "it cannot change to its user or group: \(reason) (that is for a host that is root)"
    default: reason
    }
  }

  private static func spawn(
    _ configuration: ProcessConfiguration, socket: Int32, output: Int32, _ failure: inout linux_child_failure
  ) -> pid_t {
    var environment = [
      "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/", "MALLOC_ARENA_MAX=2",
      "SWIFT_BACKTRACE=enable=no",
    ]
    if let zone = unsafe getenv("TZ") { environment.append("TZ=" + (unsafe String(cString: zone))) }
    let arguments = ["moondial", "worker", configuration.name]
    return unsafe withTerminated(arguments) { arguments in
      unsafe withTerminated(environment) { environment in
        unsafe withTerminated([configuration.program]) { program in
          // Safe: the lists are terminated and live across the call, which keeps nothing.
          let worker = unsafe linux_worker(
            program: program[0]!, arguments: arguments, environment: environment, socket: socket, output: output,
            nice: Int32(configuration.nice), files: Int64(configuration.files),
            processes: Int64(configuration.processes ?? -1), has_user: configuration.user?.user != nil,
            has_group: configuration.user != nil, user: configuration.user?.user ?? 0,
            group: configuration.user?.group ?? 0)
          return unsafe withUnsafePointer(to: worker) { worker in unsafe linux_spawn_worker(worker, &failure) }
        }
      }
    }
  }

  /// Calls `body` with copies of `texts` as a list of C strings that ends with NULL.
  private static func withTerminated<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    // Safe: each pointer is of a copy that is freed after `body`; the list ends with nil.
    var list: [UnsafeMutablePointer<CChar>?] = unsafe texts.map { unsafe strdup($0) }
    defer { unsafe list.forEach { unsafe free($0) } }
    unsafe list.append(nil)
    return unsafe list.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
  }
}

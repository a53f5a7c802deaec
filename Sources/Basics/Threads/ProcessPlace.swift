internal import Glibc

/// Names one process so that others on its machine can tell whether it lives: by its number, and by when it started,
/// since another one may have its number later.
///
///     let place = ProcessPlace.current
///     place.isAlive        // true; of one on another machine: nil
package struct ProcessPlace: Sendable, Hashable {
  package var process: Int32
  /// Which start of which machine, and which process namespace on it: only there the number means that process. Empty
  /// where the system does not tell.
  package var space: String
  /// When it started, in the kernel's ticks since the machine did; -1 where the system does not tell.
  package var started: Int64

  package init(process: Int32, space: String, started: Int64) {
    self.process = process
    self.space = space
    self.started = started
  }

  /// This process. A program that becomes another one (execve) stays the same.
  package static var current: ProcessPlace {
    let own = getpid()
    return ProcessPlace(process: own, space: thisSpace, started: text("/proc/self/stat").flatMap(start) ?? -1)
  }

  /// Whether it is known to live, or to be dead; nil: it is on another machine, or cannot be seen from here.
  package var isAlive: Bool? {
    guard !space.isEmpty, space == Self.thisSpace else { return nil }
    // Safe to ask: no signal is sent. Only ESRCH says that there is none; EPERM says that it is another account's.
    return Self.isAlive(
      since: started, stat: Self.text("/proc/\(process)/stat"),
      isThere: process <= 0 || kill(process, 0) == 0 || errno != ESRCH)
  }

  /// - Parameters:
  ///   - stat: what `/proc/PID/stat` says; nil: it cannot be read, as those of other accounts with `hidepid`.
  ///   - isThere: whether the kernel has such a process.
  static func isAlive(since started: Int64, stat: String?, isThere: Bool) -> Bool? {
    guard let stat else { return isThere ? nil : false }
    return start(in: stat) == started
  }

  private static let thisSpace: String = {
    let boot = text("/proc/sys/kernel/random/boot_id").map { $0.filter { $0 != "\n" } }
    // Safe: the buffer is as long as it says, and only what was written is read.
    let space = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer -> String in
      guard let start = buffer.baseAddress else { return "" }
      let count = unsafe readlink("/proc/self/ns/pid", start, 127)
      guard count > 0 else { return "" }
      return unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }
    return boot.map { "\($0) \(space)" } ?? ""
  }()

  /// The 22nd field of /proc/PID/stat; the second, in brackets, may have spaces. nil: it has ended, and nobody has
  /// waited for it yet.
  private static func start(in text: String) -> Int64? {
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
    return Int64(fields[19])
  }

  private static func text(_ path: String) -> String? {
    // Safe: the path is passed as a C string for the length of the call.
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 4_096) { buffer, count in
      // Safe: reads at most the buffer's size into it.
      count = unsafe max(0, read(file, buffer.baseAddress, buffer.count))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The name of this machine.
  package static var machine: String {
    // Safe: the buffer is as long as it says and ends in a zero of our own.
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 257) { buffer in
      unsafe buffer.initialize(repeating: 0)
      guard let start = buffer.baseAddress, unsafe gethostname(start, 256) == 0 else { return "localhost" }
      return unsafe String(cString: start)
    }
  }
}

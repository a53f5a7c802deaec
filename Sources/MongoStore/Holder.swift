internal import Chronology
internal import Glibc
internal import StoreSupport

/// A process that schedules from a store: which, where, since when.
struct Holder: Sendable, Equatable {
  var process: Int32
  var host: String
  var since: String
  /// Which start of which machine, and which process namespace on it: only there the number means that process.
  var place: String
  /// When the process started, in the kernel's ticks: another one may have its number later.
  var started: String

  var description: String { "process \(process) on \(host), since \(since)" }

  /// This process.
  init(now: Instant) {
    process = getpid()
    host = hostName()
    since = "\(now)"
    place = Self.thisPlace
    started = Self.text("/proc/self/stat").flatMap(Self.start) ?? ""
  }

  init(_ document: BSONDocument) {
    process = Int32(clamping: document["process"]?.int ?? 0)
    host = document["host"]?.text ?? "an unknown host"
    since = document["since"]?.text ?? "just now"
    place = document["place"]?.text ?? ""
    started = document["started"]?.text ?? ""
  }

  var fields: [(String, BSON)] {
    [
      ("process", .int(Int64(process))), ("host", .text(host)), ("since", .text(since)), ("place", .text(place)),
      ("started", .text(started)),
    ]
  }

  /// Whether it is known to live, or to be dead; nil: it is on another machine, or nobody may look at it here.
  var isAlive: Bool? {
    guard !place.isEmpty, place == Self.thisPlace else { return nil }
    return Self.isAlive(process, since: started)
  }

  /// - Parameters:
  ///   - stat: what `/proc/PID/stat` says; nil: it cannot be read, as processes of others with `hidepid`.
  ///   - isThere: whether the kernel has such a process.
  static func isAlive(since started: String, stat: String?, isThere: Bool) -> Bool? {
    guard let stat else { return isThere ? nil : false }
    return start(in: stat) == started
  }

  private static func isAlive(_ process: Int32, since started: String) -> Bool? {
    // Safe to ask: no signal is sent. Only ESRCH says that there is none; EPERM says that it is another account's.
    isAlive(
      since: started, stat: text("/proc/\(process)/stat"),
      isThere: process <= 0 || kill(process, 0) == 0 || errno != ESRCH)
  }

  private static let thisPlace: String = {
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
  private static func start(in text: String) -> String? {
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
    return String(fields[19])
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
}

internal import CLinux
internal import Glibc
internal import JobModel
internal import ProcessFrames

/// A worker process as its executor sees it: what it is doing, what came from it and has not been read, what it has not
/// taken yet.
///
/// Threading: the executor's thread.
final class WorkerChild {
  enum Phase {
    /// It has been started and has not said that it is there.
    case starting
    /// It has no run.
    case idle
    case busy
    /// It is killed, or told to end: it gets no run any more.
    case ending
  }

  /// Unique in its executor for ever.
  let number: Int
  let process: pid_t
  private(set) var exitDescriptor: Int32
  private(set) var socket: Int32
  private(set) var output: Int32
  var phase = Phase.starting
  /// What it is bound to; nil: nothing so far.
  var binding: WorkerBinding?
  var run: ActiveRun?
  /// Runs that it was given.
  var runs = 0
  /// When it is killed if it has not said that it is there, or has not ended; `.max`: never.
  var killAt: Int64
  /// Whether it has said what of its bounds this kernel does not have.
  var hasSaidBound = false
  /// Lines for the host's log that it may still cause without a run.
  var idleLines = WorkerChild.idleLinesMost
  /// When it last had a run.
  var idleSince: Int64 = 0
  /// Calls that have not been answered, those of runs that are over included.
  var openCalls = 0
  /// Messages about runs that are over, since the last one began.
  var strays = 0
  /// There may be whole messages that have come and were not looked at.
  var hasUnread = false
  /// It takes nothing any more: its side of the connection is shut.
  private(set) var isDeaf = false
  var lines = WorkerLines()
  /// The jobs whose code it has, by payload, the oldest first.
  private var jobs: [(payload: ObjectIdentifier, definition: JobDefinition, key: UInt32)] = []
  private var nextKey: UInt32 = 0
  private var decoder: FrameDecoder
  private var waiting: [UInt8] = []
  private var written = 0

  /// Calls under way, and bytes that it does not take, beyond which nothing more is read from it.
  private static let callsMost = 64
  private static let waitingMost = 4 << 20
  static let idleLinesMost = 20

  init(_ number: Int, _ spawned: SpawnedWorker, frameLimit: Int, now: Int64) {
    self.number = number
    process = spawned.process
    exitDescriptor = spawned.exitDescriptor
    socket = spawned.socket
    output = spawned.output
    decoder = FrameDecoder(limit: frameLimit)
    killAt = now + ProcessConfiguration.startPatience
    idleSince = now
  }

  /// Bytes that a frame of it may have, from the next one on.
  func use(frameLimit: Int) { decoder.limit = frameLimit }

  deinit { close() }

  /// Nothing comes from it any more.
  func close() {
    for descriptor in [exitDescriptor, socket, output] where descriptor >= 0 { Glibc.close(descriptor) }
    (exitDescriptor, socket, output) = (-1, -1, -1)
  }

  /// Ends its connection, so that nothing more is read.
  func hangUp() {
    if socket >= 0 { Glibc.close(socket) }
    socket = -1
  }

  func closeOutput() {
    if output >= 0 { Glibc.close(output) }
    output = -1
  }

  /// It has been waited for: its number may be another's.
  var isReaped = false
  /// Why it is killed, where that is known.
  var condemned: String?

  /// Kills everything that it has started, when it has ended itself and its number is still its own.
  func killGroup() { if !isReaped { _ = Glibc.kill(-process, SIGKILL) } }

  /// Kills it and everything that it has started.
  func kill() {
    killGroup()
    phase = .ending
    killAt = .max
  }

  // MARK: Code

  /// What names the code of a job in the worker, and the messages that bring it there if need be.
  func key(
    of definition: JobDefinition, make: (UInt32) -> JobCode
  ) -> (key: UInt32, messages: [HostMessage]) {
    let payload = ObjectIdentifier(definition.payload)
    // A payload stays the same object when options change; the definition is one word to compare.
    if let index = jobs.firstIndex(where: { $0.payload == payload }) {
      if jobs[index].definition.isSame(as: definition) { return (jobs[index].key, []) }
      jobs.remove(at: index)
    }
    var messages: [HostMessage] = []
    if jobs.count >= ProcessConfiguration.jobsKept { messages.append(.forget(jobs.removeFirst().key)) }
    nextKey += 1
    jobs.append((payload, definition, nextKey))
    messages.append(.job(make(nextKey)))
    return (nextKey, messages)
  }

  /// Whether it has run that job, and may have its Lua state.
  func knows(_ definition: JobDefinition) -> Bool {
    let payload = ObjectIdentifier(definition.payload)
    return jobs.contains { $0.payload == payload }
  }

  // MARK: Out

  func send(_ message: HostMessage) { send(frame: message.frame) }

  func send(frame: [UInt8]) {
    guard socket >= 0, !isDeaf else { return }
    waiting += frame
    flush()
  }

  var hasOutput: Bool { written < waiting.count }

  /// Writes what it takes without waiting.
  func flush() {
    while socket >= 0, hasOutput {
      let rest = waiting[written...]
      // Safe: the call reads inside the slice, which outlives it.
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      if count > 0 {
        written += count
      } else if errno != EINTR {
        // It takes no more now, or never: then what waits is nobody's, and to wait for room would be for ever.
        if errno != EAGAIN {
          isDeaf = true
          written = waiting.count
        }
        break
      }
    }
    if !hasOutput {
      waiting.removeAll(keepingCapacity: waiting.capacity <= 64 << 10)
      written = 0
    } else if written > 1 << 20 {
      waiting.removeFirst(written)
      written = 0
    }
  }

  // MARK: In

  /// Whether it has messages to be heard of which no descriptor tells.
  var isWaitingToBeHeard: Bool { hasUnread && isReadable }

  /// Whether more is read from it: not while it has asked for more than it takes.
  var isReadable: Bool {
    socket >= 0 && openCalls < Self.callsMost && waiting.count - written < Self.waitingMost
  }

  enum Reading {
    case message(WorkerMessage)
    /// Nothing more now.
    case nothing
    case ended
    case garbage(String)
  }

  /// The next message that has come.
  func read(_ buffer: inout [UInt8]) -> Reading {
    while true {
      do {
        if let body = try decoder.next() { return .message(try WorkerMessage(body)) }
      } catch {
        return .garbage("\(error)")
      }
      guard socket >= 0 else { return .ended }
      // Safe: the call writes inside the array, which outlives it.
      let count = unsafe Glibc.read(socket, &buffer, buffer.count)
      if count > 0 {
        decoder.add(buffer[..<count])
      } else if count == 0 {
        return .ended
      } else if errno != EINTR {
        return errno == EAGAIN ? .nothing : .ended
      }
    }
  }

  /// Reads what it has written to its standard output and error: the lines that are whole.
  func readOutput(_ buffer: inout [UInt8]) -> [String] {
    var found: [String] = []
    // One that writes without end must not keep the thread from the others.
    for _ in 0..<16 {
      guard output >= 0 else { break }
      // Safe: as in `read`.
      let count = unsafe Glibc.read(output, &buffer, buffer.count)
      if count > 0 {
        found += lines.add(buffer[..<count])
      } else if count < 0, errno == EINTR {
        continue
      } else {
        if count == 0 || errno != EAGAIN { closeOutput() }
        break
      }
    }
    return found
  }
}

/// The lines that a process writes, and the last of them.
struct WorkerLines {
  /// Lines, and bytes of one, that are kept for the report of a crash.
  private static let kept = 20
  private static let longest = 16 << 10
  private(set) var last: [String] = []
  private var rest: [UInt8] = []

  mutating func add(_ bytes: ArraySlice<UInt8>) -> [String] {
    var found: [String] = []
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        found.append(line())
      } else if rest.count < Self.longest {
        rest.append(byte)
      }
    }
    last = (last + found).suffix(Self.kept)
    return found
  }

  private mutating func line() -> String {
    defer { rest.removeAll(keepingCapacity: true) }
    return String(decoding: rest, as: UTF8.self)
  }

  /// What is left without an end of line, at the end.
  mutating func finish() -> String? {
    guard !rest.isEmpty else { return nil }
    let text = line()
    last = (last + [text]).suffix(Self.kept)
    return text
  }

  mutating func forget() { last = [] }
}

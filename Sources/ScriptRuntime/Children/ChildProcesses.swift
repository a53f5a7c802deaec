internal import Basics
internal import Glibc

/// How a child ended, and what it wrote.
package struct ChildResult: Sendable {
  /// Exit code; 128 + signal when a signal ended it.
  package var code: Int
  package var signal: Int?
  package var output: KeptOutput
  package var errors: KeptOutput
}

/// The children of scripts, and the one thread that serves their pipes: `moondial-exec`.
///
/// The thread starts with the first child and sleeps in `poll` until something happens. A child that is told to end
/// gets SIGTERM, and after two seconds SIGKILL, with its whole process group. `stop` kills all at once.
///
/// The kernel kills a child when the thread that started it ends (PR_SET_PDEATHSIG): all are started by this one
/// thread, which ends with the host, or in `stop`, after them. What they have started themselves is left to a
/// `ChildKeeper`.
///
/// Threading: everything may be called from any thread; completions come on the thread.
package final class ChildProcesses: Sendable {
  /// From SIGTERM to SIGKILL. Nanoseconds.
  package static let patience: Int64 = 2_000_000_000

  private enum Order: Sendable {
    case start(
      Int, ChildCommand, limit: Int, OutputRoom, ChildStream?, isLast: Bool,
      @Sendable (Result<ChildResult, ChildFailure>) -> Void)
    case end(Int)
    case abandon(Int)
    case granted(Int, bytes: Int)
  }

  private struct State: Sendable {
    var orders: [Order] = []
    var nextNumber = 0
    var thread: NamedThread?
    var isStopped = false
    var mustReap = false
    var alive = 0
    /// Children of this process that somebody else starts and waits for.
    var others: Set<Int32> = []
    var watch: (@Sendable (String?) -> Void)?

    /// Whether that is news.
    mutating func change(_ count: Int) -> Bool {
      defer { alive = count }
      return alive != count
    }
  }
  private let state = Monitor(State())
  private let wake: PollWake?

  private let hasKeeper: Bool

  /// - Parameter hasKeeper: whether what is left in the groups of its children is killed when the host is.
  package init(hasKeeper: Bool = true) {
    wake = PollWake()
    self.hasKeeper = hasKeeper
  }

  /// Children that have not ended.
  package var count: Int { state.withLock { $0.alive } }

  /// Returns when that many are running. For tests.
  package func waitForCount(_ count: Int) { _ = state.wait { $0.alive == count ? () : nil } }

  /// Starts a child soon. `completion` comes once, unless `stop` comes first.
  ///
  /// - Parameters:
  ///   - limit: bytes of standard output, and of standard error, that are kept.
  ///   - room: where they are counted. While there is none for more, the child waits for its reader.
  ///   - stream: is given the output as it comes; while it takes no more, the child waits as well.
  ///   - isLast: of a pipeline; of the others the stream is given what they say of errors.
  /// - Returns: a number for `end`; nil when there is no thread for it (the host is stopping, or out of threads or
  ///   descriptors).
  package func start(
    _ command: ChildCommand, limit: Int, room: OutputRoom, stream: ChildStream? = nil, isLast: Bool = true,
    completion: @escaping @Sendable (Result<ChildResult, ChildFailure>) -> Void
  ) -> Int? {
    guard let wake else { return nil }
    let number: Int? = state.withLock { state in
      guard hasThread(&state) else { return nil }
      state.nextNumber += 1
      state.orders.append(.start(state.nextNumber, command, limit: limit, room, stream, isLast: isLast, completion))
      return state.nextNumber
    }
    if number != nil { wake.wake() }
    return number
  }

  /// Tells a child to end. A number that is not (or no longer) in use is ignored.
  package func end(_ number: Int) { order(.end(number)) }

  /// Tells a child to end whose output nobody wants any more.
  package func abandon(_ number: Int) { order(.abandon(number)) }

  private func order(_ order: Order) {
    state.withLock { $0.orders.append(order) }
    wake?.wake()
  }

  /// Waits for children that have ended and are not ours: orphans, which the kernel gives to the first process of a
  /// container. To be called when a child has ended (SIGCHLD); does not block.
  package func reapOrphans() {
    let isTaken = state.withLock { state in
      guard wake != nil, hasThread(&state) else { return false }
      state.mustReap = true
      return true
    }
    if isTaken { wake?.wake() }
  }

  /// From now on somebody else waits for this child: it is no orphan.
  package func leave(_ process: Int32) { state.withLock { _ = $0.others.insert(process) } }

  /// It has been waited for.
  package func forget(_ process: Int32) { state.withLock { _ = $0.others.remove(process) } }

  /// Starts the thread unless it runs; false when there can be none.
  private func hasThread(_ state: inout State) -> Bool {
    guard !state.isStopped else { return false }
    guard state.thread == nil else { return true }
    do throws(ThreadError) {
      state.thread = try NamedThread("moondial-exec") { [self] in serve() }
      state.watch?(nil)
    } catch {
      state.watch?(error.description)
    }
    return state.thread != nil
  }

  /// Calls `watch` when there can be no programs, with the reason, and with nil when there can be. It is called with a
  /// lock held and must ask nothing of this object.
  func watch(_ watch: @escaping @Sendable (String?) -> Void) {
    state.withLock { $0.watch = watch }
    if wake == nil { watch("the process had no descriptors left when it began: raise ulimit -n") }
  }

  /// Kills what is left, and returns when the thread has ended. Twice is fine.
  package func stop() {
    let thread = state.withLock { state in
      state.isStopped = true
      defer { state.thread = nil }
      return state.thread
    }
    wake?.wake()
    thread?.join()
  }

  // MARK: The thread

  private func serve() {
    guard let wake else { return }
    var children: [Child] = []
    var isReaping = false
    var keeper: ChildKeeper?
    while true {
      let (orders, isStopped, mustReap) = state.withLock { state in
        defer { (state.orders, state.mustReap) = ([], false) }
        return (state.orders, state.isStopped, state.mustReap)
      }
      if mustReap { isReaping = true }
      for order in orders { obey(order, &children, &keeper) }
      if isStopped {
        for child in children { child.kill() }
        for child in children { child.bury() }
        keeper?.end()
        state.withLock { $0.alive = 0 }
        state.broadcast()
        return
      }
      let alive = children.count
      if state.withLock({ $0.change(alive) }) { state.broadcast() }
      var descriptors = [pollfd(fd: wake.reading, events: Int16(POLLIN), revents: 0)]
      var timeout: Int64 = .max
      let now = monotonicNow()
      for child in children { child.ask(&descriptors, &timeout, now) }
      // Safe: the array outlives the call, and the count is its own. A signal cannot come here.
      let milliseconds = timeout == .max ? -1 : Int32(clamping: (timeout + 999_999) / 1_000_000)
      _ = unsafe poll(&descriptors, nfds_t(descriptors.count), milliseconds)
      wake.clear()
      let later = monotonicNow()
      children.removeAll { $0.serve(at: later) }
      // Only here are children started and waited for, so one that is not in the list is nobody's.
      if isReaping {
        ProcessCalls.reapOrphans { process in
          children.contains { $0.process == process } || state.withLock { $0.others.contains(process) }
        }
      }
    }
  }

  private func obey(_ order: Order, _ children: inout [Child], _ keeper: inout ChildKeeper?) {
    switch order {
    case .end(let number): children.first { $0.number == number }?.end(at: monotonicNow())
    case .abandon(let number): children.first { $0.number == number }?.abandon(at: monotonicNow())
    case .granted(let number, let bytes): children.first { $0.number == number }?.goOn(with: bytes)
    case .start(let number, let command, let limit, let room, let stream, let isLast, let completion):
      if keeper == nil, hasKeeper { keeper = ChildKeeper() }
      switch ProcessCalls.spawn(command, keeper: keeper) {
      case .failure(let error): completion(.failure(error))
      case .success(let spawned):
        let output = Child.Output(limit: limit, room: room.room) { [self] bytes in
          room.room.ask(bytes, wake: room.wake) { self.order(.granted(number, bytes: bytes)) }
        }
        let child = Child(number, spawned, input: command.input ?? [], output, keeper: keeper, completion)
        child.follow(stream, isLast: isLast) { [self] in self.order(.granted(number, bytes: 0)) }
        children.append(child)
      }
    }
  }
}

/// What counts the output of a child, and what brings a worker to the run that waits for it.
package struct OutputRoom: Sendable {
  package let room: AnswerReservation
  package let wake: @Sendable () -> Void

  package init(room: AnswerReservation, wake: @escaping @Sendable () -> Void) {
    self.room = room
    self.wake = wake
  }
}

/// One running child. Used by the thread of its `ChildProcesses` only.
private final class Child {
  /// How much output is kept, where it is counted, and how to ask for room for more.
  struct Output {
    let limit: Int
    let room: AnswerReservation
    let ask: (Int) -> AnswerLedger.Verdict
  }

  let number: Int
  let process: pid_t
  private var exitDescriptor: Int32
  private var input: Int32
  private var output: Int32
  private var errors: Int32
  private var rest: ArraySlice<UInt8>
  private let keeper: ChildKeeper?
  private let completion: @Sendable (Result<ChildResult, ChildFailure>) -> Void
  private var keptOutput: KeptOutput
  private var keptErrors: KeptOutput
  private let space: Output
  /// Bytes of output that there is room for.
  private var granted = 0
  /// Waits for room for more: its pipes are not read, so it waits as well.
  private var isBlocked = false
  /// Nobody wants its output.
  private var isAbandoned = false
  private var wasToldToEnd = false
  private var stream: ChildStream?
  private var isOutputTold = true
  private var whenStreamTakes: @Sendable () -> Void = {}
  private var killAt: Int64 = .max

  init(
    _ number: Int, _ spawned: ProcessCalls.Spawned, input: [UInt8], _ space: Output, keeper: ChildKeeper?,
    _ completion: @escaping @Sendable (Result<ChildResult, ChildFailure>) -> Void
  ) {
    self.number = number
    self.keeper = keeper
    process = spawned.process
    exitDescriptor = spawned.exitDescriptor
    self.input = spawned.input
    output = spawned.output
    errors = spawned.errors
    rest = input[...]
    self.space = space
    keptOutput = KeptOutput(limit: space.limit)
    keptErrors = KeptOutput(limit: space.limit)
    self.completion = completion
  }

  deinit { for descriptor in [exitDescriptor, input, output, errors] where descriptor >= 0 { close(descriptor) } }

  /// `stream` is given what comes; `takes` is called when it takes more, after it took nothing.
  ///
  /// - Parameter isLast: whether its standard output is wanted, and not only what it says of errors.
  func follow(_ stream: ChildStream?, isLast: Bool, takes: @escaping @Sendable () -> Void) {
    self.stream = stream
    isOutputTold = isLast
    whenStreamTakes = takes
  }

  func end(at now: Int64) {
    guard !wasToldToEnd else { return }
    wasToldToEnd = true
    killAt = now + ChildProcesses.patience
    ProcessCalls.signal(group: process, SIGTERM)
  }

  /// Nobody wants the output any more: what there is goes, and what comes is thrown away.
  func abandon(at now: Int64) {
    discard()
    end(at: now)
  }

  private func discard() {
    isAbandoned = true
    isBlocked = false
    stream = nil
    keptOutput = KeptOutput(limit: 0)
    keptErrors = KeptOutput(limit: 0)
    space.room.release()
  }

  /// There is room for more.
  func goOn(with bytes: Int) {
    guard !isAbandoned else { return space.room.release() }
    granted += bytes
    isBlocked = false
  }

  /// At once, with its group.
  func kill() { ProcessCalls.signal(group: process, SIGKILL) }

  /// Waits for a child that was killed.
  func bury() {
    keeper?.forget(process)
    ProcessCalls.bury(process)
  }

  /// Adds what it waits for.
  func ask(_ descriptors: inout [pollfd], _ timeout: inout Int64, _ now: Int64) {
    // Not even its end is of interest while it waits for room: what it wrote comes first.
    for descriptor in isBlocked ? [] : [exitDescriptor, output, errors] where descriptor >= 0 {
      descriptors.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
    }
    if input >= 0 { descriptors.append(pollfd(fd: input, events: Int16(POLLOUT), revents: 0)) }
    if killAt != .max { timeout = min(timeout, max(0, killAt - now)) }
    // Without a descriptor for the end one has to look now and then.
    if exitDescriptor < 0, !isBlocked { timeout = min(timeout, 20_000_000) }
  }

  /// Does what can be done without waiting; everything is non-blocking, so there is no need to know which descriptor
  /// was ready. True when it has ended.
  func serve(at now: Int64) -> Bool {
    if now >= killAt {
      killAt = .max
      ProcessCalls.signal(group: process, SIGKILL)
    }
    feed()
    // The end is looked at first: what it wrote before is then surely in the pipes.
    let isOver = exitDescriptor < 0 || isReadable(exitDescriptor)
    drain(\.output, \.keptOutput)
    drain(\.errors, \.keptErrors)
    guard isOver, !isBlocked else { return false }
    // Before it is reaped its number cannot belong to another group.
    if wasToldToEnd, exitDescriptor >= 0 { ProcessCalls.signal(group: process, SIGKILL) }
    if exitDescriptor >= 0 { keeper?.forget(process) }
    guard let status = ProcessCalls.reap(process) else { return false }
    if exitDescriptor < 0 { keeper?.forget(process) }
    let signal = status & 0x7f
    completion(
      .success(
        ChildResult(
          code: signal == 0 ? Int(status >> 8 & 0xff) : 128 + Int(signal), signal: signal == 0 ? nil : Int(signal),
          output: keptOutput, errors: keptErrors)))
    return true
  }

  private func feed() {
    while input >= 0 {
      guard !rest.isEmpty else { return shut(&input) }
      switch ProcessCalls.write(input, rest) {
      case .bytes(let count): rest = rest.dropFirst(count)
      case .wouldBlock: return
      case .ended: shut(&input)
      }
    }
  }

  /// Reads a pipe until it is empty. A grandchild that keeps it open does not hold up the end: what comes later is not
  /// waited for.
  private func drain(
    _ pipe: ReferenceWritableKeyPath<Child, Int32>, _ kept: ReferenceWritableKeyPath<Child, KeptOutput>
  ) {
    // A child that writes without end must not keep the thread from the others.
    for _ in 0..<16 {
      let descriptor = self[keyPath: pipe]
      guard descriptor >= 0, !isBlocked else { return }
      let count = ProcessCalls.available(descriptor)
      guard mayKeep(count), mayTell(count) else { return }
      let isError = pipe == \Child.errors
      let stream = isError || isOutputTold ? stream : nil
      let told: ((ArraySlice<UInt8>) -> Void)? = stream.map { stream in { stream.add($0, isError: isError) } }
      switch ProcessCalls.read(descriptor, atMost: count, into: &self[keyPath: kept], told: told) {
      case .bytes: break
      case .wouldBlock: return
      case .ended: shut(&self[keyPath: pipe])
      }
    }
  }

  /// Whether there is room for so many bytes more than are kept; else the child is blocked until there is.
  private func mayKeep(_ bytes: Int) -> Bool {
    let missing = keptOutput.held + keptErrors.held + bytes - granted
    guard missing > 0, !isAbandoned else { return true }
    switch space.ask(missing) {
    case .granted: granted += missing
    case .waiting: isBlocked = true
    case .denied: discard()
    }
    return !isBlocked
  }

  /// Whether the stream takes so many bytes now; else the child is blocked until it does.
  private func mayTell(_ bytes: Int) -> Bool {
    guard bytes > 0, let stream, !stream.takes(orCall: whenStreamTakes) else { return true }
    isBlocked = true
    return false
  }

  private func shut(_ descriptor: inout Int32) {
    close(descriptor)
    descriptor = -1
  }

  private func isReadable(_ descriptor: Int32) -> Bool {
    var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe: the call reads and writes that one struct.
    return unsafe poll(&asked, 1, 0) > 0
  }
}

/// Who holds how much of the memory for answers, and who waits for it. Decisions only: who was given room, or has to be
/// told something, comes back as `Effects`.
///
/// An *answer* is what a run's call brings or takes along outside its Lua state: the output of a program, a file's
/// content, a value on its way to the store. Each has a *room* that its bytes are counted in from before they are there
/// until they are handed over. Two bounds hold:
///
/// - The run's memory: rooms and Lua state together stay under it. One room may have all that is free; as long as
///   another one moves (holds bytes and does not wait), rooms together have at most half of it, so that the script can
///   work on what has come. What does not fit waits, oldest room first. When nothing moves and the oldest does not fit,
///   nothing ever will, unless garbage is collected: the run is *short*.
/// - The memory for all runs' answers, and a quarter of it for the runs of one script, unless it has no other. Beyond
///   it runs wait in the order in which they came. Rooms that grow could wait for each other for ever, so one run at a
///   time, the *favoured* one, may go beyond it when it has such a room.
package struct AnswerLedger: ~Copyable, Sendable {
  /// What is to be done after the ledger was unlocked.
  struct Effects: Sendable {
    var calls: [@Sendable () -> Void] = []
    /// What is let go: it may lead to a room, which gives itself back when it is not used any more.
    var dropped: [@Sendable () -> Void] = []
  }

  package enum Verdict: Sendable, Equatable {
    case granted
    /// `granted` will be called.
    case waiting
    /// The run is over.
    case denied
  }

  private struct Waiter {
    let room: UInt64
    let bytes: Int
    let granted: @Sendable () -> Void
  }

  private struct Room {
    var bytes = 0
    var isWaiting = false
    /// Counts for the process, and for its run no more.
    var isDetached = false
    var moves: Bool { bytes > 0 && !isWaiting && !isDetached }
    var grows: Bool { bytes > 0 && isWaiting }
  }

  /// Waiters, oldest room first. The usual ways in and out cost O(1).
  private struct WaitingLine {
    private var waiters: [Waiter?] = []
    private var head = 0

    var isEmpty: Bool { head == waiters.count }
    var count: Int { waiters.count - head }
    var first: Waiter? { isEmpty ? nil : waiters[head] }

    mutating func insert(_ waiter: Waiter) {
      var index = waiters.count
      while index > head, let before = waiters[index - 1], before.room > waiter.room { index -= 1 }
      waiters.insert(waiter, at: index)
    }

    mutating func removeFirst() {
      waiters[head] = nil
      head += 1
      guard head == waiters.count || head > 1_000 && 2 * head > waiters.count else { return }
      waiters.removeFirst(head)
      head = 0
    }

    /// Takes the waiter of a room out.
    mutating func remove(_ room: UInt64) -> Waiter? {
      guard let index = waiters[head...].firstIndex(where: { $0?.room == room }) else { return nil }
      return waiters.remove(at: index)
    }

    /// Takes all out.
    mutating func removeAll() -> [Waiter] {
      defer { (waiters, head) = ([], 0) }
      return waiters[head...].compactMap { $0 }
    }
  }

  /// A class, so that a change does not copy who waits.
  private final class Run: @unchecked Sendable {  // belongs to one ledger, which cannot be copied
    let script: String
    let limit: Int
    var used: Int
    /// Bytes of the rooms that are not detached.
    var reserved = 0
    var rooms: [UInt64: Room] = [:]
    /// How many of them move, and how many wait for more than they have.
    var moving = 0
    var growing = 0
    var line = WaitingLine()
    var isQueued = false
    var isShort = false
    var isClosed = false
    /// Brings a worker to the run, which then looks whether it is short.
    var wake: (@Sendable () -> Void)?

    init(script: String, limit: Int, used: Int) {
      self.script = script
      self.limit = limit
      self.used = used
    }

    func change(_ number: UInt64, _ edit: (inout Room) -> Void) {
      var room = rooms[number] ?? Room()
      let former = room
      edit(&room)
      if former.moves != room.moves { moving += former.moves ? -1 : 1 }
      if former.grows != room.grows { growing += former.grows ? -1 : 1 }
      rooms[number] = room
    }
  }

  private enum Fit { case yes, later, never }

  /// Bytes that the answers of all runs may have.
  private(set) var limit: Int
  /// Bytes that they have.
  private(set) var total = 0
  /// The most that they had.
  private(set) var peak = 0
  private var scripts: [String: Int] = [:]
  private var runs: [UInt64: Run] = [:]
  /// Runs with waiters that fit their own memory.
  private var queue: [UInt64] = []
  private var favoured: UInt64?
  private var next: UInt64 = 0

  init(limit: Int) { self.limit = limit }

  // MARK: Runs

  mutating func open(script: String, limit: Int, used: Int) -> UInt64 {
    next += 1
    runs[next] = Run(script: script, limit: limit, used: used)
    return next
  }

  /// The run is over: nothing of it waits any more. What it holds counts until it is released.
  mutating func close(_ id: UInt64) -> Effects {
    guard let run = runs[id], !run.isClosed else { return Effects() }
    let waiters = run.line.removeAll()
    for waiter in waiters { run.change(waiter.room) { $0.isWaiting = false } }
    run.rooms = run.rooms.filter { $0.value.bytes > 0 }
    run.isClosed = true
    run.isShort = false
    let wake = run.wake
    run.wake = nil
    removeIfGone(id, run)
    var effects = drain()
    effects.dropped += waiters.map(\.granted) + (wake.map { [$0] } ?? [])
    return effects
  }

  /// Bytes that the run's rooms hold, without detached ones.
  func reserved(by id: UInt64) -> Int { runs[id]?.reserved ?? 0 }
  func isShort(_ id: UInt64) -> Bool { runs[id].map { $0.isShort && !$0.line.isEmpty } ?? false }
  /// Rooms that wait. For tests.
  func waiting(of id: UInt64) -> Int { runs[id]?.line.count ?? 0 }
  /// Runs that the ledger knows. For tests.
  var count: Int { runs.count }

  /// How much the Lua state of a run uses now.
  mutating func note(_ id: UInt64, used: Int) -> Effects {
    guard let run = runs[id] else { return Effects() }
    run.used = used
    return run.line.isEmpty ? Effects() : reconsider(id, run)
  }

  // MARK: Rooms

  /// A new room of a run; it holds nothing.
  mutating func room() -> UInt64 {
    next += 1
    return next
  }

  /// Asks for `bytes` more. A room asks once at a time.
  ///
  /// - Parameters:
  ///   - wake: brings a worker to the run.
  ///   - granted: called later, if the verdict is `waiting`.
  mutating func ask(
    _ id: UInt64, _ room: UInt64, bytes: Int, wake: (@Sendable () -> Void)?, granted: @escaping @Sendable () -> Void
  ) -> (Verdict, Effects) {
    guard let run = runs[id], !run.isClosed else { return (.denied, Effects()) }
    if run.wake == nil { run.wake = wake }
    let waiter = Waiter(room: room, bytes: bytes, granted: granted)
    if giveAtOnce(waiter, id, run) { return (.granted, Effects()) }
    run.change(room) { $0.isWaiting = true }
    run.line.insert(waiter)
    return (.waiting, reconsider(id, run))
  }

  /// Asks for `bytes` more, now or not at all.
  mutating func take(_ id: UInt64, _ room: UInt64, bytes: Int) -> Bool {
    guard let run = runs[id], !run.isClosed else { return false }
    return giveAtOnce(Waiter(room: room, bytes: bytes, granted: {}), id, run)
  }

  /// Only when nobody is overtaken.
  private mutating func giveAtOnce(_ waiter: Waiter, _ id: UInt64, _ run: Run) -> Bool {
    if waiter.bytes == 0 { return true }
    guard run.line.isEmpty, queue.isEmpty || favoured == id, fits(waiter, run) == .yes, mayHave(waiter, id, run)
    else { return false }
    give(waiter, run)
    return true
  }

  /// Gives back all that a room holds, and forgets what it waits for.
  mutating func release(_ id: UInt64, _ room: UInt64) -> Effects {
    guard let run = runs[id], let held = run.rooms[room] else { return Effects() }
    let waiter = held.isWaiting ? run.line.remove(room) : nil
    run.change(room) { $0 = Room() }
    run.rooms[room] = nil
    if held.bytes > 0 {
      total -= held.bytes
      scripts[run.script, default: 0] -= held.bytes
      if scripts[run.script] == 0 { scripts[run.script] = nil }
      if !held.isDetached { run.reserved -= held.bytes }
    }
    removeIfGone(id, run)
    var effects = reconsider(id, run)
    if let waiter { effects.dropped.append(waiter.granted) }
    return effects
  }

  /// From now on what the room holds does not count for its run, only for the process.
  mutating func detach(_ id: UInt64, _ room: UInt64) -> Effects {
    guard let run = runs[id], let held = run.rooms[room], !held.isDetached, !held.isWaiting else { return Effects() }
    run.change(room) { $0.isDetached = true }
    run.reserved -= held.bytes
    return reconsider(id, run)
  }

  mutating func setLimit(_ bytes: Int) -> Effects {
    limit = bytes
    return drain()
  }

  // MARK: Decisions

  /// Whether the run's own memory has room.
  private func fits(_ waiter: Waiter, _ run: Run) -> Fit {
    let all = max(0, run.limit - run.used)
    if run.moving > 0 { return waiter.bytes <= all / 2 - run.reserved ? .yes : .later }
    return waiter.bytes <= all - run.reserved ? .yes : .never
  }

  /// Whether the memory of all has.
  private func mayHave(_ waiter: Waiter, _ id: UInt64, _ run: Run) -> Bool {
    if favoured == id { return true }
    guard waiter.bytes <= limit - total else { return false }
    let own = scripts[run.script] ?? 0
    return own == 0 || waiter.bytes <= limit / 4 - own
  }

  /// After a change that lets a run's waiters hope, or those of others.
  private mutating func reconsider(_ id: UInt64, _ run: Run) -> Effects {
    if !run.line.isEmpty, !run.isQueued {
      run.isQueued = true
      queue.append(id)
    }
    return drain()
  }

  /// Serves those who wait, in order, as far as there is room.
  private mutating func drain() -> Effects {
    var effects = Effects()
    releaseFavour()
    if let id = favoured, let run = runs[id] { _ = serve(id, run, &effects) }
    var index = 0
    // Scripts whose part is used up, so that small answers of theirs do not overtake large ones for ever.
    var blocked: Set<String> = []
    while index < queue.count {
      guard let run = runs[queue[index]] else {
        queue.remove(at: index)
        continue
      }
      if blocked.contains(run.script), favoured != queue[index] {
        index += 1
      } else if serve(queue[index], run, &effects) {
        index += 1
        // Blocked by the memory of all: those behind wait their turn. Blocked by its script's part: others need not.
        if let first = run.line.first, first.bytes > limit - total { break }
        blocked.insert(run.script)
      } else {
        run.isQueued = false
        queue.remove(at: index)
      }
    }
    return effects
  }

  /// Gives a run what it waits for as far as there is room. True: the memory of all is in its way.
  private mutating func serve(_ id: UInt64, _ run: Run, _ effects: inout Effects) -> Bool {
    let wasShort = run.isShort
    run.isShort = false
    while let first = run.line.first {
      switch fits(first, run) {
      case .yes: break
      case .later: return false
      case .never:
        if !wasShort, let wake = run.wake { effects.calls.append(wake) }
        run.isShort = true
        return false
      }
      if !mayHave(first, id, run) {
        guard favoured == nil, run.growing > 0 else { return true }
        favoured = id
      }
      run.line.removeFirst()
      give(first, run)
      effects.calls.append(first.granted)
    }
    return false
  }

  private mutating func give(_ waiter: Waiter, _ run: Run) {
    run.change(waiter.room) { room in
      room.bytes += waiter.bytes
      room.isWaiting = false
    }
    run.reserved += waiter.bytes
    total += waiter.bytes
    peak = max(peak, total)
    scripts[run.script, default: 0] += waiter.bytes
  }

  private mutating func releaseFavour() {
    guard let id = favoured else { return }
    guard let run = runs[id], !run.isClosed, run.reserved > 0 else { return favoured = nil }
    if run.line.isEmpty, total <= limit { favoured = nil }
  }

  private mutating func removeIfGone(_ id: UInt64, _ run: Run) {
    guard run.isClosed, run.rooms.isEmpty else { return }
    runs[id] = nil
    queue.removeAll { $0 == id }
  }
}

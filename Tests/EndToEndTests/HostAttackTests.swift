import Foundation
import Glibc
import Synchronization
import Testing

/// Each group of attacks, in one host with a job that must not notice.
@Suite("Scripts that attack the host", .serialized)
struct HostAttackTests {
  /// How late the canary may be, beyond what the machine was late by itself. Milliseconds.
  private static let lateness = 100.0
  /// Resident memory of a host under attack. Megabytes. It may have 256 MB of answers, 512 MB of kept states and what
  /// runs at the moment; while scripts load, up to 1 GB for one of them.
  private static let memory = 1_600
  /// Runs of the canary that a group is watched for: three seconds.
  private static let songs = 60

  private static let canary = """
    job "canary" { every = "50ms", priority = 10, run = function(ctx)
      print(("sings %.6f %.6f"):format(ctx.scheduled_at, ctx.started_at))
    end }
    """

  @Test(
    "the canary sings on, memory is bounded, and the end comes within its grace",
    arguments: HostAttack.portions.map(\.name))
  func attack(group: String) throws {
    let attacks = try #require(HostAttack.portions.first { $0.name == group }).attacks
    var result = try watch(attacks)
    // What the machine does to the host passes; what a script does to it comes every time.
    for _ in 1..<5 where result.excess >= Self.lateness { result = try watch(attacks) }
    print("host attacks, \(group): \(result)")
    #expect(result.excess < Self.lateness, "\(result)")
    #expect(result.peak < Self.memory, "\(result)")
    #expect(result.missing.isEmpty, "these attacks did not begin: \(result.missing)")
  }

  private struct Result: CustomStringConvertible {
    /// Milliseconds that the canary was late by at worst, without what the machine was late by at the same time.
    var excess: Double
    /// Milliseconds that a thread of this process was late by at worst, writing to the same disk.
    var machine: Double
    /// Most resident megabytes.
    var peak: Int
    /// Seconds from SIGTERM to the end.
    var end: Double
    /// Attacks that did not begin.
    var missing: [String]

    var description: String {
      "canary \(Int(excess)) ms late, machine \(Int(machine)) ms, peak \(peak) MB, end after \(Int(end * 1000)) ms"
    }
  }

  private func watch(_ attacks: [HostAttack]) throws -> Result {
    let place = try Place()
    try place.save("canary.lua", Self.canary)
    try FileManager.default.createDirectory(
      atPath: place.path + "/scripts/lib/circle", withIntermediateDirectories: true)
    try place.save("lib/circle/a.lua", "return require 'circle.b'")
    try place.save("lib/circle/b.lua", "return require 'circle.a'")
    let host = try place.host("--allow-all", "--grace", "2s", "--set", "executors.default.workers=4")
    try host.awaitLine(containing: "sings")
    for (index, attack) in attacks.enumerated() { try place.save("attack\(index).lua", attack.source) }
    let control = MachineControl(at: place.path + "/control")
    var songs: [(scheduled: Double, started: Double)] = []
    // Of attacks that load, the log names the first when it is refused or loaded aside; until then they go on.
    let loads = attacks.indices.filter { !attacks[$0].isRun }
    while songs.count < Self.songs || !loads.isEmpty && !host.text.contains("attack") && songs.count < 20 * Self.songs {
      songs.append(try #require(Self.times(in: try host.awaitLine(containing: "sings"))))
    }
    let delays = control.stop()
    let peak = try Self.peak(of: host.pid)
    let asked = Date()
    host.signal(SIGTERM)
    // The grace, and ten seconds for what it writes.
    let status = try host.awaitExit(within: 20)
    let end = Date().timeIntervalSince(asked)
    #expect(status == 0, "\(host.lines.suffix(5).map(\.text))")
    #expect(!host.text.contains("did not end within its grace"))
    Self.expectVisible(host.lines)
    // What runs says that it begins. What loads does so one after the other, and may take longer than it is watched.
    var missing = attacks.filter { $0.isRun && !host.text.contains("\($0.name) begins") }.map(\.name)
    if !loads.isEmpty, !host.text.contains("attack") { missing += loads.map { attacks[$0].name } }
    return Result(
      excess: Self.excess(songs, delays), machine: delays.map(\.lateness).max() ?? 0, peak: peak, end: end,
      missing: missing)
  }

  /// The most that a run was late by, in milliseconds, without what the machine was late by meanwhile. A fire that
  /// was coalesced into a later one counts as a run that came with it.
  private static func excess(
    _ songs: [(scheduled: Double, started: Double)], _ delays: [MachineControl.Delay]
  ) -> Double {
    var worst = 0.0
    for (former, song) in zip(songs, songs.dropFirst()) {
      let late = (song.started - min(song.scheduled, former.scheduled + 0.05)) * 1_000
      let machine = delays.filter { $0.due <= song.started && $0.due + $0.lateness / 1_000 >= former.started }
      worst = max(worst, late - (machine.map(\.lateness).max() ?? 0))
    }
    return worst
  }

  private static func times(in line: String) -> (scheduled: Double, started: Double)? {
    guard let start = line.range(of: "sings ") else { return nil }
    let words = line[start.upperBound...].split(separator: " ").prefix(2).compactMap { Double($0) }
    return words.count == 2 ? (words[0], words[1]) : nil
  }

  private static func peak(of process: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ")[1])) / 1024
  }

  /// No line has a character that a terminal obeys, or that hides or turns others.
  private static func expectVisible(_ lines: [HostProcess.Line]) {
    let forbidden = lines.first { line in
      line.text.unicodeScalars.contains {
        ($0.value < 32 && $0 != "\t") || (127...159).contains($0.value) || (0x2028...0x202E).contains($0.value)
          || (0x2066...0x2069).contains($0.value)
      }
    }
    #expect(forbidden == nil, "\(forbidden?.text.debugDescription ?? "")")
  }
}

/// What the machine itself is late by: a thread that wakes every 10 ms and writes to the disk, as a host does.
private final class MachineControl: Sendable {
  struct Delay: Sendable {
    /// Seconds since 1970.
    var due: Double
    /// Milliseconds.
    var lateness: Double
  }
  private let state = Mutex((delays: [Delay](), isStopped: false))

  init(at path: String) {
    // Safe: the path is passed as a C string for the call.
    let file = unsafe open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
    Thread.detachNewThread { [self] in
      let bytes = [UInt8](repeating: 0, count: 4_096)
      while !state.withLock({ $0.isStopped }) {
        let due = Date().timeIntervalSince1970 + 0.01
        usleep(10_000)
        // Safe: writes the array's bytes.
        _ = unsafe pwrite(file, bytes, bytes.count, 0)
        fdatasync(file)
        let lateness = max(0, (Date().timeIntervalSince1970 - due) * 1_000)
        state.withLock { $0.delays.append(Delay(due: due, lateness: lateness)) }
      }
      close(file)
    }
  }

  /// Ends it, and gives what it saw.
  func stop() -> [Delay] {
    state.withLock { state in
      state.isStopped = true
      return state.delays
    }
  }
}

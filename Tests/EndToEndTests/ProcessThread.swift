import Foundation
import Glibc
import Testing

/// A thread of a process, as proc(5) tells.
struct ProcessThread {
  let name: String
  let nice: Int
  /// 0: an ordinary one.
  let realTimePriority: Int
  /// Nanoseconds; nil where the kernel does not tell, and of a thread in real time.
  let slice: Int?

  /// All of a process but those that end meanwhile.
  static func all(of process: String) throws -> [ProcessThread] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").compactMap { task in
      func text(_ file: String) -> String? {
        try? String(contentsOfFile: "/proc/\(process)/task/\(task)/\(file)", encoding: .utf8)
      }
      guard let name = text("comm"), let stat = text("stat"), let end = stat.lastIndex(of: ")") else { return nil }
      // What follows the name in parentheses begins with field 3; nice is field 19, the priority field 40.
      let fields = stat[end...].split(separator: " ").dropFirst().map(String.init)
      let slice = text("sched")?.split(separator: "\n").first { $0.hasPrefix("se.slice") }
      return ProcessThread(
        name: name.trimmingCharacters(in: .whitespacesAndNewlines), nice: try #require(Int(fields[16])),
        realTimePriority: try #require(Int(fields[37])),
        slice: slice.flatMap { Int($0.split(separator: " ").last ?? "") })
    }
  }

  static func all(of host: HostProcess) throws -> [ProcessThread] { try all(of: "\(host.pid)") }

  /// The real-time priorities of a host's threads whose names begin so.
  static func priorities(_ host: HostProcess, _ name: String) throws -> [Int] {
    try all(of: host).filter { $0.name.hasPrefix(name) }.map(\.realTimePriority)
  }

  /// Whether a thread of this process may be in real time: tried on one that ends with it.
  static let mayBeInRealTime: Bool = {
    var thread = pthread_t()
    unsafe pthread_create(
      &thread, nil,
      { _ in
        var priority = sched_param(sched_priority: 2)
        return unsafe sched_setscheduler(0, SCHED_RR, &priority) == 0 ? UnsafeMutableRawPointer(bitPattern: 1) : nil
      }, nil)
    var answer: UnsafeMutableRawPointer?
    unsafe pthread_join(thread, &answer)
    return unsafe answer != nil
  }()
}

extension Place {
  /// Asks the host how it is until something holds, for as long as tests wait for anything.
  func ask(until what: String, _ holds: () throws -> Bool) throws {
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while try !holds() {
      guard Date() < end else {
        Issue.record("not within \(Int(HostProcess.patience)) s: \(what)")
        return
      }
      _ = try run("status")
    }
  }
}

internal import CLinux
internal import Glibc
internal import JobModel
internal import ProcessFrames
internal import ScriptRuntime

/// Bounds of processor time and memory that the kernel holds for each process alone, held for all processes of a run
/// together: those that it started, and their children.
extension ProcessSupervisor {
  /// Nanoseconds between two looks.
  private static let period: Int64 = 500_000_000
  /// Processes that one look takes in.
  private static let processesMost = 16_384
  /// Bytes that are no run's: what a worker begins with.
  private static let baseMemory = 64 << 20

  private var isBounded: Bool { configuration.memory != nil || configuration.processorTime != nil }

  /// When the next look is due; `.max`: nothing is to be looked at.
  var nextLook: Int64 { isBounded && children.contains { $0.run?.began != nil } ? lookAt : .max }

  /// A run begins: what its worker has used so far is not its own.
  func noteUsage(of child: WorkerChild) {
    guard configuration.processorTime != nil else { return }
    var usage = linux_process_usage()
    // Safe: the call writes that one struct.
    if unsafe linux_usage(child.process, &usage) { child.run?.usage.begin(with: usage) }
  }

  /// Looks at what runs use, when it is time, and kills those that use too much.
  func look(_ now: Int64) {
    guard now >= nextLook else { return }
    lookAt = now + Self.period
    let groups = children.filter { $0.run?.began != nil && $0.run?.killed == nil }.map(\.process)
    guard !groups.isEmpty else { return }
    var found = [linux_process_usage](repeating: linux_process_usage(), count: Self.processesMost)
    // Safe: the call reads and writes inside the arrays, whose counts it is told.
    let count = unsafe linux_group_usage(groups, Int32(groups.count), &found, Int32(found.count))
    guard count > 0 else { return }
    for child in children where child.run?.began != nil && child.run?.killed == nil {
      child.run?.usage.add(found[..<Int(count)].filter { $0.group == child.process })
      if let why = excess(child.run?.usage) {
        child.run?.killed = why
        child.kill()
      }
    }
  }

  private func excess(_ usage: GroupUsage?) -> ActiveRun.Kill? {
    guard let usage else { return nil }
    // A second more than the kernel gives to one process, which says it better.
    if let most = configuration.processorTime, usage.processorTime - most > 2_000_000_000 { return .processorTime }
    // One process alone is the kernel's to bound.
    guard let memory = configuration.memory, usage.processes.count > 1 else { return nil }
    let most = Int64(memory + Self.baseMemory)
    guard usage.memory > most else { return nil }
    var shared: Int64 = 0
    for process in usage.processes {
      let bytes = linux_proportional_memory(process)
      // Whoever hides that from its host counts in full.
      guard bytes >= 0 || kill(process, 0) != 0 else { return .memory }
      shared += max(0, bytes)
    }
    return shared > most ? .memory : nil
  }
}

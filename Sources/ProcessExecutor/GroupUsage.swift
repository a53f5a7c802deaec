internal import CLinux

/// What the processes of one group have used since a run began, as far as it was seen: a value that looks are added to.
///
/// A process that ended between two looks counts where another one of the group has waited for it, as the kernel
/// counts; one that nobody waited for counts as it was last seen.
struct GroupUsage {
  /// Nanoseconds of processor time that the worker had used when the run began, what it waited for included.
  private var begin: Int64 = 0
  /// Processes of the last look, and what each had used itself.
  private var last: [Int32: Int64] = [:]
  /// What processes had used that are gone.
  private var gone: Int64 = 0
  private(set) var processorTime: Int64 = 0
  /// Bytes that no file holds, what is shared counted by each.
  private(set) var memory: Int64 = 0
  private(set) var processes: [Int32] = []

  /// The run begins, in a group of this one process.
  mutating func begin(with worker: linux_process_usage) {
    self = GroupUsage()
    begin = worker.own_time + worker.waited_time
    last[worker.process] = worker.own_time
    gone = -worker.own_time
  }

  /// One look at all processes of the group.
  mutating func add(_ look: [linux_process_usage]) {
    var now: [Int32: Int64] = [:]
    var (counted, own): (Int64, Int64) = (0, 0)
    memory = 0
    for process in look {
      // The number of one that is gone may have become another's.
      if let before = last[process.process], process.own_time < before { gone += before }
      now[process.process] = process.own_time
      own += process.own_time
      counted += process.own_time + process.waited_time
      memory += process.memory
    }
    for (process, time) in last where now[process] == nil { gone += time }
    last = now
    processes = look.map(\.process)
    processorTime = max(processorTime, own + gone, counted - begin)
  }
}

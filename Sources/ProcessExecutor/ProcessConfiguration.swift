package import ProcessFrames

/// How the worker processes of an executor are: plain values, checked by whoever reads them.
package struct ProcessConfiguration: Sendable, Hashable {
  /// The executor's name, for messages.
  package var name = "default"
  /// Runs at the same time, each in a process of its own. The default is 2.
  package var workers = 2
  /// The program that is started as `PROGRAM worker NAME`: this one.
  package var program = "/proc/self/exe"
  /// Bytes that a worker may have beside those that it begins with; nil: any.
  package var memory: Int?
  /// Nanoseconds of processor time that a run may use; nil: any.
  package var processorTime: Int64?
  /// Files that a worker may have open. The default is 256.
  package var files = 256
  /// Processes and threads that the workers' user may have in all; nil: as the host's.
  package var processes: Int?
  /// Added to the host's own niceness, from 0 to 19.
  package var nice = 0
  /// Runs after which a worker is replaced; nil: never.
  package var recycleAfter: Int? = 1_000
  /// Whose rights the workers have; nil: the host's.
  package var user: UserNumbers?
  package var hasNamespaces = false
  package var libraries = WorkerLibraries.safe

  package init() {}

  /// A user and a group, as the kernel knows them.
  package struct UserNumbers: Sendable, Hashable {
    /// nil: the host's.
    package var user: UInt32?
    package var group: UInt32
    package init(user: UInt32?, group: UInt32) {
      self.user = user
      self.group = group
    }
  }

  /// Nanoseconds from a run's deadline, or a cancel, to the kill of a worker that does not answer.
  static let patience: Int64 = 250_000_000
  /// Nanoseconds that a worker has to start, and to begin a run that it was given.
  static let startPatience: Int64 = 10_000_000_000
  /// Nanoseconds after which a worker that somebody has stopped (SIGSTOP) in the middle of a run is given up.
  static let stoppedPatience: Int64 = 5_000_000_000
  /// Nanoseconds that workers without a run have to end when the executor stops.
  static let farewell: Int64 = 500_000_000
  /// Nanoseconds for which one worker is heard before the others' turn.
  static let hearing: Int64 = 5_000_000
  /// Jobs whose code a worker is left with.
  static let jobsKept = 256
}

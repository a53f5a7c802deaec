internal import CLinux

/// Memory that was used for a while and is not any more.
package enum SpareMemory {
  /// Gives pages that nobody uses back to the system: what loading scripts has left in between of what lives on, up to 300 bytes for each
  /// job of a large script.
  ///
  /// To be called after a load, on the thread that loaded. Takes some microseconds for a small host, and about 10 ms with 100,000 jobs;
  /// other threads may wait for as long when they allocate something large. Any thread.
  package static func giveBack() { linux_trim_heap() }
}

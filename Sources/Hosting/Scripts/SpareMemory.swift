internal import CLinux

/// Memory that was used for a while and is not any more.
package enum SpareMemory {
  /// Gives pages that nobody uses back to the system: what loading scripts has left in between of what lives on, up to
  /// 300 bytes for each job of a large script.
  ///
  /// To be called after a load, on the thread that loaded. Takes some microseconds for a small host, and about 10 ms
  /// with 100,000 jobs; other threads may wait for as long when they allocate something large. Any thread.
  package static func release() { linux_trim_heap() }

  /// Takes out of memory what of the program's own code only its start needed: of 20 MB of an idle host 12. For a
  /// process that is a host and nothing else, once, when it has started. What is used again comes back from the page
  /// cache, a fault of a microsecond for 64 KB. Any thread.
  package static func forgetStart() { linux_forget_code() }
}

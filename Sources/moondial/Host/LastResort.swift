import Glibc

/// How a host ends that does not end: at once, without a lock, an allocation to wait for, or a reader of its log.
enum LastResort {
  /// Everything is written and said.
  static func end(_ code: Int32) -> Never { _exit(code) }

  /// Says one sentence if that can be done without waiting, and ends the process. What was not written is found by the
  /// next host, which records what was under way as interrupted.
  static func end(_ code: Int32, _ message: String) -> Never {
    // A terminal that was stopped may still hold the write: then the alarm's default action ends the process.
    signal(SIGALRM, SIG_DFL)
    alarm(1)
    var text = "moondial: \(message)\n"
    text.withUTF8 { bytes in
      var asked = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
      // Safe: the call reads and writes that one struct.
      guard unsafe poll(&asked, 1, 0) == 1, asked.revents & Int16(POLLOUT) != 0 else { return }
      // Safe: the bytes are valid for this closure; fewer than a pipe takes whole.
      _ = unsafe write(STDERR_FILENO, bytes.baseAddress, min(bytes.count, 4096))
    }
    _exit(code)
  }
}

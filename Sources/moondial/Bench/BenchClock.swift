import Glibc

/// Clocks of the measurements.
enum BenchClock {
  /// Wall clock, nanoseconds since 1970.
  static var wall: Int64 { read(CLOCK_REALTIME) }
  /// Processor time of the calling thread, nanoseconds.
  static var threadCPU: Int64 { read(CLOCK_THREAD_CPUTIME_ID) }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    // Safe: the call writes the local struct, and these clocks exist on every Linux.
    unsafe clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// Blocks until the wall clock shows `instant`.
  static func sleep(until instant: Int64) {
    var time = timespec(tv_sec: Int(instant / 1_000_000_000), tv_nsec: Int(instant % 1_000_000_000))
    // Safe: reads the local struct; a signal ends the call early, and it is made again.
    while unsafe clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, nil) == EINTR {}
  }
}

/// Reads small files of /proc.
enum SmallFile {
  static func read(_ path: String) -> String? {
    // Safe here and below: C strings of Swift's own, for the length of the call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    // Safe: reads at most as many bytes as the array has.
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}

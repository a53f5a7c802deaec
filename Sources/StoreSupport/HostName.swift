internal import Glibc

/// The name of this machine, as it calls itself.
package func hostName() -> String {
  // Safe: the buffer is as long as it says and ends in a zero of our own.
  unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 257) { buffer in
    unsafe buffer.initialize(repeating: 0)
    guard let start = buffer.baseAddress, unsafe gethostname(start, 256) == 0 else { return "localhost" }
    return unsafe String(cString: start)
  }
}

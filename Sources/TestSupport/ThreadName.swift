internal import Glibc

/// What the kernel calls the calling thread.
package func nameOfThisThread() -> String {
  // Safe here and below: the path is passed as a C string, and the buffer is as long as it says.
  let file = unsafe open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return "" }
  defer { close(file) }
  var name = [UInt8](repeating: 0, count: 16)
  let count = unsafe read(file, &name, name.count)
  return String(decoding: name.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
}

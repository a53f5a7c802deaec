import Foundation

/// What the kernel calls the calling thread.
func nameOfThisThread() throws -> String {
  try String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
}

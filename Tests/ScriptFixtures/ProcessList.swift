internal import CLinux
internal import Foundation
internal import Glibc

/// The processes of the machine, as /proc has them.
package struct ProcessList {
  package struct Entry {
    package var process: Int32
    package var parent: Int32
    package var state: Character
    package var name: String
  }
  package let all: [Entry]

  package init() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    all = names.compactMap { name in
      guard let process = Int32(name), let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")")
      else { return nil }
      let rest = text[text.index(after: close)...].split(separator: " ")
      guard rest.count > 1, let state = rest[0].first, let parent = Int32(rest[1]) else { return nil }
      return Entry(
        process: process, parent: parent, state: state, name: String(text[text.index(after: open)..<close]))
    }
  }

  /// Waits until a process has ended, by a descriptor of it; false: it has not in so many seconds.
  @discardableResult
  package static func awaitEnd(of process: Int32, within seconds: Int32) -> Bool {
    let descriptor = linux_open_process(process)
    guard descriptor >= 0 else { return true }
    defer { close(descriptor) }
    var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe: the call reads and writes that one struct.
    return unsafe poll(&asked, 1, 1_000 * seconds) == 1
  }

  package func children(of parent: Int32) -> [Entry] { all.filter { $0.parent == parent } }
}

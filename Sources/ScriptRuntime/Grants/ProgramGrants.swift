internal import FileWatching
internal import Glibc

/// A program's file, with the directories on the way to it resolved: no link, no `..`, no `//` is left in them.
///
/// The last name may be a link, and stays as it is: programs ask for the name under which they were called (`awk` is a
/// link to one of several, and `pg_dump` is a script that looks at its own name).
package struct ProgramFile: Sendable, Equatable {
  /// What is executed.
  package var path: [UInt8]
  /// Where it leads, without links; equal to `path` when it is none.
  package var target: [UInt8]
  /// Whether it is a file that may be executed.
  package var isExecutable: Bool

  package var name: ArraySlice<UInt8> { path[(path.lastIndex(of: PlainPath.slash).map { $0 + 1 } ?? 0)...] }

  /// - Parameter path: absolute, worked out. Of directories that are not there nothing can be resolved.
  package init(_ path: [UInt8]) {
    let slash = path.lastIndex(of: PlainPath.slash) ?? 0
    let parent = slash == 0 ? [PlainPath.slash] : Array(path[..<slash])
    self.path = path
    if let real = SystemCall.realPath(parent) {
      self.path = (real == [PlainPath.slash] ? [] : real) + path[slash...]
    }
    target = SystemCall.realPath(self.path) ?? self.path
    isExecutable = SystemCall.isExecutable(self.path)
  }
}

/// How programs are found, and whether a script may run them. Blocking: it looks at the disk.
///
///     let finder = ProgramFinder(searchPath: "/usr/bin:/bin", base: "/opt/app")
///     let file = finder.file(Array("tools/../../bin/sh".utf8))     // /bin/sh, or rather /usr/bin/sh
///     finder.allows(word, file, ["tools/*"])                       // false
///
/// A word without a slash is looked for in the host's own `PATH`, in which only absolute directories count; one with a
/// slash begins at the base directory, whatever working directory the program is to have.
package struct ProgramFinder: Sendable {
  /// Where programs are looked for when the host has no `PATH`.
  package static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  private let directories: [[UInt8]]
  private let base: [UInt8]

  package init(searchPath: String, base: String) {
    directories = searchPath.utf8.split(separator: UInt8(ascii: ":")).map { Array($0) }.filter {
      $0.first == PlainPath.slash
    }
    self.base = Array(base.utf8)
  }

  /// What `word` names; nil when it has no slash and is nowhere in the search path.
  package func file(_ word: [UInt8]) -> ProgramFile? {
    if word.contains(PlainPath.slash) { return ProgramFile(PlainPath.absolute(word, from: base)) }
    for directory in directories {
      let file = ProgramFile(PlainPath.absolute(directory + [PlainPath.slash] + word, from: base))
      if file.isExecutable { return file }
    }
    return nil
  }

  /// Whether one of `patterns` covers what was found for `word`.
  ///
  /// - A pattern without a slash is the name of a program of the search path, and nothing else of that name.
  /// - One with a slash and no `*` is that file. Where the file is a link, whoever wrote the grant meant what it leads
  ///   to.
  /// - One with a slash and `*` covers what lies below its fixed directories, both the file and what it leads to.
  package func allows(_ word: [UInt8], _ file: ProgramFile?, _ patterns: [String]) -> Bool {
    patterns.contains { pattern in
      let pattern = Array(pattern.utf8)
      if pattern.allSatisfy({ $0 == PlainPath.star }) { return true }
      if !pattern.contains(PlainPath.slash) { return isNamed(word, file, pattern) }
      guard let file else { return false }
      guard let star = pattern.firstIndex(of: PlainPath.star) else { return ProgramFile(pattern).path == file.path }
      // The first part of it is at least the slash that the pattern begins with.
      let fixed = pattern[..<pattern[..<star].lastIndex(of: PlainPath.slash)!]
      let real = fixed.isEmpty ? [] : SystemCall.realPath(Array(fixed)) ?? Array(fixed)
      let whole = (real == [PlainPath.slash] ? [] : real) + pattern[fixed.endIndex...]
      return [file.path, file.target].allSatisfy { Grants.matches($0, pattern: whole) }
    }
  }

  private func isNamed(_ word: [UInt8], _ file: ProgramFile?, _ pattern: [UInt8]) -> Bool {
    guard word.contains(PlainPath.slash) else { return Grants.matches(word, pattern: pattern) }
    guard let file, Grants.matches(Array(file.name), pattern: pattern) else { return false }
    return self.file(Array(file.name))?.path == file.path
  }
}

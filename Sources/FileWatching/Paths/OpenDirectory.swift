internal import Glibc

/// A directory held open, so that what is done in it cannot be led elsewhere by renaming a path meanwhile.
package final class OpenDirectory {
  package let descriptor: Int32

  package init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  /// Opens `path`, following links.
  package static func open(_ path: [UInt8]) -> Result<OpenDirectory, Errno> {
    // Safe: the path is terminated and outlives the call.
    let descriptor = unsafe path.withTerminated { unsafe Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    return descriptor >= 0 ? .success(OpenDirectory(descriptor)) : .failure(.current)
  }

  /// Opens `path` only for relative names to begin there (O_PATH, which Swift's Glibc module leaves out): nothing can
  /// be read from it, and no right to do so is needed.
  package static func openAsBase(_ path: [UInt8]) -> Result<OpenDirectory, Errno> {
    let pathOnly: Int32 = 0o10_000_000
    // Safe: as in `open`.
    let descriptor = unsafe path.withTerminated { unsafe Glibc.open($0, pathOnly | O_DIRECTORY | O_CLOEXEC) }
    return descriptor >= 0 ? .success(OpenDirectory(descriptor)) : .failure(.current)
  }

  /// Opens the entry `name`, which must be a directory and not a link.
  package func openDirectory(_ name: [UInt8]) -> Result<OpenDirectory, Errno> {
    // Safe: as in `open`.
    let found = unsafe name.withTerminated {
      unsafe openat(descriptor, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    }
    return found >= 0 ? .success(OpenDirectory(found)) : .failure(.current)
  }

  /// Where the link `name` leads; `EINVAL` when it is none.
  package func target(of name: [UInt8]) -> Result<[UInt8], Errno> {
    var buffer = [UInt8](repeating: 0, count: 4096)
    // Safe: the call writes at most `count` bytes into the array, which outlives it.
    let count = unsafe name.withTerminated { name in
      unsafe buffer.withUnsafeMutableBytes { buffer in
        unsafe readlinkat(descriptor, name, buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
      }
    }
    guard count >= 0 else { return .failure(.current) }
    return .success(Array(buffer[..<count]))
  }
}

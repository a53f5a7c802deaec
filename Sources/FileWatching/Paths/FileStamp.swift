/// What the kernel says of a file without reading it. When nothing of this changed since the file was read, and the
/// file was at rest then, its bytes are the same.
package struct FileStamp: Sendable, Hashable {
  package var device: UInt64
  package var inode: UInt64
  package var size: Int64
  /// Nanoseconds since the epoch, of the last write.
  package var modified: Int64
  /// Nanoseconds since the epoch, of the last change to the file or to its inode. Nobody can set it back.
  package var changed: Int64
}

/// Which directory: the same for every path that leads to it.
package struct DirectoryIdentity: Hashable, Sendable {
  package var device: UInt64
  package var inode: UInt64
}

internal import Basics
internal import FileWatching
internal import Glibc
internal import HTTPTransfer
internal import JobModel
internal import Synchronization

/// Files that a run has open for reading in pieces, and those that go with it. Gone with the run: what is open is
/// closed, what is temporary is removed.
///
/// Threading: any thread.
final class RunFiles: Sendable {
  /// Files that a run may have open, and temporary ones.
  static let most = 100

  private struct State {
    var open: [Int: OpenedFile] = [:]
    var temporary: [TemporaryLocation] = []
  }
  private let state = Mutex(State())
  /// Numbers of open files are not used again in a process, so that one run cannot read what another one has opened.
  private static let next = Atomic(1)
  private let pool: BlockingPool

  init(pool: BlockingPool) { self.pool = pool }

  deinit {
    let left = state.withLock { $0.temporary }
    guard !left.isEmpty else { return }
    // Removing a directory takes as long as there are files in it. A host that stops does it here.
    if !pool.run({ for place in left { place.remove() } }) { for place in left { place.remove() } }
  }

  /// Nil when the run has too many.
  func add(_ file: OpenedFile) -> Int? {
    let number = Self.next.add(1, ordering: .relaxed).oldValue
    return state.withLock { state in
      guard state.open.count < Self.most else { return nil }
      state.open[number] = file
      return number
    }
  }

  func file(_ number: Int) -> OpenedFile? { state.withLock { $0.open[number] } }
  func close(_ number: Int) { state.withLock { $0.open[number] = nil } }

  /// False when the run has too many.
  func add(_ place: TemporaryLocation) -> Bool {
    state.withLock { state in
      guard state.temporary.count < Self.most else { return false }
      state.temporary.append(place)
      return true
    }
  }
}

/// A temporary file or directory, by the directory that it lies in, so that a path that changes meanwhile leads
/// nowhere.
struct TemporaryLocation: @unchecked Sendable {
  // @unchecked: the directory is a descriptor, which any thread may use.
  let directory: OpenDirectory
  let name: [UInt8]

  func remove() { Self.remove(name, in: directory) }

  /// With everything in it; links are removed and not followed.
  private static func remove(_ name: [UInt8], in directory: OpenDirectory) {
    // Safe: the name is terminated.
    let isGone = unsafe name.withTerminated { unsafe unlinkat(directory.descriptor, $0, 0) == 0 }
    if isGone { return }
    if case .success(let inside) = directory.openDirectory(name) {
      for entry in entries(inside) { remove(entry, in: inside) }
    }
    _ = unsafe name.withTerminated { unsafe unlinkat(directory.descriptor, $0, AT_REMOVEDIR) }
  }

  private static func entries(_ directory: OpenDirectory) -> [[UInt8]] {
    let place = FileLocation(directory: directory, name: FileLocation.itself)
    guard case .success(.value(let entries)) = FileActions.list(place, limit: .max, upTo: .max) else { return [] }
    return entries.map(\.name)
  }
}

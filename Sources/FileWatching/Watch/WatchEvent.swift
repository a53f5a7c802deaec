/// Something that happened in a watched directory, as far as it matters. It is a reason to scan, not a fact about the
/// disk: what is there is for the scan to say, since by the time an event is read anything may have happened since.
package enum WatchEvent: Sendable, Hashable {
  /// A version of this file is complete: it was closed after writing, or moved into place.
  case saved(ScriptPath)
  /// The file exists, perhaps with nothing in it yet.
  case created(ScriptPath)
  /// The file was deleted or moved away; perhaps for the moment only.
  case removed(ScriptPath)
  /// Its permissions or times changed.
  case touched(ScriptPath)
  /// A directory, or a link that scripts are reached through, came, went or was moved, or the watch of one ended.
  case treeChanged
  /// The kernel dropped events; anything may have happened.
  case overflow
}

/// What the kernel reports, `inotify(7)`.
struct EventMask: OptionSet, Hashable, Sendable {
  var rawValue: UInt32

  static let attributes = EventMask(rawValue: 0x004)
  static let closedAfterWriting = EventMask(rawValue: 0x008)
  static let movedFrom = EventMask(rawValue: 0x040)
  static let movedTo = EventMask(rawValue: 0x080)
  static let created = EventMask(rawValue: 0x100)
  static let deleted = EventMask(rawValue: 0x200)
  static let selfDeleted = EventMask(rawValue: 0x400)
  static let selfMoved = EventMask(rawValue: 0x800)
  static let unmounted = EventMask(rawValue: 0x2000)
  static let overflowed = EventMask(rawValue: 0x4000)
  static let watchEnded = EventMask(rawValue: 0x8000)
  static let onlyDirectories = EventMask(rawValue: 0x0100_0000)
  /// The event is about a directory.
  static let isDirectory = EventMask(rawValue: 0x4000_0000)

  /// What every directory is watched for. Single writes are not among it: a file matters when it is closed, and a log
  /// that is written beside the scripts must not wake the host with each line.
  static let watched: EventMask = [
    .attributes, .closedAfterWriting, .movedFrom, .movedTo, .created, .deleted, .selfDeleted, .selfMoved,
    .onlyDirectories,
  ]
  static let appeared: EventMask = [.created, .movedTo]
  static let disappeared: EventMask = [.deleted, .movedFrom]
  static let watchLost: EventMask = [.selfDeleted, .selfMoved, .unmounted, .watchEnded]
}

extension WatchEvent {
  /// What an event of the kernel means; `nil` when it is none of the host's business, like an editor's temporary files.
  ///
  /// - Parameters:
  ///   - name: the entry of the watched directory that the event is about; empty for the directory itself.
  ///   - role: what the directory is watched for.
  ///   - isLink: whether the entry is a link now. Asked only of entries that could lead to scripts by being one.
  ///   - isSearched: whether the last scan searched this directory.
  init?(
    _ mask: EventMask, name: String, in role: WatchRole, isLink: () -> Bool, isSearched: (ScriptPath) -> Bool
  ) {
    if mask.contains(.overflowed) {
      self = .overflow
    } else if !mask.isDisjoint(with: .watchLost) {
      self = .treeChanged
    } else {
      switch role {
      case .entry(let entry):
        guard name == entry else { return nil }
        self = .treeChanged
      case .configuration(let entry):
        guard name == entry, let event = Self(mask, on: .configuration) else { return nil }
        self = event
      case .elsewhere(let entry, let path):
        guard name == entry, let event = Self(mask, on: path) else { return nil }
        self = event
      case .scripts(let directory):
        guard !name.isEmpty else {
          // The permissions of the directory itself.
          self = .treeChanged
          return
        }
        let path = directory.appending(name)
        if mask.contains(.isDirectory) {
          guard FileNaming.isSearched(path) else { return nil }
          self = .treeChanged
        } else if FileNaming.kind(of: path) != nil {
          guard let event = Self(mask, on: path) else { return nil }
          self = event
        } else {
          guard FileNaming.mayBeDirectoryLink(name) else { return nil }
          let matters =
            !mask.isDisjoint(with: .appeared) && isLink() || !mask.isDisjoint(with: .disappeared) && isSearched(path)
          guard matters else { return nil }
          self = .treeChanged
        }
      }
    }
  }

  private init?(_ mask: EventMask, on path: ScriptPath) {
    if !mask.isDisjoint(with: [.closedAfterWriting, .movedTo]) {
      self = .saved(path)
    } else if mask.contains(.created) {
      self = .created(path)
    } else if !mask.isDisjoint(with: .disappeared) {
      self = .removed(path)
    } else if mask.contains(.attributes) {
      self = .touched(path)
    } else {
      return nil
    }
  }
}

internal import Chronology
internal import FileWatching
internal import JobModel
internal import ScriptLoading

/// Which contents the last good version of each script was loaded from. A value; see ``ScriptArchive``.
struct ScriptIndex: Sendable, Equatable {
  /// One file of a version.
  struct Part: Sendable, Hashable {
    var path: ScriptPath
    var content: ContentHash
  }

  struct Entry: Sendable, Equatable {
    var content: ContentHash
    /// When a version with this content was first in force.
    var savedAt: Instant
    /// Index in `libraries`.
    var library: Int
    var calendars: [Part]
    /// Names, for what is said of a job whose script is not in force.
    var jobs: [String]
  }

  /// The scripts directory.
  var root: String
  /// Sets of modules; most scripts share the newest one.
  var libraries: [[Part]] = []
  var scripts: [ScriptPath: Entry] = [:]

  init(root: String) { self.root = root }

  /// Everything that is named.
  var contents: Set<ContentHash> {
    var contents = Set(libraries.flatMap { $0.map(\.content) })
    for entry in scripts.values {
      contents.insert(entry.content)
      contents.formUnion(entry.calendars.map(\.content))
    }
    return contents
  }

  /// The index after `generation` came into force; what its versions were loaded from is added to `contents`.
  func following(
    _ generation: LoadedGeneration, at now: Instant, elsewhere: (String) -> ScriptFile?,
    contents: inout [ContentHash: FileContent]
  ) -> ScriptIndex {
    var next = ScriptIndex(root: root)
    func part(_ file: ScriptFile?) -> Part? {
      guard let file, case .success(let content) = file.content else { return nil }
      contents[content.hash] = content
      return Part(path: file.path, content: content.hash)
    }
    /// Those of this index that are still used, by their index in it.
    var indices: [Int: Int] = [:]
    let modules = generation.snapshot.modules.compactMap { part($0) }
    var newest: Int?
    for script in generation.scripts {
      let former = scripts[script.path]
      guard script.status == .current, let active = script.active,
        let content = part(generation.snapshot[script.path])?.content, content == active.content
      else {
        guard var kept = former else { continue }
        let index = indices[kept.library] ?? next.libraries.count
        if index == next.libraries.count { next.libraries.append(libraries[kept.library]) }
        indices[kept.library] = index
        kept.library = index
        next.scripts[script.path] = kept
        continue
      }
      if newest == nil {
        newest = next.libraries.count
        next.libraries.append(modules)
      }
      let calendars = script.evaluation.calendars.sorted().compactMap { path in
        part(generation.snapshot[path] ?? (path.text.hasPrefix("/") ? elsewhere(path.text) : nil))
      }
      next.scripts[script.path] = Entry(
        content: content, savedAt: former?.content == content ? former?.savedAt ?? now : now,
        library: newest ?? 0, calendars: calendars, jobs: active.jobs.map(\.name))
    }
    return next
  }
}

// MARK: As bytes

/// Numbers are 64 bits, little end first; texts and lists begin with their length; the SHA-256 of all of it is the end.
extension ScriptIndex {
  private static let magic = Array("moondial scripts 1\n".utf8)

  var bytes: [UInt8] {
    var writer = IndexWriter(bytes: Self.magic)
    writer.add(root)
    writer.add(libraries) { writer, library in writer.add(library) { $0.add($1) } }
    writer.add(scripts.sorted { $0.key < $1.key }) { writer, script in
      writer.add(Part(path: script.key, content: script.value.content))
      writer.add(script.value.savedAt.nanoseconds)
      writer.add(Int64(script.value.library))
      writer.add(script.value.calendars) { $0.add($1) }
      writer.add(script.value.jobs) { $0.add($1) }
    }
    return writer.bytes + SHA256.hash(writer.bytes)
  }

  /// nil: it is no index, or not a whole one.
  init?(bytes: [UInt8]) {
    guard bytes.count >= Self.magic.count + 32, bytes.starts(with: Self.magic) else { return nil }
    let body = Array(bytes.dropLast(32))
    guard SHA256.hash(body) == Array(bytes.suffix(32)) else { return nil }
    var reader = IndexReader(rest: body.dropFirst(Self.magic.count))
    do {
      root = try reader.text()
      libraries = try reader.list { reader in try reader.list { try $0.part() } }
      let count = libraries.count
      let scripts = try reader.list { reader -> (ScriptPath, Entry) in
        let part = try reader.part()
        let entry = Entry(
          content: part.content, savedAt: Instant(nanoseconds: try reader.number()),
          library: Int(clamping: try reader.number()), calendars: try reader.list { try $0.part() },
          jobs: try reader.list { try $0.text() })
        guard (0..<count).contains(entry.library) else { throw IndexReader.Cut() }
        return (part.path, entry)
      }
      self.scripts = Dictionary(scripts, uniquingKeysWith: { first, _ in first })
    } catch { return nil }
  }
}

private struct IndexWriter {
  var bytes: [UInt8]

  mutating func add(_ number: Int64) {
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> (Int64(shift) * 8))) }
  }
  mutating func add(_ text: String) {
    add(Int64(text.utf8.count))
    bytes += text.utf8
  }
  mutating func add(_ part: ScriptIndex.Part) {
    add(part.path.text)
    bytes += part.content.bytes
  }
  mutating func add<Element>(_ list: [Element], _ each: (inout IndexWriter, Element) -> Void) {
    add(Int64(list.count))
    for element in list { each(&self, element) }
  }
}

private struct IndexReader {
  /// It ends in the middle, or says something impossible.
  struct Cut: Error {}

  var rest: ArraySlice<UInt8>

  mutating func take(_ count: Int64) throws(Cut) -> ArraySlice<UInt8> {
    guard count >= 0, count <= rest.count else { throw Cut() }
    defer { rest = rest.dropFirst(Int(count)) }
    return rest.prefix(Int(count))
  }
  mutating func number() throws(Cut) -> Int64 {
    try take(8).reversed().reduce(0) { $0 << 8 | Int64($1) }
  }
  mutating func text() throws(Cut) -> String { String(decoding: try take(try number()), as: UTF8.self) }
  mutating func part() throws(Cut) -> ScriptIndex.Part {
    let path = ScriptPath(try text())
    guard let content = ContentHash(Array(try take(32))) else { throw Cut() }
    return ScriptIndex.Part(path: path, content: content)
  }
  mutating func list<Element>(_ each: (inout IndexReader) throws -> Element) throws -> [Element] {
    let count = try number()
    // Each element takes eight bytes at least.
    guard count >= 0, count <= rest.count / 8 else { throw Cut() }
    var list: [Element] = []
    for _ in 0..<count { list.append(try each(&self)) }
    return list
  }
}

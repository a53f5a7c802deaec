internal import Basics
package import Chronology
package import FileWatching
internal import Synchronization
package import Triggers

/// The calendar files (`.ics`) as one load of scripts sees them: those of the snapshot, and files elsewhere that
/// scripts name by an absolute path.
///
/// Scripts never read files themselves: they name a calendar, and building the trigger reads it here. Which calendars a
/// script named is kept, so that it is evaluated again when one of them changes, comes or goes.
///
/// Safe to share; each file is read once.
package final class CalendarLibrary: CalendarFileSource {
  private let file: @Sendable (ScriptPath) -> ScriptFile?
  private let names: @Sendable () -> [String]
  /// Why no calendar is read at all.
  private let refusal: TriggerError?
  private let state = Mutex(State())

  private struct State {
    var read: [ScriptPath: Result<CalendarFile, TriggerError>] = [:]
    var named: Set<ScriptPath> = []
    var unfinished: Set<ScriptPath> = []
  }

  /// - Parameter elsewhere: reads a file outside the scripts directory by its absolute path.
  package init(_ snapshot: DirectorySnapshot, elsewhere: @escaping @Sendable (String) -> ScriptFile? = { _ in nil }) {
    file = { path in
      if let known = snapshot[path] { return known.kind == .calendar ? known : nil }
      return path.text.hasPrefix("/") ? elsewhere(path.text) : nil
    }
    names = { snapshot.files.filter { $0.kind == .calendar }.map(\.path.text) }
    refusal = nil
  }

  /// No calendar files: naming one is this error.
  package init(refusing refusal: TriggerError) {
    file = { _ in nil }
    names = { [] }
    self.refusal = refusal
  }

  /// The calendar files on disk, each read when it is named; relative paths begin in `directory`. For commands that
  /// look once.
  package init(in directory: String) {
    let directory = ScriptDirectory(directory)
    file = { path in
      let isAbsolute = path.text.hasPrefix("/")
      let absolute = isAbsolute ? path.text : AbsolutePath.appending(path.text, to: directory.root)
      guard let found = directory.calendarElsewhere(absolute) else { return nil }
      return ScriptFile(path, .calendar, found.content)
    }
    names = { [] }
    refusal = nil
  }

  /// Forgets which files were named, and tells them: called between two scripts.
  func takeNamed() -> Set<ScriptPath> {
    state.withLock { state in
      defer { state.named = [] }
      return state.named
    }
  }

  /// One of `paths` that could not be read because it ends in the middle, as a file does that is being written.
  func unfinished(among paths: Set<ScriptPath>) -> ScriptPath? {
    state.withLock { $0.unfinished.intersection(paths).min() }
  }

  package func calendar(
    at text: String, zones: TimeZoneDatabase, deadline: WorkDeadline?
  ) throws(TriggerError) -> CalendarFile {
    if let refusal { throw refusal }
    let path = try CalendarLibrary.path(text)
    let known = state.withLock { state in
      state.named.insert(path)
      return state.read[path]
    }
    if let known { return try known.get() }
    let result: Result<CalendarFile, TriggerError>
    do throws(TriggerError) {
      result = .success(try read(path, zones, deadline))
    } catch {
      // Another script may have the time for it.
      if deadline?.isOver == true { throw error }
      result = .failure(error)
    }
    state.withLock { $0.read[path] = result }
    return try result.get()
  }

  private func read(
    _ path: ScriptPath, _ zones: TimeZoneDatabase, _ deadline: WorkDeadline?
  ) throws(TriggerError) -> CalendarFile {
    guard let file = file(path) else {
      let isElsewhere = path.text.hasPrefix("/")
      let hint = isElsewhere ? "" : FieldReading.suggestion(for: path.text, among: names())
      throw TriggerError("there is no file \(path)\(isElsewhere ? "" : " in the scripts directory")\(hint)")
    }
    switch file.content {
    case .failure(let problem): throw TriggerError(problem.description)
    case .success(let content):
      do throws(TriggerError) {
        return try CalendarFile(content.bytes, zones: zones, deadline: deadline)
      } catch {
        if deadline?.isOver == true { throw error }
        if !CalendarFile.isComplete(content.bytes) { state.withLock { _ = $0.unfinished.insert(path) } }
        throw TriggerError("\(path):\(error.message)", suggestion: error.suggestion)
      }
    }
  }

  /// The key of a path as a script writes it: relative to the scripts directory, or absolute.
  private static func path(_ text: String) throws(TriggerError) -> ScriptPath {
    let components = text.split(separator: "/").filter { $0 != "." }
    guard text.hasSuffix(".ics"), !components.contains("..") else {
      throw TriggerError(
        "\"\(VisibleText.line(text))\" is no path of a calendar",
        suggestion: "write one below the scripts directory like \"holidays.ics\", or an absolute one")
    }
    return ScriptPath((text.hasPrefix("/") ? "/" : "") + components.joined(separator: "/"))
  }
}

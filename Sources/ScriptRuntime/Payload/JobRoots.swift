package import Lua

/// The functions of a declared job, still in the declaring state: `run` always, `on_error`, `on_failure` and
/// `on_success` where given.
///
/// As a sequence it is what a capture begins at, by names of entries. It is no dictionary, and forgets where the
/// functions were written, because there is one for each of very many jobs.
package struct JobRoots: Sendable, Sequence {
  private var runSlot: Int32?
  private var errorSlot: Int32?
  private var successSlot: Int32?
  private var failureSlot: Int32?

  package init() {}

  package var run: LuaReference? {
    get { runSlot.map { LuaReference(slot: $0) } }
    set { runSlot = newValue?.slot }
  }

  package var onError: LuaReference? {
    get { errorSlot.map { LuaReference(slot: $0) } }
    set { errorSlot = newValue?.slot }
  }

  package var onSuccess: LuaReference? {
    get { successSlot.map { LuaReference(slot: $0) } }
    set { successSlot = newValue?.slot }
  }

  package var onFailure: LuaReference? {
    get { failureSlot.map { LuaReference(slot: $0) } }
    set { failureSlot = newValue?.slot }
  }

  package func makeIterator() -> Iterator { Iterator(roots: self) }

  package struct Iterator: IteratorProtocol {
    fileprivate let roots: JobRoots
    private var position = 0

    fileprivate init(roots: JobRoots) { self.roots = roots }

    package mutating func next() -> (key: String, value: LuaReference)? {
      while position < 4 {
        position += 1
        switch position {
        case 1: if let run = roots.run { return ("run", run) }
        case 2: if let onError = roots.onError { return ("on_error", onError) }
        case 3: if let onFailure = roots.onFailure { return ("on_failure", onFailure) }
        default: if let onSuccess = roots.onSuccess { return ("on_success", onSuccess) }
        }
      }
      return nil
    }
  }
}

package import Lua

/// The functions of a declared job, still in the declaring state: `run` always, `on_error` and `on_success` where given.
///
/// As a sequence it is what a capture begins at, by names of entries. It is no dictionary because there is one for each of very many
/// jobs.
package struct JobRoots: Sendable, Sequence {
  package var run: LuaReference?
  package var onError: LuaReference?
  package var onSuccess: LuaReference?

  package init(run: LuaReference? = nil, onError: LuaReference? = nil, onSuccess: LuaReference? = nil) {
    self.run = run
    self.onError = onError
    self.onSuccess = onSuccess
  }

  package func makeIterator() -> Iterator { Iterator(roots: self) }

  package struct Iterator: IteratorProtocol {
    fileprivate let roots: JobRoots
    private var position = 0

    fileprivate init(roots: JobRoots) { self.roots = roots }

    package mutating func next() -> (key: String, value: LuaReference)? {
      while position < 3 {
        position += 1
        switch position {
        case 1: if let run = roots.run { return ("run", run) }
        case 2: if let onError = roots.onError { return ("on_error", onError) }
        default: if let onSuccess = roots.onSuccess { return ("on_success", onSuccess) }
        }
      }
      return nil
    }
  }
}

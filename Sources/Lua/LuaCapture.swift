internal import CLuaShim

/// A captured local that functions of two jobs assign. Each job has a copy of its own, which is seldom what the author
/// meant.
package struct LuaCaptureConflict: Sendable, Equatable {
  /// The local's name.
  package let local: String
  /// The first two jobs that assign it, as indices of the capture's list.
  package let firstJob: Int
  package let secondJob: Int

  package init(local: String, firstJob: Int, secondJob: Int) {
    self.local = local
    self.firstJob = firstJob
    self.secondJob = secondJob
  }
}

/// Why a script's jobs cannot be captured.
package struct LuaCaptureError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The job that it is about, as an index of the capture's list; nil: the script as a whole (a changed host table, a
  /// limit).
  package let job: Int?
  /// What is in the way: `upvalue 'conn' of run: cannot keep a coroutine`.
  package let message: String
  package var description: String { message }

  package init(job: Int?, message: String) {
    self.job = job
    self.message = message
  }
}

/// The capsules of a script's jobs, taken after its top level has ended.
///
/// What two jobs reach, and what they reach through globals and modules, is kept once for all of them. Jobs of a loop
/// cost about 1 us and 150 bytes each.
package struct LuaCapture: Sendable {
  /// In the order of the jobs.
  package let capsules: [LuaCapsule]
  package let conflicts: [LuaCaptureConflict]

  /// Captures functions that `declaration` holds, each job given as entries by name (`run`, `on_error`, …).
  ///
  /// - Throws: on the first thing, in an order that depends only on the script, that cannot be kept.
  package init<Roots: Sequence>(of jobs: [Roots], in declaration: LuaDeclaration) throws(LuaCaptureError)
  where Roots.Element == (key: String, value: LuaReference) {
    guard let capture = unsafe moon_capture_new() else {
      throw LuaCaptureError(job: nil, message: "not enough memory to keep the script's functions")
    }
    // Freed on every way out; the capture owns all memory of an attempt, even one that was abandoned half-way.
    defer { unsafe moon_capture_free(capture) }
    func fail(_ message: String) -> LuaCaptureError {
      let job = unsafe moon_capture_failed_job(capture)
      return LuaCaptureError(job: job == Int.max || job < 0 || job >= jobs.count ? nil : job, message: message)
    }
    do {
      try unsafe Self.add(jobs, to: capture, in: declaration)
    } catch {
      throw fail(error.message)
    }
    guard unsafe moon_capture_finish(capture) else {
      throw fail(unsafe String(cString: moon_capture_error(capture)))
    }
    // The capture has ended well.
    capsules = unsafe Self.take(jobs.count, from: capture)
    conflicts = (0..<(unsafe moon_capture_conflict_count(capture))).map { index in
      let conflict = unsafe moon_capture_conflict_at(capture, index)
      return unsafe LuaCaptureConflict(
        local: String(cString: conflict.name), firstJob: conflict.first_job, secondJob: conflict.second_job)
    }
  }

  /// The capsules of a finished capture. Jobs of a loop whose functions reach the same have one.
  private static func take(_ count: Int, from capture: OpaquePointer) -> [LuaCapsule] {
    var capsules: [LuaCapsule] = []
    capsules.reserveCapacity(count)
    for index in 0..<count {
      if index > 0, unsafe moon_capture_is_same(capture, index, index - 1) {
        capsules.append(capsules[index - 1])
      } else {
        // The index is below the count of jobs added; `take` retains for us.
        capsules.append(unsafe LuaCapsule(owning: moon_capture_take(capture, index)))
      }
    }
    return capsules
  }

  private static func add<Roots: Sequence>(
    _ jobs: [Roots], to capture: OpaquePointer, in declaration: LuaDeclaration
  ) throws(LuaError) where Roots.Element == (key: String, value: LuaReference) {
    var counts: [Int] = []
    var slots: [Int32] = []
    var names: [CChar] = []  // terminated, one after the other
    counts.reserveCapacity(jobs.count)
    for job in jobs {
      let before = slots.count
      for (name, reference) in job {
        names.append(contentsOf: name.utf8.lazy.map { CChar(bitPattern: $0) })
        names.append(0)
        slots.append(reference.slot)
      }
      counts.append(slots.count - before)
    }
    // The arrays are as long as the counts say, and live until the call returns.
    switch unsafe moon_capture_add_references(declaration.lua, capture, counts.count, counts, names, slots) {
    case MOON_OK: return
    case MOON_ERROR: throw unsafe declaration.popError(from: declaration.lua)
    default: throw declaration.abandoned()
    }
  }
}

extension LuaCapsule {
  /// The capsule of one set of entries.
  package static func capture(_ declaration: LuaDeclaration, roots: [String: LuaReference]) throws(LuaError)
    -> LuaCapsule
  {
    do {
      return try LuaCapture(of: [roots], in: declaration).capsules[0]
    } catch {
      throw LuaError(.host, error.message)
    }
  }
}

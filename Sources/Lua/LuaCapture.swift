internal import CLuaShim

/// A captured local that functions of two jobs assign. Each job has a copy of its own, which is seldom what the author meant.
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
  /// The job that it is about, as an index of the capture's list; nil: the script as a whole (a changed host table, a limit).
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
/// What two jobs reach, and what they reach through globals and modules, is kept once for all of them. Jobs of a loop cost
/// about 1 us and 150 bytes each.
package struct LuaCapture: Sendable {
  /// In the order of the jobs.
  package let capsules: [LuaCapsule]
  package let conflicts: [LuaCaptureConflict]

  /// Captures functions that `declaration` holds, each job given as entries by name (`run`, `on_error`, …).
  ///
  /// - Throws: on the first thing, in an order that depends only on the script, that cannot be kept.
  package init(of jobs: [[String: LuaReference]], in declaration: LuaDeclaration) throws(LuaCaptureError) {
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
    // Each index is below the count of jobs added; `take` retains for us.
    capsules = jobs.indices.map { index in unsafe LuaCapsule(owning: moon_capture_take(capture, index)) }
    conflicts = (0..<(unsafe moon_capture_conflict_count(capture))).map { index in
      let conflict = unsafe moon_capture_conflict_at(capture, index)
      return unsafe LuaCaptureConflict(
        local: String(cString: conflict.name), firstJob: conflict.first_job, secondJob: conflict.second_job)
    }
  }

  private static func add(
    _ jobs: [[String: LuaReference]], to capture: OpaquePointer, in declaration: LuaDeclaration
  ) throws(LuaError) {
    var counts: [Int] = []
    var slots: [Int32] = []
    var names: [CChar] = []   // terminated, one after the other
    for job in jobs {
      counts.append(job.count)
      for (name, reference) in job {
        names += name.utf8.map { CChar(bitPattern: $0) }
        names.append(0)
        slots.append(reference.slot)
      }
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
  package static func capture(_ declaration: LuaDeclaration, roots: [String: LuaReference]) throws(LuaError) -> LuaCapsule {
    do {
      return try LuaCapture(of: [roots], in: declaration).capsules[0]
    } catch {
      throw LuaError(.host, error.message)
    }
  }
}

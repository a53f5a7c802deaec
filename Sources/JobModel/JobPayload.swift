/// What an executor runs for a job: a captured Lua function, a Swift closure. The scheduler carries it and never looks
/// inside.
package protocol JobPayload: AnyObject, Sendable {
  /// How `other`, the payload of the same job in another generation, differs from this one.
  func difference(from other: any JobPayload) -> PayloadDifference
}

/// What a reload changed about a job's code.
package enum PayloadDifference: Sendable {
  /// Nothing: the job is left alone.
  case none
  /// Only line numbers: schedule and history stay, new runs use the new code.
  case lineInformation
  /// The code, or it cannot be told.
  case code
}

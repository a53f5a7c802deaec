/// What an executor runs for a job: a captured Lua function, a Swift closure. The scheduler carries it and never looks
/// inside.
package protocol JobPayload: AnyObject, Sendable {
  /// How `other`, the payload of the same job in another generation, differs from this one.
  func difference(from other: any JobPayload) -> PayloadDifference
  /// Whose code it is, a script for instance: owners take turns at the workers. The object behind it lives as long as
  /// the payload. Default: one for all, which is the program.
  var owner: ObjectIdentifier { get }
}

extension JobPayload {
  package var owner: ObjectIdentifier { ObjectIdentifier((any JobPayload).self) }
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

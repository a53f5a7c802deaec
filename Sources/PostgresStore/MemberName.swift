internal import Basics
internal import JobModel

/// A member's name, which no two live hosts have: taking it, and who has it.
enum MemberName {
  /// Takes it. Where a host of that name was there a moment ago and has said nothing since, it is dead if this machine
  /// can see that; otherwise it has the length of its lease to say a word.
  ///
  /// - Throws: `.locked` with who has the name.
  static func take(
    _ connection: inout PostgresConnection, _ target: PostgresTarget, setup: String, _ identity: MemberIdentity,
    lease: Int64
  ) throws(StoreError) {
    // How long the other one is known to count as alive without another word.
    var seen: (life: String, left: Int64)?
    while true {
      if try PostgresMembers.join(connection, identity, lease: lease, instead: nil) { return }
      guard let other = try PostgresMembers.member(connection, identity.name) else { continue }
      switch judge(other, seen) {
      case .isGone:
        if try PostgresMembers.join(connection, identity, lease: lease, instead: other.identity.life) { return }
      case .lives: throw StoreError(.locked, sentence(target, identity.name, other))
      case .unknown:
        seen = (other.identity.life, other.left)
        _ = try connection.awaitNotice(for: min(max(other.left, shortestLook), longestLook))
      }
    }
  }

  private static let shortestLook: Int64 = 10_000_000
  private static let longestLook: Int64 = 500_000_000

  enum Judgement { case isGone, lives, unknown }

  /// What is known of the host that has the name.
  ///
  /// - Parameter seen: what the look before said of it.
  static func judge(
    _ other: StoreMember, _ seen: (life: String, left: Int64)?
  ) -> Judgement {
    // It has left; what is left of it is that it is drained.
    if other.identity.life.isEmpty { return .isGone }
    switch other.identity.place.isAlive {
    case true?: return .lives
    case false?: return .isGone
    case nil: break
    }
    guard let seen, seen.life == other.identity.life else { return .unknown }
    // It has said a word since.
    return other.left > seen.left ? .lives : .unknown
  }

  static func sentence(_ target: PostgresTarget, _ name: String, _ other: StoreMember?) -> String {
    let who = other.map { "process \($0.identity.place.process) on \($0.identity.machine), since \($0.since)" }
    return
      "\(target.location): another host is called \"\(name)\" (\(who ?? "it has just gone")): give this one a name of "
      + "its own, such as node = { name = \"\(name)-2\" } in moondial.lua, or stop that one"
  }
}
